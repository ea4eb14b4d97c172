import type { Simulation } from '../simulate/simulate.ts';
import type { Table } from '../ubus/blobmsg.ts';
import { named, number, tableOf, text, texts } from './status-reader.ts';

/** Simulations for people: the answer first, then why. */
export function formatSimulations(client: string, simulations: readonly Simulation[]): string {
  return simulations
    .map(({ service, server, slot, chances, why }) => {
      const answer = server ?? (chances ? `one of ${Object.keys(chances).join(', ')}` : 'nobody');
      const where = slot === undefined ? '' : ` (slot ${slot})`;
      return [`${client} → ${service}: ${answer}${where}`, ...why.map((line) => `  ${line}`), ''].join('\n');
    })
    .join('\n');
}

/** Reads what `simulate` answers over the bus. */
export function readSimulations(reply: Table): Simulation[] {
  return named(reply['services'], (service, { server, slot, hash, slots, chances, why }) => ({
    service,
    ...(typeof server === 'string' && { server: text(server) }),
    ...(slot !== undefined && { slot: number(slot) }),
    ...(hash !== undefined && { hash: number(hash) }),
    slots: number(slots),
    ...(chances !== undefined && {
      chances: Object.fromEntries(Object.entries(tableOf(chances)).map(([name, share]) => [name, number(share)])),
    }),
    why: texts(why),
  }));
}
