import type { Permutation } from './preference.ts';

/**
 * The servers that want slots, numbered in an order that only their names decide, and what they want most. A server and a
 * slot value each other alike: by the server's weight and the slot's position in the server's permutation.
 */
export interface Field {
  /** Binary logarithm of the number of slots. */
  readonly bits: number;
  /** 1–65535 each. */
  readonly weights: Uint16Array;
  /** `logarithm` of the weights. */
  readonly logarithms: Int32Array;
  readonly permutations: readonly Permutation[];
  /** `waitingTimes` of the slots. */
  readonly times: Int32Array;
}
