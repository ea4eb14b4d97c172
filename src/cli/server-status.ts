import { loadConfiguration } from '../config/validate.ts';
import { print } from '../host/console.ts';
import { readText, readTextIfThere } from '../host/files.ts';
import { serverStatusFile } from '../host/cleanup.ts';
import { askStatus, statusSocket } from '../host/status-socket.ts';
import { isLocked } from '../host/observe/lock.ts';
import { inspectServer } from '../host/server.ts';
import { describeNetworkChange } from '../network/describe.ts';
import { EMPTY_NETWORK } from '../network/state.ts';
import { TABLE } from '../ruleset/ruleset.ts';
import { LEFT_COUNTER, takenCounter } from '../server/filter.ts';
import { identify } from '../server/identity.ts';
import { attach } from '../server/machine.ts';
import { describeServer } from '../server/status.ts';
import type { ServerStatus } from '../server/status.ts';
import { wantedServer } from '../server/wanted.ts';
import { optionValue } from './arguments.ts';
import type { Invocation } from './arguments.ts';
import { complain, DONE, FAILED, NO_DAEMON } from './ask.ts';

/** `oneip server --status`: what the running daemon has in force, held against the machine as it is. */
export async function runServerStatus(invocation: Invocation): Promise<number> {
  const state = optionValue(invocation, 'state');
  const runs = isLocked(`${state}/daemon.lock`);
  const told = runs ? await askStatus(statusSocket(state)) : undefined;
  const text = told ?? readTextIfThere(serverStatusFile(state));
  if (text === undefined || !runs) {
    const killed = text === undefined ? '' : ', and what a killed one has left is in force: start it, or oneip cleanup';
    return complain(`no server's daemon runs with ${state}${killed}`, NO_DAEMON);
  }
  const status = JSON.parse(text) as ServerStatus;
  const file = optionValue(invocation, 'config');
  const { model } = loadConfiguration(readText(file), file);
  const { missing, counters } = inspectServer(state, (machine) => {
    const identity = identify(model, status.server, machine.environment.addresses);
    if (typeof identity === 'string') return EMPTY_NETWORK;
    return wantedServer(identity, machine, attach(identity.server, machine.environment));
  });
  const services = status.services.map((service) => {
    const packets = counters.get(takenCounter(service.name))?.packets;
    return packets === undefined ? service : { ...service, taken: Number(packets) };
  });
  const isFiltered = services.some(({ slots }) => slots !== undefined) && status.ghosts.length > 0;
  const commands = [
    ...missing.map(describeNetworkChange),
    ...(isFiltered && !counters.has(LEFT_COUNTER) ? [`nft: the filter, table inet ${TABLE}`] : []),
  ];
  print(
    invocation.flags.has('json')
      ? `${JSON.stringify({ ...status, services, in_force: commands.length === 0, missing: commands }, null, 2)}\n`
      : describeServer({ ...status, services }, commands),
  );
  return commands.length === 0 ? DONE : FAILED;
}
