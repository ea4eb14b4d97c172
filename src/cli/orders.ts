import { print, printError } from '../host/console.ts';
import type { ControlClient } from '../host/control-client.ts';
import { pause } from '../host/clock.ts';
import { progressWidth } from '../host/terminal.ts';
import { ControlError } from '../service/control.ts';
import type { ServerReference } from '../service/control.ts';
import { UbusError, Status } from '../ubus/status.ts';
import type { Invocation } from './arguments.ts';
import { askStatus, complain, DONE, FAILED, withDaemon, WRONG_USAGE } from './ask.ts';
import { cut } from './columns.ts';
import { drainProgress } from './drain-progress.ts';
import { formatJson } from './json.ts';
import { objection, outcome, readOrder } from './order.ts';
import type { Order } from './order.ts';
import { tableOf, text } from './status-reader.ts';

/** Milliseconds between two looks at a drain. */
const LOOK = 500;

/** `oneip failover`, `drain`, `up`, `auto`, `weight`, `add` and `remove`. */
export async function runOrder(invocation: Invocation): Promise<number> {
  let order: Order;
  try {
    order = readOrder(invocation);
  } catch (error) {
    if (!(error instanceof ControlError)) throw error;
    return complain(error.message, WRONG_USAGE);
  }
  return withDaemon(invocation, async (client) => {
    const before = await askStatus(client);
    const wrong = objection(before, order);
    if (wrong !== undefined) return complain(wrong, FAILED);
    await client.call(order.method, order.args);
    const lines = outcome(before, await askStatus(client), order);
    print(lines.map((line) => `${line}\n`).join(''));
    if (!invocation.flags.has('wait')) return DONE;
    return waitForDrain(client, order.reference, order.method === 'remove_server');
  });
}

/** `oneip reload`: where the daemon refuses, what is wrong in the file. */
export function runReload(invocation: Invocation): Promise<number> {
  return withDaemon(invocation, async (client) => {
    try {
      await client.call('reload');
    } catch (error) {
      if (!(error instanceof UbusError) || error.status !== Status.PERMISSION_DENIED) throw error;
      const { ok, problems } = await client.call('check');
      if (ok !== false || !Array.isArray(problems)) throw error;
      for (const problem of problems) printError(`${text(tableOf(problem)['text'])}\n`);
      return complain('the configuration has errors; the one in force stays', FAILED);
    }
    print('reloaded\n');
    return DONE;
  });
}

/** `oneip dump` */
export function runDump(invocation: Invocation): Promise<number> {
  return withDaemon(invocation, async (client) => {
    const dump = await client.call('dump');
    print(`${formatJson(dump, 1)}\n`);
    const { omitted } = dump;
    if (Array.isArray(omitted)) printError(`oneip: too large for ubus and left out: ${omitted.join(', ')}\n`);
    return DONE;
  });
}

/** Shows on standard error how far a drain is: in place on a terminal, else a line when it begins and when it ends. */
async function waitForDrain(client: ControlClient, reference: ServerReference, removal: boolean): Promise<number> {
  let told = false;
  for (;;) {
    const { outcome: result, line } = drainProgress(await askStatus(client), reference, removal);
    const width = progressWidth();
    const begin = width !== undefined && told ? '\r\x1b[K' : '';
    if (result !== 'going') {
      printError(`${begin}${line}\n`);
      return result === 'done' ? DONE : FAILED;
    }
    // A line as wide as the terminal would take two.
    if (width !== undefined) printError(begin + cut(line, width - 1));
    else if (!told) printError(`${line}\n`);
    told = true;
    await pause(LOOK);
  }
}
