import type { Address, Family } from '../net/address.ts';
import type { Json } from './expression.ts';
import { match, meta, raw } from './expression.ts';

/** Bits behind the start of an IP header at which its addresses begin (RFC 791 §3.1, RFC 8200 §3). */
const OFFSET: Readonly<Record<Family, Readonly<Record<'saddr' | 'daddr', number>>>> = {
  4: { saddr: 96, daddr: 128 },
  6: { saddr: 64, daddr: 192 },
};

const WORD = 32;

/**
 * Goes on where the packet is of the address's version, and has the address there. Everybody's packets are asked this, and nearly
 * all of them have another address: so they are asked for its last word first, which the kernel reads without a function call,
 * and for the version, which takes one, at the end. `ip daddr` asks for the version first, and reads all of an IPv6 address by
 * a call. In this order nft does not make one slower load of two words, either.
 */
export function matchAddress(direction: 'saddr' | 'daddr', { family, bytes }: Address): Json[] {
  const words = Array.from({ length: bytes.length / 4 }, (_, index) => {
    const value = new DataView(bytes.buffer, bytes.byteOffset).getUint32(index * 4);
    return match(raw('nh', OFFSET[family][direction] + index * WORD, WORD), value);
  });
  return [...words.reverse(), match(meta('protocol'), family === 4 ? 'ip' : 'ip6')];
}
