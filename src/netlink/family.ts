import { addressFromBytes } from '../net/address.ts';
import type { Address, Family } from '../net/address.ts';

export const AF_UNSPEC = 0;
const AF_INET = 2;
const AF_INET6 = 10;

/** Address family number of the kernel (`include/linux/socket.h`). */
export function addressFamily(family: Family): number {
  return family === 4 ? AF_INET : AF_INET6;
}

/** `undefined` for every family but IPv4 and IPv6 (bridge, MPLS, multicast routing tables). */
export function familyOf(number: number): Family | undefined {
  if (number === AF_INET) return 4;
  return number === AF_INET6 ? 6 : undefined;
}

/** The address in an attribute; `undefined` where it has another length than an address. */
export function addressOf(bytes: Uint8Array | undefined): Address | undefined {
  return bytes && (bytes.length === 4 || bytes.length === 16) ? addressFromBytes(bytes) : undefined;
}
