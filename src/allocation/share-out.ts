import type { Field } from './field.ts';
import { inherit } from './inherit.ts';
import type { Estate } from './inherit.ts';
import { fillPositions } from './preference.ts';

/** What several servers leave behind. */
export interface JointEstate extends Estate {
  /** First heir of each slot, who may be down or without room. */
  readonly heirs: Uint16Array;
}

/** More than anything is worth. */
const ABOVE_ALL = 0x2000_0000;
/** Comparisons between two chances for other work. */
const SLICE = 8192;

/**
 * Gives every slot of several servers to another one: to its first heir or, where that takes nothing, to whom it is worth
 * most. Where more come than there is room for, those stay to whom it is the first heir, then those worth most to it; the
 * rest is inherited by those that have room left.
 *
 * Who is turned away turns nobody away in its turn, so that what one server lacks room for moves few slots of others.
 *
 * @returns the server of each slot, in the order of the estate
 */
export function* shareOut(field: Field, { slots, room, heirs }: JointEstate): Generator<void, Uint16Array> {
  const { logarithms, permutations, times } = field;
  const count = slots.length;
  const owner = new Uint16Array(count);
  const bids = new Int32Array(count).fill(-ABOVE_ALL);
  const positions = new Uint16Array(count);
  let work = 0;
  for (const [taker, permutation] of permutations.entries()) {
    if (room[taker] === 0) continue;
    fillPositions(permutation, slots, positions);
    const logarithm = logarithms[taker] as number;
    for (let at = 0; at < count; at++) {
      const value = logarithm - (times[positions[at] as number] as number);
      const bid = heirs[at] === taker ? value + ABOVE_ALL : value;
      if (bid <= (bids[at] as number)) continue;
      bids[at] = bid;
      owner[at] = taker;
    }
    work += 2 * count;
    if (work < SLICE) continue;
    work = 0;
    yield;
  }

  const comers = Array.from(room, (): number[] => []);
  for (const [at, taker] of owner.entries()) comers[taker]?.push(at);
  const left = Uint16Array.from(room);
  const rest: number[] = [];
  for (const [taker, those] of comers.entries()) {
    const seats = room[taker] as number;
    left[taker] = Math.max(0, seats - those.length);
    if (those.length <= seats) continue;
    those.sort((one, other) => (bids[other] as number) - (bids[one] as number) || one - other);
    for (const at of those.slice(seats)) rest.push(at);
  }
  yield;
  if (rest.length === 0) return owner;
  const others = yield* inherit(field, { slots: Uint16Array.from(rest, (at) => slots[at] as number), room: left });
  for (const [turn, at] of rest.entries()) owner[at] = others[turn] as number;
  return owner;
}
