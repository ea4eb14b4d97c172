import type { Family } from '../net/address.ts';
import type { Json } from './expression.ts';
import { concat, ipProtocol, meta, payload } from './expression.ts';

/** Key of a flow as the client sends it: protocol, its address and port, the ghost's and the service's. */
export function flowKey(family: Family): Json {
  const ip = ipProtocol(family);
  return concat(
    meta('l4proto'),
    payload(ip, 'saddr'),
    payload('th', 'sport'),
    payload(ip, 'daddr'),
    payload('th', 'dport'),
  );
}

/** Type of a set of such keys. */
export function flowType(family: Family): readonly string[] {
  const address = family === 4 ? 'ipv4_addr' : 'ipv6_addr';
  return ['inet_proto', address, 'inet_service', address, 'inet_service'];
}
