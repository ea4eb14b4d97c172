import type { HashKey } from '../config/model.ts';
import type { Family } from '../net/address.ts';
import type { Json } from './expression.ts';
import { concat, meta, payload, raw } from './expression.ts';

// What the hash is taken of. `src/allocation/client-key.ts` makes the same bytes of a client's address and ports; the two are
// held against each other, and against the kernel, by tests.

/**
 * Key of a client's packet. `ports` for protocols with ports, `none` for others, of which `source_port` takes the protocol
 * instead (F4). Ports are separate fields, each at the start of a register, so that an ICMP error can name them in turn.
 * Addresses are raw fields: a named one would ask once more which protocol the packet is of.
 */
export function forwardHashKey(hash: HashKey, family: Family, ports: 'ports' | 'none', prefix6: number): Json {
  const client = family === 4 ? raw('nh', 96, 32) : raw('nh', 64, prefix6);
  if (hash === 'source') return client;
  if (ports === 'none') return concat(client, meta('l4proto'));
  return concat(client, payload('th', 'sport'), payload('th', 'dport'));
}

/**
 * The same key out of an ICMP error, which carries the packet that the server sent: there the client is the destination,
 * and its port the destination port. Offsets in bits behind the start of the ICMP header, for an inner packet without IP
 * options or extension headers.
 */
export function icmpErrorHashKey(hash: HashKey, family: Family, ports: 'ports' | 'none', prefix6: number): Json {
  const client = family === 4 ? raw('th', 192, 32) : raw('th', 256, prefix6);
  if (hash === 'source') return client;
  if (ports === 'none') return concat(client, family === 4 ? raw('th', 136, 8) : raw('th', 112, 8));
  return family === 4
    ? concat(client, raw('th', 240, 16), raw('th', 224, 16))
    : concat(client, raw('th', 400, 16), raw('th', 384, 16));
}
