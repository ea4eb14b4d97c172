import { type Address, parsePrefix, prefixHolds } from '../net/address.ts';

/** Addresses that are nobody's to serve or to be served at (RFC 6890), the narrower prefix first. */
const unusable = [
  ['0.0.0.0', 'is the unspecified address'],
  ['0.0.0.0/8', 'is no address of a host (0.0.0.0/8)'],
  ['127.0.0.0/8', 'is a loopback address'],
  ['169.254.0.0/16', 'is a link-local address'],
  ['224.0.0.0/4', 'is a multicast address'],
  ['255.255.255.255', 'is the broadcast address'],
  ['::', 'is the unspecified address'],
  ['::1', 'is the loopback address'],
  ['::ffff:0:0/96', 'is an IPv4-mapped address'],
  ['fe80::/10', 'is a link-local address'],
  ['ff00::/8', 'is a multicast address'],
].flatMap(([text = '', reason = '']) => {
  const prefix = parsePrefix(text);
  return prefix ? [{ prefix, reason }] : [];
});

/** Why an address can be neither a ghost address nor a server's; `undefined` where it can. */
export function whyUnusable(address: Address): string | undefined {
  return unusable.find(({ prefix }) => prefixHolds(prefix, address))?.reason;
}
