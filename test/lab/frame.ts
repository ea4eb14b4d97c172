import { parseAddress } from '../../src/net/address.ts';
import { protocols } from './packet.ts';

/** An Ethernet frame, header included, without padding or check sequence. */
export interface EthernetFields {
  readonly destination: string;
  readonly source: string;
}

/** An IP header's fields; what is left out is as an ordinary host sends it. */
export interface IpFields {
  readonly source: string;
  readonly destination: string;
  readonly protocol: number;
  /** TTL or hop limit; default 64. */
  readonly ttl?: number;
  readonly dontFragment?: boolean;
  readonly fragment?: { readonly identification: number; readonly offset: number; readonly more: boolean };
  /** IPv4 options, a multiple of 4 bytes, at most 40. */
  readonly options?: Buffer;
  /** True: an IPv4 header checksum that is wrong. */
  readonly wrongChecksum?: boolean;
}

const etherTypes = { 4: 0x0800, 6: 0x86dd } as const;

/** A frame around a packet. */
export function ethernet(fields: EthernetFields, packet: Buffer): Buffer {
  const type = Buffer.alloc(2);
  type.writeUInt16BE(packet.readUInt8(0) >> 4 === 6 ? etherTypes[6] : etherTypes[4]);
  return Buffer.concat([macBytes(fields.destination), macBytes(fields.source), type, packet]);
}

/** An IPv4 or IPv6 packet, by its addresses' family. */
export function ip(fields: IpFields, payload: Buffer): Buffer {
  return addressBytes(fields.source).length === 4 ? ipv4(fields, payload) : ipv6(fields, payload);
}

function ipv4(fields: IpFields, payload: Buffer): Buffer {
  const { source, destination, protocol, ttl = 64, dontFragment = false, fragment, options = Buffer.alloc(0) } = fields;
  const header = Buffer.alloc(20 + options.length);
  header.writeUInt8(0x40 | (header.length / 4), 0);
  header.writeUInt16BE(header.length + payload.length, 2);
  header.writeUInt16BE(fragment?.identification ?? 0, 4);
  header.writeUInt16BE((dontFragment ? 0x4000 : 0) | (fragment?.more ? 0x2000 : 0) | ((fragment?.offset ?? 0) / 8), 6);
  header.writeUInt8(ttl, 8);
  header.writeUInt8(protocol, 9);
  header.set(addressBytes(source), 12);
  header.set(addressBytes(destination), 16);
  header.set(options, 20);
  header.writeUInt16BE(checksum(header) ^ (fields.wrongChecksum ? 0x5555 : 0), 10);
  return Buffer.concat([header, payload]);
}

function ipv6(fields: IpFields, payload: Buffer): Buffer {
  const { source, destination, protocol, ttl = 64, fragment } = fields;
  const header = Buffer.alloc(40);
  const extension = Buffer.alloc(fragment ? 8 : 0);
  if (fragment) {
    extension.writeUInt8(protocol, 0);
    extension.writeUInt16BE(fragment.offset | (fragment.more ? 1 : 0), 2);
    extension.writeUInt32BE(fragment.identification, 4);
  }
  header.writeUInt32BE(0x60000000, 0);
  header.writeUInt16BE(extension.length + payload.length, 4);
  header.writeUInt8(fragment ? protocols.fragment : protocol, 6);
  header.writeUInt8(ttl, 7);
  header.set(addressBytes(source), 8);
  header.set(addressBytes(destination), 24);
  return Buffer.concat([header, extension, payload]);
}

/** A packet's fragments, at most `size` bytes of payload each (a multiple of 8), in order. */
export function fragments(fields: IpFields, payload: Buffer, size: number, identification: number): Buffer[] {
  const count = Math.ceil(payload.length / size);
  return Array.from({ length: count }, (_, index) =>
    ip(
      { ...fields, fragment: { identification, offset: index * size, more: index < count - 1 } },
      payload.subarray(index * size, (index + 1) * size),
    ),
  );
}

/** A UDP datagram for the given addresses. */
export function udp(source: string, destination: string, ports: readonly [number, number], payload: Buffer): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt16BE(ports[0], 0);
  header.writeUInt16BE(ports[1], 2);
  header.writeUInt16BE(8 + payload.length, 4);
  return withChecksum(source, destination, protocols.udp, Buffer.concat([header, payload]), 6);
}

/** A TCP segment without options; `flags` as in `Packet.tcpFlags`. */
export function tcp(
  source: string,
  destination: string,
  ports: readonly [number, number],
  flags: number,
  payload: Buffer = Buffer.alloc(0),
): Buffer {
  const header = Buffer.alloc(20);
  header.writeUInt16BE(ports[0], 0);
  header.writeUInt16BE(ports[1], 2);
  header.writeUInt32BE(1, 4);
  header.writeUInt8(5 << 4, 12);
  header.writeUInt8(flags, 13);
  header.writeUInt16BE(65535, 14);
  return withChecksum(source, destination, protocols.tcp, Buffer.concat([header, payload]), 16);
}

/** An ICMP or ICMPv6 message (by the addresses' family) with a word of its own and a body. */
export function icmp(
  source: string,
  destination: string,
  message: { readonly type: number; readonly code: number; readonly word: number },
  body: Buffer,
): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt8(message.type, 0);
  header.writeUInt8(message.code, 1);
  header.writeUInt32BE(message.word, 4);
  const whole = Buffer.concat([header, body]);
  if (addressBytes(source).length === 16) return withChecksum(source, destination, protocols.icmp6, whole, 2);
  whole.writeUInt16BE(checksum(whole), 2);
  return whole;
}

/** Fills in the checksum over the pseudo header (RFC 9293 §3.1, RFC 8200 §8.1) and the segment. */
function withChecksum(source: string, destination: string, protocol: number, segment: Buffer, at: number): Buffer {
  const lengthAndProtocol = Buffer.alloc(8);
  lengthAndProtocol.writeUInt32BE(segment.length, 0);
  lengthAndProtocol.writeUInt32BE(protocol, 4);
  const pseudo = Buffer.concat([addressBytes(source), addressBytes(destination), lengthAndProtocol, segment]);
  const sum = checksum(pseudo);
  segment.writeUInt16BE(sum === 0 && protocol === protocols.udp ? 0xffff : sum, at);
  return segment;
}

/** The Internet checksum (RFC 1071). */
export function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) {
    sum += at + 1 < bytes.length ? bytes.readUInt16BE(at) : bytes.readUInt8(at) << 8;
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return ~sum & 0xffff;
}

function addressBytes(text: string): Uint8Array {
  const address = parseAddress(text);
  if (!address) throw new RangeError(`not an address: ${text}`);
  return address.bytes;
}

function macBytes(text: string): Buffer {
  return Buffer.from(text.replaceAll(':', ''), 'hex');
}
