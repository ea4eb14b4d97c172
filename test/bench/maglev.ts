import { jhash } from '../../src/allocation/jhash.ts';
import type { Member } from '../../src/allocation/table.ts';

/** Lookup table of Maglev's larger size, a prime as its permutations need one. */
export const maglevSize = 65537;

/**
 * Maglev's lookup table (Eisenbud et al., Maglev: A Fast and Reliable Software Network Load Balancer, NSDI 2016, section 3.4):
 * servers take turns, each claiming the next free entry of its own permutation of the table. Weights are relative numbers of
 * turns: in each round a server's claim grows by its weight, and it takes a turn for each whole share of the heaviest one's.
 *
 * @returns for each entry the index of its server; servers of weight 0 have none
 */
export function maglev(members: readonly Member[], size = maglevSize): Uint16Array {
  const table = new Uint16Array(size).fill(0xffff);
  const heaviest = Math.max(0, ...members.map(({ weight }) => weight));
  if (heaviest === 0) return table;
  const turns = members.map(({ name, weight }, index) => {
    const bytes = Uint8Array.from(name, (character) => character.charCodeAt(0));
    const offset = jhash(bytes, 1, true) % size;
    return { index, weight, claim: 0, place: offset, skip: (jhash(bytes, 2, true) % (size - 1)) + 1 };
  });
  for (let filled = 0; filled < size;) {
    for (const turn of turns) {
      turn.claim += turn.weight;
      if (turn.claim < heaviest) continue;
      turn.claim -= heaviest;
      while (table[turn.place] !== 0xffff) turn.place = (turn.place + turn.skip) % size;
      table[turn.place] = turn.index;
      if (++filled === size) break;
    }
  }
  return table;
}

/** What `hash % weights` makes of `size` hashes, as evenly spread as hashes can be. */
export function modulo(members: readonly Member[], size = maglevSize): Uint16Array {
  const places = members.flatMap(({ weight }, index) => Array.from({ length: weight }, () => index));
  return Uint16Array.from({ length: size }, (_, hash) => places[hash % places.length] ?? 0xffff);
}
