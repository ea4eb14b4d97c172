import type { Address } from '../net/address.ts';

/** Why an address can be neither a ghost address nor a server's (RFC 6890); `undefined` where it can. */
export function whyUnusable(address: Address): string | undefined {
  const reason = address.family === 4 ? whyUnusable4(address) : whyUnusable6(address);
  return reason && `is ${reason}`;
}

function whyUnusable4({ text, bytes }: Address): string | undefined {
  const [first = 0, second = 0] = bytes;
  if (text === '0.0.0.0') return 'the unspecified address';
  if (text === '255.255.255.255') return 'the broadcast address';
  if (first === 0) return 'no address of a host (0.0.0.0/8)';
  if (first === 127) return 'a loopback address';
  if (first === 169 && second === 254) return 'a link-local address';
  return (first & 0xf0) === 0xe0 ? 'a multicast address' : undefined;
}

function whyUnusable6({ text, bytes }: Address): string | undefined {
  const [first = 0, second = 0] = bytes;
  if (text === '::') return 'the unspecified address';
  if (text === '::1') return 'the loopback address';
  if (bytes.subarray(0, 12).every((byte, index) => byte === (index < 10 ? 0 : 0xff))) return 'an IPv4-mapped address';
  if (first === 0xfe && (second & 0xc0) === 0x80) return 'a link-local address';
  return first === 0xff ? 'a multicast address' : undefined;
}
