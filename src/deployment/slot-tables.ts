import { NOBODY, allocateInSlices } from '../allocation/table.ts';
import type { Member } from '../allocation/table.ts';
import { serverAddress } from '../config/model.ts';
import type { Server, Service } from '../config/model.ts';
import type { Family } from '../net/address.ts';
import type { SlotTables } from './deployment.ts';

const FAMILIES = [4, 6] as const;

/**
 * Computes the tables of a service in slices: every `yield` is a place where others may run. Families whose members are the
 * same share one table, so that a client of both is served by one server where its hash allows.
 */
export function* slotTablesInSlices(service: Service): Generator<void, SlotTables> {
  const families = FAMILIES.filter((family) => service.ghosts.some((ghost) => ghost.family === family));
  const tables: Partial<Record<Family, Uint16Array>> = {};
  const known = new Map<string, Uint16Array>();
  for (const family of families) {
    const { members, down, indices } = membersOf(service, family);
    if (indices.length === 0) continue;
    const key = members.map(({ name }) => name).join(' ');
    let table = known.get(key);
    if (!table) {
      const owners = yield* allocateInSlices(members, down, service.slots, service.seed);
      table = owners.map((owner) => indices[owner] ?? NOBODY);
      known.set(key, table);
    }
    tables[family] = table;
  }
  return tables;
}

/** The same at once. */
export function slotTables(service: Service): SlotTables {
  const work = slotTablesInSlices(service);
  let step = work.next();
  while (!step.done) step = work.next();
  return step.value;
}

/**
 * Servers with an address of the family, and where they stand in the service. Those that are switched off are members that
 * are down: a change of the members would move slots of others, too.
 */
function membersOf({ servers, disabled }: Service, family: Family) {
  const has = (server: Server) => serverAddress(server, family) !== undefined;
  const indices = servers.flatMap((server, index) => (has(server) ? [index] : []));
  const off = disabled.filter(has);
  const members: Member[] = [...servers.filter(has), ...off].map(({ name, weight }) => ({ name, weight }));
  return { members, indices, down: new Set(off.map(({ name }) => name)) };
}
