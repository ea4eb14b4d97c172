import type { Service } from '../config/model.ts';
import type { SlotTables } from '../deployment/deployment.ts';
import { slotTablesInSlices } from '../deployment/slot-tables.ts';
import type { Bases, Standing } from '../deployment/slot-tables.ts';

/** Slot tables of a service as its servers stand. */
export type Allocate = (service: Service, standing: Standing) => Promise<SlotTables>;

interface Kept {
  readonly bases: Bases;
  key: string;
  tables: SlotTables;
}

/**
 * Slot tables, computed between other events and kept: a reload that does not touch a service's servers costs it nothing,
 * and a server that fails only the refill of its slots. `turn` resolves when everything else that was waiting has had its
 * turn.
 */
export function createAllocator(turn: () => Promise<void>): Allocate {
  const kept = new Map<string, Kept>();
  return async (service, standing) => {
    const key = keyOf(service, standing);
    const known = kept.get(service.name) ?? { bases: new Map(), key: '', tables: {} };
    if (known.key === key) return known.tables;
    const work = slotTablesInSlices(service, standing, known.bases);
    let step = work.next();
    while (!step.done) {
      await turn();
      step = work.next();
    }
    Object.assign(known, { key, tables: step.value });
    kept.set(service.name, known);
    return step.value;
  };
}

/** All that a table depends on. */
function keyOf(service: Service, { down, leaving, factors }: Standing): string {
  let key = keys.get(service);
  if (key === undefined) keys.set(service, (key = serviceKey(service)));
  return `${JSON.stringify([[...down].sort(), [...leaving].sort(), [...(factors ?? [])]])}${key}`;
}

/** The part of services themselves: the same objects come again with every event. */
const keys = new WeakMap<Service, string>();

function serviceKey({ servers, disabled, slots, seed, ghosts }: Service): string {
  const [on, off] = [servers, disabled].map((list) =>
    list.map(({ name, weight, address, address6 }) => [name, weight, !!address, !!address6]),
  );
  const families = [...new Set(ghosts.map(({ family }) => family))];
  return JSON.stringify([on, off, slots, seed, families]);
}
