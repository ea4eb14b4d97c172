import type { Service } from '../config/model.ts';
import type { SlotTables } from '../deployment/deployment.ts';
import { slotTablesInSlices } from '../deployment/slot-tables.ts';
import type { Standing } from '../deployment/slot-tables.ts';
import { partOfTheWay } from './adapt.ts';
import type { Weighed } from './adapt.ts';
import type { Factors } from './factors.ts';

/** Part of a table that may move in a minute. */
const MOST_MOVED = 0.01;
/** Tables that are computed for a step at most. */
const TRIALS = 8;
/** No step goes further than half of the way: what is left is decided on what is then measured. */
const LONGEST = 0.5;
/** By what a step that moves too much is made shorter. */
const SHORTER = 0.8;

/** A step on the way to other factors. */
export interface Step {
  readonly factors: Factors;
  /** Slots that move by it, of the table of which more do. */
  readonly moved: number;
}

/**
 * A step towards `to` that moves no more than one slot of a hundred, and about that; `undefined`: none moves any, as with few
 * slots and many servers. What moves is counted in the tables themselves, since the allocation moves more than the shares alone would
 * want. Every `yield` is a place where others may run.
 */
export function* findStep(
  service: Service,
  standing: Standing,
  tables: SlotTables,
  servers: readonly Weighed[],
  to: Factors,
): Generator<void, Step | undefined> {
  const { factors: from = new Map<string, number>() } = standing;
  const most = Math.floor(service.slots * MOST_MOVED);
  let part = LONGEST;
  for (let trial = 0; trial < TRIALS; trial++) {
    const factors = partOfTheWay(servers, from, to, part);
    const moved = movedSlots(tables, yield* slotTablesInSlices(service, { ...standing, factors }));
    if (moved <= most) return moved > 0 ? { factors, moved } : undefined;
    part *= trial === 0 ? most / moved : SHORTER;
  }
  return undefined;
}

/** Slots that have another owner, in the table that has more of them. */
export function movedSlots(before: SlotTables, after: SlotTables): number {
  const moved = ([4, 6] as const).map((family) => {
    const old = before[family];
    let count = 0;
    after[family]?.forEach((owner, slot) => (count += owner === old?.[slot] ? 0 : 1));
    return count;
  });
  return Math.max(...moved);
}
