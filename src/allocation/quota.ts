/** Comparisons between two chances for other work. */
const SLICE = 8192;

/**
 * Whole numbers of slots for weights, by the method of Webster and Sainte-Laguë: the next slot goes to the server whose
 * weight, divided by the odd number 2 × its slots + 1, is the greatest, and nobody gets above its fair share by a whole slot.
 * Where a server leaves, none of the others gets fewer, which methods of the largest remainder do not promise.
 *
 * @param weights 0–65535 each; of equal claims the first one counts
 * @param slots all slots, those in `held` included
 * @param held what each has already and keeps; default the whole part of each fair share
 * @param most what each may have in the end; default its fair share, rounded up
 * @returns numbers that add up to `slots`, or to less where everybody has the most it may have
 */
export function* apportion(
  weights: Uint16Array,
  slots: number,
  held?: Uint16Array,
  most?: Uint16Array,
): Generator<void, Uint16Array> {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const share = (weight: number): number => (total > 0 ? (slots * weight) / total : 0);
  const given = Uint16Array.from(held ?? weights.map((weight) => Math.floor(share(weight))));
  const limits = most ?? weights.map((weight) => Math.ceil(share(weight)));
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
      if (weight * divisor <= claim * (2 * has + 1) || has >= (limits[at] as number)) continue;
      next = at;
      claim = weight;
      divisor = 2 * has + 1;
    }
    if (next < 0) break;
    given[next] = (given[next] as number) + 1;
  }
  return given;
}

/**
 * How many of one server's slots each of the others is to inherit: its share of them by weight, rounded up for those that
 * come soonest after the server, in the order of servers as a ring. So over all servers that may go down every heir is
 * rounded up as often as its share demands; were it always the same ones, they would be full, and the others short, once
 * many are down.
 *
 * @param weights of all servers
 * @returns numbers that add up to `slots`
 */
export function sharesOfOne(weights: Uint16Array, server: number, slots: number): Uint16Array {
  const count = weights.length;
  const total = weights.reduce((sum, weight) => sum + weight, 0) - (weights[server] as number);
  const shares = new Uint16Array(count);
  const rests: { readonly heir: number; readonly turn: number }[] = [];
  let left = slots;
  for (let after = 1; after < count; after++) {
    const heir = (server + after) % count;
    const claim = slots * (weights[heir] as number);
    const whole = Math.floor(claim / total);
    const rest = claim - whole * total;
    shares[heir] = whole;
    left -= whole;
    if (rest > 0) rests.push({ heir, turn: after / rest });
  }
  rests.sort((one, other) => one.turn - other.turn || one.heir - other.heir);
  for (const { heir } of rests.slice(0, left)) shares[heir] = (shares[heir] as number) + 1;
  return shares;
}

/** Room to spare while several servers are down, as a part of the table. */
const SPARE = 0.01;

/**
 * How many slots of those that are down each server may inherit; together at least as many as there are.
 *
 * With one down, shares come out exact. With several, slots stay where they are the better the more servers have room to
 * spare, so that there is room for 1 % more slots than there are, as far as nobody gets above `ceiling`. More room than that
 * moves more, not less: where weights are equal, the ceilings of all servers rise at once, and all that was kept from going
 * where it would rather be goes there in one leap.
 *
 * @param weights of all servers
 * @param held slots of all servers
 */
export function* roomToInherit(
  weights: Uint16Array,
  held: Uint16Array,
  isDown: readonly boolean[],
): Generator<void, Uint16Array> {
  const slots = held.reduce((sum, number) => sum + number, 0);
  const live = weights.map((weight, at) => (isDown[at] ? 0 : weight));
  const kept = held.map((number, at) => (isDown[at] ? 0 : number));
  const total = live.reduce((sum, weight) => sum + weight, 0);
  if (isDown.filter((gone) => gone).length > 1) {
    const most = live.map((weight) => ceiling(weight, total, slots));
    const seats = yield* apportion(live, slots + Math.floor(SPARE * slots), kept, most);
    return seats.map((number, at) => number - (kept[at] as number));
  }
  const quotas = yield* apportion(live, slots, kept);
  return quotas.map((quota, at) => {
    const has = kept[at] as number;
    // Who is due nothing may take one slot all the same, or else the first servers would be everybody's heirs.
    return Math.max(quota, Math.min(has + 1, Math.ceil((slots * (live[at] as number)) / total))) - has;
  });
}

/** The most slots that a server may ever have: 1 % above its fair share, or one slot, if that is more. */
export function ceiling(weight: number, total: number, slots: number): number {
  if (weight === 0) return 0;
  return Math.max(Math.floor((101 * slots * weight) / (100 * total)), Math.floor((slots * weight) / total) + 1);
}
