import { pause } from '../host/clock.ts';
import { runCommand } from '../host/command.ts';
import { readTextIfThere } from '../host/files.ts';
import type { Invocation } from './arguments.ts';
import { DONE, FAILED, withDaemon } from './ask.ts';

/** Where OpenWrt has it. */
const INIT_SCRIPT = '/etc/init.d/oneip';
/** Looks for a daemon that was started, and milliseconds between them. */
const LOOKS = 40;
const PAUSE = 500;

/**
 * Has the daemon take the configuration; starts it where none runs, and has it started at every boot. A text says why nothing
 * of it is in force, as a clause.
 */
export async function startDaemon(invocation: Invocation): Promise<string | undefined> {
  const reload = (): Promise<string | undefined> => reloadDaemon(invocation);
  const failure = await reload();
  if (failure === undefined || readTextIfThere(INIT_SCRIPT) === undefined) return failure;
  for (const order of ['enable', 'start']) {
    const complaint = await runCommand([INIT_SCRIPT, order]);
    if (complaint !== undefined) return `'${INIT_SCRIPT} ${order}' says: ${complaint}`;
  }
  for (let look = 0; look < LOOKS; look++) {
    await pause(PAUSE);
    if ((await reload()) === undefined) return undefined;
  }
  return `the daemon does not come up: 'logread -e oneip' says why`;
}

async function reloadDaemon(invocation: Invocation): Promise<string | undefined> {
  let missing: string | undefined;
  const status = await withDaemon(
    invocation,
    async (daemon) => {
      await daemon.call('reload');
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
