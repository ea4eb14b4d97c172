import { pause } from '../host/clock.ts';
import type { ControlClient } from '../host/control-client.ts';
import { runCommand } from '../host/command.ts';
import { readTextIfThere } from '../host/files.ts';
import { OPTIONS, optionValue } from './arguments.ts';
import type { Invocation } from './arguments.ts';
import { askStatus, DONE, FAILED, withDaemon } from './ask.ts';

/** Where OpenWrt has it. */
const INIT_SCRIPT = '/etc/init.d/oneip';
/** Looks for a daemon that was started, and milliseconds between them. */
const LOOKS = 40;
const PAUSE = 500;

/**
 * Has the daemon take the configuration. On OpenWrt the service does, which also tells the firewall, starts a daemon where none
 * runs, and is started at every boot from now on. A text says why nothing of it is in force, as a clause.
 */
export async function startDaemon(invocation: Invocation, service: string): Promise<string | undefined> {
  const isUsual = optionValue(invocation, 'config') === OPTIONS['config']?.fallback;
  if (!isUsual || readTextIfThere(INIT_SCRIPT) === undefined) {
    return talk(invocation, async (daemon) => {
      await daemon.call('reload');
    });
  }
  for (const order of ['enable', 'reload']) {
    const complaint = await runCommand([INIT_SCRIPT, order]);
    if (complaint !== undefined) return `'${INIT_SCRIPT} ${order}' says: ${complaint}`;
  }
  for (let look = 0; look < LOOKS; look++) {
    let isThere = false;
    await talk(invocation, async (daemon) => {
      isThere = (await askStatus(daemon)).services.some((status) => status.service === service);
    });
    if (isThere) return undefined;
    await pause(PAUSE);
  }
  return "the daemon does not come up: 'logread -e oneip' says why";
}

/** Talks to the daemon; a text says why that failed, as a clause. */
async function talk(
  invocation: Invocation,
  words: (daemon: ControlClient) => Promise<void>,
): Promise<string | undefined> {
  let missing: string | undefined;
  const status = await withDaemon(
    invocation,
    async (daemon) => {
      await words(daemon);
      return DONE;
    },
    (reason) => {
      missing = reason;
      return FAILED;
    },
  );
  if (missing !== undefined) return `no daemon runs (${missing}): 'oneip daemon' is one`;
  return status === DONE ? undefined : 'the daemon has refused it';
}
