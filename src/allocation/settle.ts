import type { Field } from './field.ts';
import { fillSlots } from './preference.ts';

/** Requests between two chances for other work. */
const SLICE = 4096;
/** Slots looked up at once beyond those that a server lacks. */
const AHEAD = 8;
/** Less than a slot is worth to anybody. */
const NOTHING = -0x4000_0000;

/**
 * Gives every slot to a server, by deferred acceptance (Gale and Shapley, 1962): a server that lacks slots asks for the next
 * one of its permutation; the slot goes with whom it is worth more to, and who had it asks on.
 *
 * Since both sides value a pair alike there is but one stable outcome, whoever asks first. When a server comes or goes, few
 * slots move beyond those that have to: each that is pushed out goes to where it is worth less, so that chains end soon.
 *
 * @param quotas slots of each server; they add up to the number of slots
 * @returns the server of each slot
 */
export function* settle(field: Field, quotas: Uint16Array): Generator<void, Uint16Array> {
  const { bits, logarithms, permutations, times } = field;
  const slots = 1 << bits;
  const owner = new Uint16Array(slots);
  const worth = new Int32Array(slots).fill(NOTHING);
  const lacks = Uint16Array.from(quotas);
  const asked = new Uint16Array(quotas.length);
  const ahead = new Uint16Array(slots);
  // Servers that lack slots, each once.
  const waiting = Array.from(quotas.keys()).filter((server) => (quotas[server] as number) > 0);
  let work = 0;
  for (let server = waiting.pop(); server !== undefined; server = waiting.pop()) {
    const permutation = permutations[server];
    if (!permutation) continue;
    const logarithm = logarithms[server] as number;
    const first = asked[server] as number;
    const next = ahead.subarray(0, Math.min(slots - first, (lacks[server] as number) + AHEAD));
    fillSlots(permutation, first, next);
    let left = lacks[server] as number;
    let at = 0;
    for (; left > 0 && at < next.length; at++) {
      const slot = next[at] as number;
      const value = logarithm - (times[first + at] as number);
      const best = worth[slot] as number;
      const rival = owner[slot] as number;
      if (value < best || (value === best && server > rival)) continue;
      if (best !== NOTHING) {
        const missing = (lacks[rival] as number) + 1;
        lacks[rival] = missing;
        if (missing === 1) waiting.push(rival);
      }
      owner[slot] = server;
      worth[slot] = value;
      left--;
    }
    asked[server] = first + at;
    lacks[server] = left;
    if (left > 0) waiting.push(server);
    work += next.length;
    if (work < SLICE) continue;
    work = 0;
    yield;
  }
  return owner;
}
