import { hashName } from '../allocation/preference.ts';
import type { SlotHistory } from '../transition/transition.ts';

/** Longest name of a history; the kernel takes 255 bytes for a whole chain. */
const LONGEST = 120;

/**
 * Chain of the slots with a history: `web/moved/web1.web3-web2` for slots that have come to web2 from web1, to which unknown
 * segments go, by way of web3. Where those get something else, it follows: `/reset`, `/drop`, or `/table` for what the slot
 * table says; then `/learning-web1` while UDP flows are learnt.
 */
export function movedChain(service: string, { current, unknown, visited, learning }: SlotHistory): string {
  const old = typeof unknown === 'object' && unknown.server !== current ? unknown.server : undefined;
  const before = old === undefined ? visited : [old, ...visited.filter((server) => server !== old)];
  const parts = [
    before.length > 0 ? `${before.join('.')}-${current}` : current,
    ...(old === undefined ? [typeof unknown === 'string' ? unknown : 'table'] : []),
    ...(learning === undefined ? [] : [`learning-${learning}`]),
  ];
  return `${service}/moved/${shorten(parts.join('/'))}`;
}

function shorten(name: string): string {
  if (name.length <= LONGEST) return name;
  const hash = [1, 2].map((seed) => hashName(name, seed).toString(16).padStart(8, '0')).join('');
  return `${name.slice(0, LONGEST - hash.length - 1)}_${hash}`;
}
