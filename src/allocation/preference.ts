// What a server is worth to a slot, and a slot to a server: the logarithm of the server's weight, less the logarithm of the
// time that the slot waits for that server, which is distributed exponentially. Whatever servers there are, each is worth
// most to a part of the slots in proportion to its weight (weighted rendezvous hashing).
//
// Waiting times are not drawn but dealt: each server has a permutation of the slots, and the slot at position p waits for the
// middle of the p-th of as many equally likely spans. So no server values all slots high or low by chance.

/** Unit of logarithms: one doubling. */
export const DOUBLING = 65536;

/**
 * A server's permutation of the slots: three rounds, each a multiplication by an odd number, an addition, and a shift to the
 * right, modulo the number of slots; `undo…` are the inverses of the multipliers.
 */
export interface Permutation {
  readonly bits: number;
  readonly times1: number;
  readonly plus1: number;
  readonly undo1: number;
  readonly times2: number;
  readonly plus2: number;
  readonly undo2: number;
  readonly times3: number;
  readonly plus3: number;
  readonly undo3: number;
}

/** Finalizer of MurmurHash3 by Austin Appleby (public domain): every bit of the word changes every bit with even odds. */
export function mix(word: number): number {
  let hash = word;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** Hash of a name (FNV-1a over its UTF-16 units), 0–4294967295. Independent of the CPU's byte order. */
export function hashName(name: string, seed: number): number {
  let hash = mix(seed) ^ 0x811c9dc5;
  for (let at = 0; at < name.length; at++) hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193);
  return mix(hash);
}

/** The permutation of `1 << bits` slots, 2 to 4096, that belongs to the hash of a name. */
export function permutationOf(hash: number, bits: number): Permutation {
  const mask = (1 << bits) - 1;
  let state = hash;
  const word = (): number => (state = mix((state + 0x9e3779b9) | 0)) & mask;
  const [times1, times2, times3] = [word() | 1, word() | 1, word() | 1];
  return {
    bits,
    times1,
    times2,
    times3,
    plus1: word(),
    plus2: word(),
    plus3: word(),
    undo1: inverse(times1) & mask,
    undo2: inverse(times2) & mask,
    undo3: inverse(times3) & mask,
  };
}

/** Fills `slots` with those at the positions from `first` on. */
export function fillSlots(permutation: Permutation, first: number, slots: Uint16Array): void {
  const { bits, times1, plus1, times2, plus2, times3, plus3 } = permutation;
  const mask = (1 << bits) - 1;
  const half = (bits + 1) >> 1;
  for (let at = 0; at < slots.length; at++) {
    let word = ((first + at) * times1 + plus1) & mask;
    word ^= word >> half;
    word = (word * times2 + plus2) & mask;
    word ^= word >> half;
    word = (word * times3 + plus3) & mask;
    slots[at] = word ^ (word >> half);
  }
}

/** Positions of slots: the inverse of `fillSlots`. */
export function fillPositions(permutation: Permutation, slots: Uint16Array, positions: Uint16Array): void {
  const { bits, undo1, plus1, undo2, plus2, undo3, plus3 } = permutation;
  const mask = (1 << bits) - 1;
  const half = (bits + 1) >> 1;
  for (let at = 0; at < slots.length; at++) {
    let word = slots[at] as number;
    word ^= word >> half;
    word = ((word - plus3) * undo3) & mask;
    word ^= word >> half;
    word = ((word - plus2) * undo2) & mask;
    word ^= word >> half;
    positions[at] = ((word - plus1) * undo1) & mask;
  }
}

/**
 * Logarithm of the waiting time at each position, ascending: of `-ln(1 - (p + ½) / slots)`, less a constant. Libraries may
 * differ in the last bit of a logarithm, but no entry lies near enough to the middle between two whole numbers for that to
 * show (a test holds this).
 */
export function waitingTimes(slots: number): Int32Array {
  const times = new Int32Array(slots);
  for (let position = 0; position < slots; position++) times[position] = Math.round(exactWaitingTime(position, slots));
  return times;
}

/** The same before rounding. */
export function exactWaitingTime(position: number, slots: number): number {
  return DOUBLING * Math.log2(Math.log2((2 * slots) / (2 * slots - 2 * position - 1)));
}

/** Logarithm of a weight, 1–65535, or of a sum of weights. */
export function logarithm(weight: number): number {
  return Math.round(DOUBLING * Math.log2(weight));
}

/** Inverse of an odd word modulo 2³² (Newton's iteration: each step doubles the number of right bits, from 3 on). */
function inverse(word: number): number {
  let found = word;
  for (let step = 0; step < 4; step++) found = Math.imul(found, 2 - Math.imul(word, found));
  return found;
}
