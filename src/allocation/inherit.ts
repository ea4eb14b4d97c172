import type { Field } from './field.ts';
import { fillPositions } from './preference.ts';
import { addBidder, replaceLowest } from './seat-heap.ts';

/** What is to be inherited. */
export interface Estate {
  /** Slots that have lost their servers. */
  readonly slots: Uint16Array;
  /** How many each server may take; together at least as many as there are slots. */
  readonly room: Uint16Array;
}

/** More than anything is worth. */
const ABOVE_ALL = 0x2000_0000;
/** Comparisons between two chances for other work … */
const SLICE = 8192;
/** … and how many of them a place in a heap costs. */
const HEAP = 16;

/**
 * Gives every slot of an estate to a server, by deferred acceptance as in `settle`, with the slots asking: each asks the
 * server to which it is worth most and that is not full of better ones; who is pushed out asks on.
 *
 * @returns the server of each slot, in the order of the estate
 */
export function* inherit(field: Field, estate: Estate): Generator<void, Uint16Array> {
  const { logarithms, permutations, times } = field;
  const { slots, room } = estate;
  const takers = Uint16Array.from([...room.keys()].filter((server) => (room[server] as number) > 0));
  const count = slots.length;
  if (takers.length === 1) return new Uint16Array(count).fill(takers[0] as number);
  const owner = new Uint16Array(count);
  const bids = new Int32Array(count);

  // Worth of each slot, in turn, to each taker.
  const worth = new Int32Array(count * takers.length);
  const positions = new Uint16Array(count);
  let work = 0;
  for (let taker = 0; taker < takers.length; taker++) {
    const server = takers[taker] as number;
    const permutation = permutations[server];
    if (!permutation) continue;
    fillPositions(permutation, slots, positions);
    const logarithm = logarithms[server] as number;
    for (let at = 0; at < count; at++) {
      worth[at * takers.length + taker] = logarithm - (times[positions[at] as number] as number);
    }
    work += 2 * count;
    if (work < SLICE / 2) continue;
    work = 0;
    yield;
  }

  const starts = new Uint32Array(takers.length + 1);
  for (let taker = 0; taker < takers.length; taker++) {
    starts[taker + 1] = (starts[taker] as number) + Math.min(count, room[takers[taker] as number] as number);
  }
  const holders = { heap: new Uint16Array(starts[takers.length] as number), bids };
  const taken = new Uint16Array(takers.length);
  // What a slot must be worth more than to get in: nothing while there is room, then the least of those that are in.
  const bar = new Int32Array(takers.length).fill(-ABOVE_ALL);
  for (let newcomer = 0; newcomer < count; newcomer++) {
    for (let slot = newcomer; slot >= 0;) {
      work += takers.length + HEAP;
      if (work > SLICE) {
        work = 0;
        yield;
      }
      const row = slot * takers.length;
      let best = 0;
      let most = -ABOVE_ALL;
      for (let taker = 0; taker < takers.length; taker++) {
        const value = worth[row + taker] as number;
        if (value <= most || value <= (bar[taker] as number)) continue;
        most = value;
        best = taker;
      }
      bids[slot] = most;
      owner[slot] = takers[best] as number;
      const start = starts[best] as number;
      const seats = (starts[best + 1] as number) - start;
      const holding = taken[best] as number;
      if (holding < seats) {
        addBidder(holders, start, holding, slot);
        taken[best] = holding + 1;
        slot = -1;
      } else slot = replaceLowest(holders, start, holding, slot);
      if ((taken[best] as number) === seats) bar[best] = bids[holders.heap[start] as number] as number;
    }
  }
  return owner;
}
