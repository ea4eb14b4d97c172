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

/** The most slots that each may have: less than one above its fair share; 0 for weight 0. */
export function ceilings(weights: Uint16Array, slots: number): Uint16Array {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => (weight > 0 ? Math.floor((slots * weight) / total + 1) : 0));
}
