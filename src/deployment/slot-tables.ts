import { NOBODY, baseInSlices, refillInSlices } from '../allocation/table.ts';
import type { Base, Member } from '../allocation/table.ts';
import { interleave } from '../allocation/interleave.ts';
import { serverAddress } from '../config/model.ts';
import type { Server, Service } from '../config/model.ts';
import { MOST } from '../load/factors.ts';
import type { Factors } from '../load/factors.ts';
import type { Family } from '../net/address.ts';
import type { SlotTables } from './deployment.ts';

const FAMILIES = [4, 6] as const;

/** How the servers of a service stand at a moment, as far as the allocation of slots asks. By name. */
export interface Standing {
  /** Members that get no slots now: only their own go to others, and come back with them. */
  readonly down: ReadonlySet<string>;
  /** No members any more: they are in `Service.servers` for the sake of their old connections only. */
  readonly leaving: ReadonlySet<string>;
  /** By what weights are multiplied, where the load shapes them; absent: they are as configured. */
  readonly factors?: Factors;
}

/** The largest weight that the allocation takes. */
const LARGEST_WEIGHT = 65535;

export const EVERYBODY_UP: Standing = { down: new Set(), leaving: new Set() };

/** Bases of a service by the members that they are of: all that does not depend on who is down. */
export type Bases = Map<string, Base>;

/**
 * Computes the tables of a service in slices: every `yield` is a place where others may run. Families whose members are the
 * same share one table, so that a client of both is served by one server where its hash allows. `bases` are those of an
 * earlier call for the same slots and seed; what is used again stays in it, with what is new, and the rest goes.
 */
export function* slotTablesInSlices(
  service: Service,
  standing: Standing = EVERYBODY_UP,
  bases: Bases = new Map(),
): Generator<void, SlotTables> {
  const families = FAMILIES.filter((family) => service.ghosts.some((ghost) => ghost.family === family));
  const tables: Partial<Record<Family, Uint16Array>> = {};
  const known = new Map<string, Uint16Array>();
  const used = new Map<string, Base>();
  for (const family of families) {
    const { members, down, places } = membersOf(service, standing, family);
    if (places.length === 0) continue;
    const key = keyOf(service, members);
    let table = known.get(key);
    if (!table) {
      const base = bases.get(key) ?? (yield* baseInSlices(members, service.slots, service.seed));
      used.set(key, base);
      const owners = yield* refillInSlices(base, down);
      table = owners.map((owner) => places[owner] ?? NOBODY);
      if ((service.translation ?? service.placement)?.scheduler === 'round_robin') table = interleave(table);
      known.set(key, table);
    }
    tables[family] = table;
  }
  bases.clear();
  for (const [key, base] of used) bases.set(key, base);
  return tables;
}

/** The same at once. */
export function slotTables(service: Service, standing: Standing = EVERYBODY_UP): SlotTables {
  const work = slotTablesInSlices(service, standing);
  let step = work.next();
  while (!step.done) step = work.next();
  return step.value;
}

/** Servers that each family can be given to, at a moment. */
interface FamilyMembers {
  readonly members: readonly Member[];
  readonly down: ReadonlySet<string>;
  /** Index into `Service.servers` by index of the member. */
  readonly places: readonly number[];
}

/**
 * Servers with an address of the family, and where they stand in the service. Those that are switched off are members that
 * are down: a change of the members would move slots of others, too.
 */
function membersOf(
  { servers, disabled }: Service,
  { down, leaving, factors }: Standing,
  family: Family,
): FamilyMembers {
  const has = (server: Server) => serverAddress(server, family) !== undefined;
  const places = servers.flatMap((server, index) => (has(server) && !leaving.has(server.name) ? [index] : []));
  const off = disabled.filter(has);
  const present = places.flatMap((index) => servers[index] ?? []);
  const fineness = factors ? finenessOf([...servers, ...disabled]) : 1;
  return {
    members: [...present, ...off].map(({ name, weight }) => ({
      name,
      weight: Math.round(weight * fineness * (factors?.get(name) ?? 1)),
    })),
    down: new Set([...down, ...off.map(({ name }) => name)]),
    places,
  };
}

/**
 * Parts of a unit of weight that are told apart where weights are multiplied: as many as there is room for. A power of two, with which
 * factors of 1 make the very table that there is without them.
 */
function finenessOf(servers: readonly Server[]): number {
  const heaviest = Math.max(...servers.map(({ weight }) => weight), 1);
  return 2 ** Math.floor(Math.log2(LARGEST_WEIGHT / (MOST * heaviest)));
}

function keyOf({ slots, seed }: Service, members: readonly Member[]): string {
  return `${slots} ${seed} ${members.map(({ name, weight }) => `${name}=${weight}`).join(' ')}`;
}
