import type { Address, Family } from '../net/address.ts';
import { parsePrefix, prefixHolds } from '../net/address.ts';
import { type Json, type JsonObject, type Known, listOf, objectOf, textOf } from './nft-json.ts';

/** A packet on its way through the hooks; of the other end's address and port nothing is known. */
export interface Packet {
  readonly family: Family;
  readonly protocol: 'tcp' | 'udp';
  readonly incoming: string;
  /** Device by which it leaves; absent where it is for this machine. */
  readonly outgoing?: string;
  readonly source?: Address;
  readonly destination?: Address;
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  /** Firewall mark. */
  readonly mark: number;
  /** What connection tracking says of it. */
  readonly state: 'new' | 'untracked' | 'invalid';
}

/** Whether a `match` statement holds for the packet. */
export function matches({ op, left, right }: JsonObject, packet: Packet): Known {
  const value = valueOf(left ?? null, packet);
  if (value === undefined) return undefined;
  if (value === 'other') return false;
  const inside = holds(right ?? null, value);
  switch (op) {
    case '==':
    case 'in':
      return inside;
    case '!=':
      return inside === undefined ? undefined : !inside;
    default:
      return undefined;
  }
}

type Value = number | string | Address;

/** What a packet has at a place; `other` where it has no such place, `undefined` where that is not known. */
function valueOf(left: Json, packet: Packet): Value | 'other' | undefined {
  const { meta, ct, payload, concat, '&': masked } = objectOf(left);
  // Of several together it is enough to know that it lacks one.
  if (concat !== undefined)
    return listOf(concat).some((each) => valueOf(each, packet) === 'other') ? 'other' : undefined;
  if (masked !== undefined) {
    const [inner = null, mask] = listOf(masked);
    const value = valueOf(inner, packet);
    if (value === 'other') return value;
    return typeof value === 'number' && typeof mask === 'number' ? (value & mask) >>> 0 : undefined;
  }
  if (ct !== undefined) return objectOf(ct)['key'] === 'state' ? packet.state : undefined;
  if (meta !== undefined) return metaOf(textOf(objectOf(meta)['key']), packet);
  if (payload !== undefined) return payloadOf(objectOf(payload), packet);
  return undefined;
}

const PROTOCOL_NUMBER = { tcp: 6, udp: 17 } as const;

function metaOf(key: string, packet: Packet): Value | undefined {
  switch (key) {
    case 'iifname':
    case 'iif':
      return packet.incoming;
    case 'oifname':
    case 'oif':
      return packet.outgoing;
    case 'l4proto':
      return packet.protocol;
    case 'nfproto':
      return packet.family === 4 ? 'ipv4' : 'ipv6';
    case 'protocol':
      return packet.family === 4 ? 'ip' : 'ip6';
    case 'mark':
      return packet.mark;
    default:
      return undefined;
  }
}

function payloadOf({ protocol, field }: JsonObject, packet: Packet): Value | 'other' | undefined {
  switch (protocol) {
    case 'ip':
    case 'ip6':
      if (protocol !== (packet.family === 4 ? 'ip' : 'ip6')) return 'other';
      if (field === 'protocol' || field === 'nexthdr') return packet.protocol;
      if (field === 'saddr') return packet.source;
      return field === 'daddr' ? packet.destination : undefined;
    case 'tcp':
    case 'udp':
    case 'th':
      if (protocol !== 'th' && protocol !== packet.protocol) return 'other';
      if (field === 'sport') return packet.sourcePort;
      return field === 'dport' ? packet.destinationPort : undefined;
    case 'icmp':
    case 'icmpv6':
      return 'other';
    default:
      return undefined;
  }
}

/** True where what is looked for holds the value. */
function holds(wanted: Json, value: Value): Known {
  if (Array.isArray(wanted)) return anyOf(wanted, value);
  if (typeof wanted === 'object' && wanted !== null) {
    const { set, range, prefix } = wanted as JsonObject;
    if (set !== undefined) return anyOf(listOf(set), value);
    if (range !== undefined) return inRange(listOf(range), value);
    if (prefix !== undefined) return inPrefix(objectOf(prefix), value);
    return undefined;
  }
  if (typeof wanted === 'string' && wanted.startsWith('@')) return undefined;
  if (typeof value === 'object') return textOf(wanted) === value.text;
  if (typeof value === 'string') {
    if (value in PROTOCOL_NUMBER && wanted === PROTOCOL_NUMBER[value as keyof typeof PROTOCOL_NUMBER]) return true;
    const pattern = textOf(wanted);
    return pattern.endsWith('*') ? value.startsWith(pattern.slice(0, -1)) : value === pattern;
  }
  return typeof wanted === 'number' ? wanted === value : undefined;
}

function anyOf(wanted: readonly Json[], value: Value): Known {
  const answers = wanted.map((each) => holds(each, value));
  return answers.includes(true) ? true : answers.includes(undefined) ? undefined : false;
}

function inRange([first = null, last = null]: readonly Json[], value: Value): Known {
  if (typeof value !== 'number' || typeof first !== 'number' || typeof last !== 'number') return undefined;
  return first <= value && value <= last;
}

/** Of addresses, and of marks: nft writes `meta mark & 0xffff0000 == …` so. */
function inPrefix({ addr, len }: JsonObject, value: Value): Known {
  if (typeof len !== 'number') return undefined;
  if (typeof value === 'number' && typeof addr === 'number') return value >>> (32 - len) === addr >>> (32 - len);
  const prefix = typeof addr === 'string' ? parsePrefix(`${addr}/${len}`) : undefined;
  return prefix && typeof value === 'object' ? prefixHolds(prefix, value) : undefined;
}

/** What a verdict map says of a packet; `nothing` where it has no such element. */
export function lookUp({ key, data }: JsonObject, packet: Packet): JsonObject | 'nothing' | 'unknown' {
  const value = valueOf(key ?? null, packet);
  if (value === undefined) return 'unknown';
  if (value === 'other') return 'nothing';
  const { set } = objectOf(data ?? null);
  if (set === undefined) return 'unknown';
  for (const element of listOf(set)) {
    const [wanted = null, verdict = null] = listOf(element);
    const isHit = holds(wanted, value);
    if (isHit === undefined) return 'unknown';
    if (isHit) return objectOf(verdict);
  }
  return 'nothing';
}
