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

/** A step on the way to other factors. */
export interface Step {
  readonly factors: Factors;
  /** Slots that move by it, of the table of which more do. */
  readonly moved: number;
}

/**
 * A step towards `to` that moves no more than one slot of a hundred, as long as can be found; `undefined`: none moves any, as with few
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
  let best: Step | undefined;
  let [low, high] = [0, LONGEST];
  let part = Math.min(LONGEST, most / Math.max(distance(service, servers, from, to), 1));
  for (let trial = 0; trial < TRIALS; trial++) {
    const factors = partOfTheWay(servers, from, to, part);
    const moved = movedSlots(tables, yield* slotTablesInSlices(service, { ...standing, factors }));
    if (moved > most) high = part;
    else {
      low = part;
      if (moved > (best?.moved ?? 0)) best = { factors, moved };
      if (moved > most / 2 || part >= LONGEST) break;
    }
    part = high < LONGEST || low === 0 ? (low + high) / 2 : Math.min(2 * part, LONGEST);
  }
  return best;
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

/** Slots by which the shares differ under two sets of factors. */
function distance({ slots }: Service, servers: readonly Weighed[], from: Factors, to: Factors): number {
  const shares = [from, to].map((factors) => {
    const claims = servers.map(({ name, weight }) => weight * (factors.get(name) ?? 1));
    const total = claims.reduce((sum, claim) => sum + claim, 0);
    return claims.map((claim) => claim / total);
  });
  const [before = [], after = []] = shares;
  return (slots * before.reduce((sum, share, at) => sum + Math.abs(share - (after[at] ?? 0)), 0)) / 2;
}
