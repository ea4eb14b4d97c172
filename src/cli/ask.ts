import { printError } from '../host/console.ts';
import { ControlClient, NoDaemonError } from '../host/control-client.ts';
import type { DaemonStatus } from '../service/control.ts';
import { UbusError } from '../ubus/status.ts';
import type { Invocation } from './arguments.ts';
import { optionValue } from './arguments.ts';
import { refusalText } from './refusal.ts';
import { readStatus } from './status-reader.ts';

export const DONE = 0;
export const FAILED = 1;
export const WRONG_USAGE = 2;
export const NO_DAEMON = 3;

/** Talks to the running daemon, and makes sentences and an exit status of whatever goes wrong. */
export async function withDaemon(
  invocation: Invocation,
  talk: (client: ControlClient) => Promise<number>,
  withoutDaemon: (reason: string) => number = (reason) => complain(reason, NO_DAEMON),
): Promise<number> {
  let client: ControlClient | undefined;
  try {
    client = await ControlClient.connect(optionValue(invocation, 'ubus'));
    return await talk(client);
  } catch (error) {
    if (error instanceof NoDaemonError) return withoutDaemon(error.message);
    if (error instanceof UbusError) return complain(refusalText(error, await failingOf(client)), FAILED);
    throw error;
  } finally {
    client?.close();
  }
}

export async function askStatus(client: ControlClient): Promise<DaemonStatus> {
  return readStatus(await client.call('status'));
}

/** Says what is wrong; returns the exit status. */
export function complain(message: string, status: number): number {
  printError(`oneip: ${message}\n`);
  return status;
}

/** What the daemon itself says is wrong with it, where it still can. */
async function failingOf(client: ControlClient | undefined): Promise<string | undefined> {
  try {
    return client && (await askStatus(client)).failing;
  } catch {
    return undefined;
  }
}
