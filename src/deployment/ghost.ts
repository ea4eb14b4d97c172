import type { Environment, LinkState } from '../config/environment.ts';
import { maskAddress, prefixHolds } from '../net/address.ts';
import type { Address } from '../net/address.ts';

/** Links with Ethernet addresses whose connected prefix holds the address: neighbours there will ask for it by ARP or ND. */
export function devicesThatAnswer(address: Address, environment: Environment): LinkState[] {
  const links = new Set<LinkState>();
  for (const entry of environment.addresses) {
    const connected = maskAddress(entry.peer ?? entry.address, entry.prefixLength);
    const link = environment.links.get(entry.device);
    if (link?.hardware !== undefined && entry.device !== 'lo' && prefixHolds(connected, address)) links.add(link);
  }
  return [...links];
}
