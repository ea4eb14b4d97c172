import { readColons, readDotted, writeColons } from './address-text.ts';

/** Internet protocol version. */
export type Family = 4 | 6;

/** An IPv4 or IPv6 address in canonical form: `text` is what the kernel and `nft` print (RFC 5952 for IPv6). */
export interface Address {
  readonly family: Family;
  readonly text: string;
  /** 4 or 16 bytes in network order. */
  readonly bytes: Uint8Array;
}

/** An address prefix (RFC 4291 §2.3, RFC 4632); host bits of `address` are zero. */
export interface Prefix {
  readonly address: Address;
  /** 0–32 for IPv4, 0–128 for IPv6. */
  readonly length: number;
}

/** Reads an address; `undefined` where the text is none. IPv4 takes four decimal parts only, IPv6 no zone. */
export function parseAddress(text: string): Address | undefined {
  const bytes = text.includes(':') ? readColons(text) : readDotted(text);
  return bytes && addressFromBytes(bytes);
}

/** Makes an address of its 4 or 16 bytes in network order. */
export function addressFromBytes(bytes: ArrayLike<number>): Address {
  const copy = Uint8Array.from(bytes);
  if (copy.length === 4) return { family: 4, text: copy.join('.'), bytes: copy };
  if (copy.length !== 16) throw new RangeError(`an address has 4 or 16 bytes, not ${copy.length}`);
  return { family: 6, text: writeColons(copy), bytes: copy };
}

/** Reads `ADDRESS/LENGTH`, or a lone address as a prefix of full length; `undefined` where host bits are set. */
export function parsePrefix(text: string): Prefix | undefined {
  const [addressText = '', lengthText, ...rest] = text.split('/');
  const address = parseAddress(addressText);
  if (!address || rest.length > 0) return undefined;
  const width = address.bytes.length * 8;
  if (lengthText === undefined) return { address, length: width };
  if (!/^\d{1,3}$/.test(lengthText) || Number(lengthText) > width) return undefined;
  const prefix = maskAddress(address, Number(lengthText));
  return prefix.address.text === address.text ? prefix : undefined;
}

/** The prefix of the given length that holds the address. */
export function maskAddress(address: Address, length: number): Prefix {
  return { address: addressFromBytes(address.bytes.map((byte, index) => byte & maskByte(length, index))), length };
}

/** The given byte of a mask with so many leading ones. */
function maskByte(length: number, index: number): number {
  const kept = Math.min(8, Math.max(0, length - index * 8));
  return (0xff00 >> kept) & 0xff;
}

/** True where the address lies in the prefix. */
export function prefixHolds(prefix: Prefix, address: Address): boolean {
  const { bytes } = prefix.address;
  if (prefix.address.family !== address.family) return false;
  return bytes.every((byte, index) => ((byte ^ (address.bytes[index] ?? 0)) & maskByte(prefix.length, index)) === 0);
}

/** `ADDRESS/LENGTH`. */
export function formatPrefix(prefix: Prefix): string {
  return `${prefix.address.text}/${prefix.length}`;
}
