import type { HashKey } from '../config/model.ts';
import type { Family } from '../net/address.ts';
import type { Json } from './expression.ts';
import { concat, meta, payload, raw } from './expression.ts';
import { PLAIN } from './inner-packet.ts';
import type { InnerLayout } from './inner-packet.ts';

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
 * and its port the destination port.
 */
export function icmpErrorHashKey(
  hash: HashKey,
  family: Family,
  ports: 'ports' | 'none',
  prefix6: number,
  { destination, protocol, transport }: InnerLayout = PLAIN[family],
): Json {
  const client = raw('th', destination, family === 4 ? 32 : prefix6);
  if (hash === 'source') return client;
  if (ports === 'none') return concat(client, raw('th', protocol, 8));
  return concat(client, raw('th', transport + 16, 16), raw('th', transport, 16));
}
