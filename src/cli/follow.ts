import { pause, steadyTime, timeOfDay, unixTime } from '../host/clock.ts';
import { print, printError } from '../host/console.ts';
import { NoDaemonError } from '../host/control-client.ts';
import type { ControlClient } from '../host/control-client.ts';
import { everySignal } from '../host/system.ts';
import { terminalState } from '../host/terminal.ts';
import type { DaemonStatus } from '../service/control.ts';
import type { Table } from '../ubus/blobmsg.ts';
import { UbusError } from '../ubus/status.ts';
import type { Invocation } from './arguments.ts';
import { complain, DONE, FAILED, withDaemon } from './ask.ts';
import { formatEvent } from './event-line.ts';
import { formatJson } from './json.ts';
import { missingService } from './membership.ts';
import { packetRates } from './rates.ts';
import { ENTER, LEAVE, redraw } from './screen.ts';
import { namesOfServices, readStatus } from './status-reader.ts';
import { formatStatus } from './status-table.ts';
import type { TableOptions } from './status-table.ts';
import { coloured, plain } from './style.ts';

/** Milliseconds between two pictures. */
const INTERVAL = 1000;

/** `oneip status [SERVICE] [--watch] [--json]` */
export function runStatus(invocation: Invocation): Promise<number> {
  const [service] = invocation.operands;
  const json = invocation.flags.has('json');
  return withDaemon(invocation, async (client) => {
    const reply = await client.call('status');
    const missing = service === undefined ? undefined : missingService(namesOfServices(reply), service);
    if (missing !== undefined) return complain(missing, FAILED);
    if (invocation.flags.has('watch')) return watch(client, service, json);
    const chosen = only(reply, service);
    print(json ? `${formatJson(chosen, 2)}\n` : formatStatus(readStatus(chosen), appearance()));
    return DONE;
  });
}

/** `oneip events [--json]` */
export function runEvents(invocation: Invocation): Promise<number> {
  const json = invocation.flags.has('json');
  return withDaemon(invocation, async (client) => {
    const ended = interrupted();
    const { paint } = appearance();
    let away = false;
    let over = false;
    client.follow(
      (event) => {
        const line = json ? formatJson({ time: unixTime(), ...event }) : formatEvent(timeOfDay(), event, paint);
        print(`${line}\n`);
      },
      () => {
        if (away) printError('oneip: the daemon is back\n');
        away = false;
      },
      () => {
        // Hanging up looks the same.
        if (over) return;
        away = true;
        printError('oneip: the daemon has gone; waiting for it\n');
      },
    );
    await ended;
    over = true;
    return DONE;
  });
}

async function watch(client: ControlClient, service: string | undefined, json: boolean): Promise<number> {
  let ending = false;
  const ended = interrupted().then(() => (ending = true));
  const { live } = appearance();
  const onScreen = live && !json;
  if (onScreen) print(ENTER);
  try {
    let before: { readonly status: DaemonStatus; readonly at: number } | undefined;
    while (!ending) {
      const at = steadyTime();
      const reply = await ask(client);
      if (typeof reply === 'string') {
        if (onScreen) print(redraw(`${reply}\n`));
        else printError(`oneip: ${reply}\n`);
      } else if (json) print(`${formatJson(only(reply, service))}\n`);
      else {
        const status = readStatus(only(reply, service));
        const rates = before && packetRates(before.status, status, (at - before.at) / 1000);
        before = { status, at };
        const page = formatStatus(status, { ...appearance(), ...(rates && { rates }) });
        print(onScreen ? redraw(page) : `${page}\n`);
      }
      await Promise.race([pause(INTERVAL), ended]);
    }
    return DONE;
  } finally {
    if (onScreen) print(LEAVE);
  }
}

/** The status, or why there is none just now. */
async function ask(client: ControlClient): Promise<Table | string> {
  try {
    return await client.call('status');
  } catch (error) {
    if (error instanceof NoDaemonError) return `${error.message}; waiting for it`;
    if (error instanceof UbusError) return `${error.message}; waiting`;
    throw error;
  }
}

/** How tables look on standard output as it is now. */
function appearance(): TableOptions & { readonly live: boolean } {
  const { live, colour, width } = terminalState();
  return { live, paint: colour ? coloured : plain, ...(width !== undefined && { width }) };
}

function interrupted(): Promise<void> {
  return new Promise((resolve) => everySignal(['SIGINT', 'SIGTERM'], resolve));
}

/** The reply with one service only. */
function only(reply: Table, service: string | undefined): Table {
  const { services } = reply;
  if (service === undefined || typeof services !== 'object' || services === null) return reply;
  const chosen = Object.entries(services).filter(([name]) => name === service);
  return { ...reply, services: Object.fromEntries(chosen) };
}
