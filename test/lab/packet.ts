import type { Family } from '../../src/net/address.ts';
import { addressFromBytes, parseAddress } from '../../src/net/address.ts';

/** IP protocol numbers (IANA). */
export const protocol = { icmp: 1, tcp: 6, udp: 17, gre: 47, icmp6: 58, destinationOptions: 60, fragment: 44 } as const;

/** An IP packet, as far as it has been captured. */
export interface Packet {
  readonly family: Family;
  readonly source: string;
  readonly destination: string;
  /** IPv4 protocol, or IPv6 next header of the fixed header. */
  readonly protocol: number;
  /** TTL or hop limit. */
  readonly ttl: number;
  /** IPv4 only: the fragment offset in bytes, and the three flags' "don't fragment" and "more fragments". */
  readonly fragment: { readonly offset: number; readonly dont: boolean; readonly more: boolean };
  /** Behind the IPv4 header with its options, or the fixed IPv6 header. */
  readonly payload: Buffer;
  /** The whole packet, header included. */
  readonly bytes: Buffer;
}

/** `undefined` where the bytes are no IP packet. */
export function readPacket(bytes: Buffer): Packet | undefined {
  const version = (bytes[0] ?? 0) >> 4;
  if (version === 4 && bytes.length >= 20) {
    const flags = bytes.readUInt16BE(6);
    return {
      family: 4,
      source: addressFromBytes(bytes.subarray(12, 16)).text,
      destination: addressFromBytes(bytes.subarray(16, 20)).text,
      protocol: bytes.readUInt8(9),
      ttl: bytes.readUInt8(8),
      fragment: { offset: (flags & 0x1fff) * 8, dont: (flags & 0x4000) !== 0, more: (flags & 0x2000) !== 0 },
      payload: bytes.subarray((bytes.readUInt8(0) & 15) * 4),
      bytes,
    };
  }
  if (version !== 6 || bytes.length < 40) return undefined;
  return {
    family: 6,
    source: addressFromBytes(bytes.subarray(8, 24)).text,
    destination: addressFromBytes(bytes.subarray(24, 40)).text,
    protocol: bytes.readUInt8(6),
    ttl: bytes.readUInt8(7),
    fragment: { offset: 0, dont: false, more: false },
    payload: bytes.subarray(40),
    bytes,
  };
}

/** What goes into an IP header; the family is the addresses'. */
export interface Header {
  readonly source: string;
  readonly destination: string;
  readonly protocol: number;
  /** TTL or hop limit; default 64. */
  readonly ttl?: number;
  /** Type of service or traffic class, 0–255. */
  readonly trafficClass?: number;
  /** IPv4 identification; default 0. */
  readonly id?: number;
  /** IPv4 flags and fragment offset, as in the header: 0x4000 is "don't fragment", 0x2000 "more fragments". */
  readonly flags?: number;
  /** IPv4 options, a multiple of four bytes. */
  readonly options?: Buffer;
}

/** Makes an IP packet. */
export function ipPacket(header: Header, payload: Buffer): Buffer {
  const { ttl = 64, trafficClass = 0, id = 0, flags = 0, options = Buffer.alloc(0) } = header;
  const [source, destination] = [addressBytes(header.source), addressBytes(header.destination)];
  if (source.length === 16) {
    const fixed = Buffer.alloc(8);
    fixed.writeUInt32BE(((6 << 28) | (trafficClass << 20) | 0x12345) >>> 0, 0);
    fixed.writeUInt16BE(payload.length, 4);
    fixed.writeUInt8(header.protocol, 6);
    fixed.writeUInt8(ttl, 7);
    return Buffer.concat([fixed, source, destination, payload]);
  }
  const length = 20 + options.length;
  const fixed = Buffer.alloc(12);
  fixed.writeUInt8(0x40 | (length / 4), 0);
  fixed.writeUInt8(trafficClass, 1);
  fixed.writeUInt16BE(length + payload.length, 2);
  fixed.writeUInt16BE(id, 4);
  fixed.writeUInt16BE(flags, 6);
  fixed.writeUInt8(ttl, 8);
  fixed.writeUInt8(header.protocol, 9);
  const all = Buffer.concat([fixed, source, destination, options]);
  all.writeUInt16BE(checksum(all), 10);
  return Buffer.concat([all, payload]);
}

/** A UDP datagram of such a packet. */
export function udp(header: Omit<Header, 'protocol'>, ports: [number, number], data: Buffer): Buffer {
  const datagram = Buffer.concat([Buffer.alloc(8), data]);
  datagram.writeUInt16BE(ports[0], 0);
  datagram.writeUInt16BE(ports[1], 2);
  datagram.writeUInt16BE(datagram.length, 4);
  datagram.writeUInt16BE(pseudoChecksum(header, protocol.udp, datagram) || 0xffff, 6);
  return datagram;
}

/** A SYN that offers the given segment size, a timestamp and a window scale (RFC 9293, RFC 7323). */
export function tcpSyn(header: Omit<Header, 'protocol'>, ports: [number, number], segment = 1460): Buffer {
  const options = Buffer.from([2, 4, segment >> 8, segment & 255, 1, 3, 3, 7, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 1]);
  const fixed = Buffer.alloc(20);
  fixed.writeUInt16BE(ports[0], 0);
  fixed.writeUInt16BE(ports[1], 2);
  fixed.writeUInt32BE(0x01020304, 4);
  fixed.writeUInt8(((20 + options.length) / 4) << 4, 12);
  fixed.writeUInt8(2, 13);
  fixed.writeUInt16BE(64240, 14);
  const all = Buffer.concat([fixed, options]);
  all.writeUInt16BE(pseudoChecksum(header, protocol.tcp, all), 16);
  return all;
}

/** True for a TCP segment that ends its connection at once. */
export function isReset({ protocol: number, payload }: Packet): boolean {
  return number === protocol.tcp && ((payload[13] ?? 0) & 4) !== 0;
}

/** The maximum segment size that a SYN offers, by its first option; `undefined` where the packet is none. */
export function segmentSize({ protocol: number, payload }: Packet): number | undefined {
  if (number !== protocol.tcp || (payload[13] ?? 0) % 4 < 2 || payload[20] !== 2) return undefined;
  return payload.readUInt16BE(22);
}

/** An ICMP or ICMPv6 message; `rest` is the second word of its header. */
export function icmp(
  header: Omit<Header, 'protocol'>,
  type: number,
  code: number,
  rest: number,
  data: Buffer,
): { protocol: number; message: Buffer } {
  const message = Buffer.concat([Buffer.from([type, code, 0, 0, 0, 0, 0, 0]), data]);
  message.writeUInt32BE(rest >>> 0, 4);
  const six = header.source.includes(':');
  message.writeUInt16BE(six ? pseudoChecksum(header, protocol.icmp6, message) : checksum(message), 2);
  return { protocol: six ? protocol.icmp6 : protocol.icmp, message };
}

/** A whole echo request (RFC 792, RFC 4443). */
export function echoRequest(header: Omit<Header, 'protocol'>, data: Buffer): Buffer {
  const { protocol: number, message } = icmp(header, header.source.includes(':') ? 128 : 8, 0, 0x12340001, data);
  return ipPacket({ ...header, protocol: number }, message);
}

/** Cuts an IPv4 packet, or IPv6 payload behind a fragment header, into pieces whose data fits `size` (a multiple of 8). */
export function fragments(header: Header, payload: Buffer, size: number, id = 0x7777): Buffer[] {
  const pieces: Buffer[] = [];
  for (let offset = 0; offset < payload.length; offset += size) {
    const data = payload.subarray(offset, offset + size);
    const more = offset + size < payload.length;
    if (!header.source.includes(':')) {
      pieces.push(ipPacket({ ...header, id, flags: (more ? 0x2000 : 0) | (offset / 8) }, data));
      continue;
    }
    const extension = Buffer.alloc(8);
    extension.writeUInt8(header.protocol, 0);
    extension.writeUInt16BE(offset | (more ? 1 : 0), 2);
    extension.writeUInt32BE(id, 4);
    pieces.push(ipPacket({ ...header, protocol: protocol.fragment }, Buffer.concat([extension, data])));
  }
  return pieces;
}

/** The Internet checksum (RFC 1071); 0 over data that holds a right one. */
export function checksum(data: Buffer): number {
  let sum = 0;
  for (let index = 0; index < data.length; index++) sum += (data[index] ?? 0) << (index % 2 === 0 ? 8 : 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return ~sum & 0xffff;
}

/** The same over the pseudo header and a transport packet (RFC 9293 §3.1, RFC 8200 §8.1). */
export function pseudoChecksum(
  addresses: Pick<Header, 'source' | 'destination'>,
  number: number,
  data: Buffer,
): number {
  const tail = Buffer.alloc(8);
  tail.writeUInt32BE(data.length, 0);
  tail.writeUInt8(number, 7);
  return checksum(Buffer.concat([addressBytes(addresses.source), addressBytes(addresses.destination), tail, data]));
}

function addressBytes(text: string): Buffer {
  const address = parseAddress(text);
  if (!address) throw new Error(`'${text}' is no address`);
  return Buffer.from(address.bytes);
}
