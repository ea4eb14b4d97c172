/** Comparisons between two chances for other work. */
const SLICE = 8192;

/**
 * Whole numbers of slots for weights, by the method of Webster and Sainte-Laguë: the next slot goes to the server whose
 * weight, divided by the odd number 2 × its slots + 1, is the greatest, and nobody gets above its fair share by a whole slot.
 * Where a server leaves, none of the others gets fewer, which methods of the largest remainder do not promise.
 *
 * @param weights 0–1000 each; of equal claims the first one counts
 * @param slots all slots, those in `held` included
 * @param held what each has already and keeps; default the whole part of each fair share
 * @returns numbers that add up to `slots`, or `held` where no weight is positive
 */
export function* apportion(weights: Uint16Array, slots: number, held?: Uint16Array): Generator<void, Uint16Array> {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const share = (weight: number): number => (total > 0 ? Math.floor((slots * weight) / total) : 0);
  const given = Uint16Array.from(held ?? weights.map(share));
  if (total === 0) return given;
  let work = 0;
  for (let left = slots - given.reduce((sum, has) => sum + has, 0); left > 0; left--) {
    work += weights.length;
    if (work > SLICE) {
      work = 0;
      yield;
    }
    let next = -1;
    let claim = 0;
    let divisor = 1;
    for (let at = 0; at < weights.length; at++) {
      const weight = weights[at] as number;
      const has = given[at] as number;
      if (weight * divisor <= claim * (2 * has + 1) || has * total >= slots * weight) continue;
      next = at;
      claim = weight;
      divisor = 2 * has + 1;
    }
    given[next] = (given[next] as number) + 1;
  }
  return given;
}

/** Servers that inherit fewer slots than this when several are down need not inherit exactly their share. */
const FEW = 4;

/**
 * How many slots of those that are down each server may inherit; together at least as many as there are. Shares come out
 * exact; but where they would grow by a few slots only, each may take what keeps it less than a slot above its fair share.
 * There it matters less who has one more than that slots stay where they are, which they do better with room to spare.
 *
 * @param weights of all servers
 * @param held slots of all servers
 */
export function* roomToInherit(
  weights: Uint16Array,
  held: Uint16Array,
  isDown: readonly boolean[],
): Generator<void, Uint16Array> {
  const count = weights.length;
  const slots = held.reduce((sum, number) => sum + number, 0);
  const live = weights.map((weight, at) => (isDown[at] ? 0 : weight));
  const kept = held.map((number, at) => (isDown[at] ? 0 : number));
  const total = live.reduce((sum, weight) => sum + weight, 0);
  const several = isDown.filter((gone) => gone).length > 1;
  const quotas = yield* apportion(live, slots, kept);
  return quotas.map((quota, at) => {
    const has = kept[at] as number;
    const weight = live[at] as number;
    const few = several ? FEW : 1;
    if (weight === 0 || quota - has >= few) return quota - has;
    const share = (slots * weight) / total;
    // With several down the bound rises for one server after the other, or else many slots would move at once where it does.
    const most = several ? Math.floor(share + (count + at) / (2 * count)) : Math.ceil(share);
    return Math.max(quota, Math.min(has + few, most)) - has;
  });
}
