import type { Service } from '../config/model.ts';
import type { SlotTables } from '../deployment/deployment.ts';
import { slotTablesInSlices } from '../deployment/slot-tables.ts';

/**
 * Slot tables, computed between other events and kept: a reload that does not touch a service's servers costs it nothing.
 * `turn` resolves when everything else that was waiting has had its turn.
 */
export function createAllocator(turn: () => Promise<void>): (service: Service) => Promise<SlotTables> {
  const kept = new Map<string, { key: string; tables: SlotTables }>();
  return async (service) => {
    const key = keyOf(service);
    const known = kept.get(service.name);
    if (known?.key === key) return known.tables;
    const work = slotTablesInSlices(service);
    let step = work.next();
    while (!step.done) {
      await turn();
      step = work.next();
    }
    kept.set(service.name, { key, tables: step.value });
    return step.value;
  };
}

/** All that a table depends on. */
function keyOf({ servers, disabled, slots, seed, ghosts }: Service): string {
  const [on, off] = [servers, disabled].map((list) =>
    list.map(({ name, weight, address, address6 }) => [name, weight, !!address, !!address6]),
  );
  return JSON.stringify([on, off, slots, seed, [...new Set(ghosts.map(({ family }) => family))]]);
}
