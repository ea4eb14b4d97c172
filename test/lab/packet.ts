import { addressFromBytes, type Family } from '../../src/net/address.ts';

/** What stands in the headers of an IP packet. Fields that it does not have are absent. */
export interface Packet {
  readonly family: Family;
  readonly source: string;
  readonly destination: string;
  /** IP protocol number; for IPv6 that behind extension headers, 44 for a later fragment. */
  readonly protocol: number;
  /** TTL or hop limit. */
  readonly ttl: number;
  /** Bytes of the whole packet, by its own header. */
  readonly length: number;
  /** IPv4: Don't Fragment. */
  readonly dontFragment?: boolean;
  readonly fragment?: { readonly identification: number; readonly offset: number; readonly more: boolean };
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  /** TCP flags as a byte (FIN 1, SYN 2, RST 4, ACK 16). */
  readonly tcpFlags?: number;
  /** Maximum segment size option of a SYN. */
  readonly mss?: number;
  readonly icmp?: { readonly type: number; readonly code: number; readonly mtu: number; readonly inner?: Packet };
}

export const protocols = { icmp: 1, tcp: 6, udp: 17, fragment: 44, icmp6: 58 } as const;

/** Reads an IP packet, of which at least the headers must be there; `undefined` where it is none. */
export function readPacket(bytes: Buffer): Packet | undefined {
  if (bytes.length >= 20 && bytes.readUInt8(0) >> 4 === 4) return readIpv4(bytes);
  if (bytes.length >= 40 && bytes.readUInt8(0) >> 4 === 6) return readIpv6(bytes);
  return undefined;
}

function readIpv4(bytes: Buffer): Packet {
  const word = bytes.readUInt16BE(6);
  const offset = (word & 0x1fff) * 8;
  const more = (word & 0x2000) !== 0;
  const protocol = bytes.readUInt8(9);
  return {
    family: 4,
    source: addressFromBytes(bytes.subarray(12, 16)).text,
    destination: addressFromBytes(bytes.subarray(16, 20)).text,
    protocol,
    ttl: bytes.readUInt8(8),
    length: bytes.readUInt16BE(2),
    dontFragment: (word & 0x4000) !== 0,
    ...((offset > 0 || more) && { fragment: { identification: bytes.readUInt16BE(4), offset, more } }),
    ...(offset === 0 && readTransport(protocol, bytes.subarray((bytes.readUInt8(0) & 15) * 4))),
  };
}

function readIpv6(bytes: Buffer): Packet {
  let protocol = bytes.readUInt8(6);
  let rest = bytes.subarray(40);
  let fragment: Packet['fragment'];
  if (protocol === protocols.fragment && rest.length >= 8) {
    const word = rest.readUInt16BE(2);
    fragment = { identification: rest.readUInt32BE(4), offset: word & 0xfff8, more: (word & 1) !== 0 };
    if (fragment.offset === 0) protocol = rest.readUInt8(0);
    rest = rest.subarray(8);
  }
  return {
    family: 6,
    source: addressFromBytes(bytes.subarray(8, 24)).text,
    destination: addressFromBytes(bytes.subarray(24, 40)).text,
    protocol,
    ttl: bytes.readUInt8(7),
    length: 40 + bytes.readUInt16BE(4),
    ...(fragment && { fragment }),
    ...((fragment?.offset ?? 0) === 0 && readTransport(protocol, rest)),
  };
}

function readTransport(protocol: number, bytes: Buffer): Partial<Packet> {
  const ports = () => ({ sourcePort: bytes.readUInt16BE(0), destinationPort: bytes.readUInt16BE(2) });
  if (protocol === protocols.tcp && bytes.length >= 20) {
    const mss = readMss(bytes.subarray(20, (bytes.readUInt8(12) >> 4) * 4));
    return { ...ports(), tcpFlags: bytes.readUInt8(13), ...(mss !== undefined && { mss }) };
  }
  if (protocol === protocols.udp && bytes.length >= 8) return ports();
  if ((protocol === protocols.icmp || protocol === protocols.icmp6) && bytes.length >= 8) {
    const inner = readPacket(bytes.subarray(8));
    // IPv4 has the MTU in the lower half of the word in which IPv6 has it (RFC 1191, RFC 4443 §3.2).
    return {
      icmp: { type: bytes.readUInt8(0), code: bytes.readUInt8(1), mtu: bytes.readUInt32BE(4), ...(inner && { inner }) },
    };
  }
  return {};
}

function readMss(options: Buffer): number | undefined {
  let at = 0;
  while (at + 3 < options.length) {
    const kind = options.readUInt8(at);
    if (kind === 2) return options.readUInt16BE(at + 2);
    if (kind === 0) return undefined;
    at += kind === 1 ? 1 : Math.max(2, options.readUInt8(at + 1));
  }
  return undefined;
}
