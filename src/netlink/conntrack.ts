import type { Address, Family } from '../net/address.ts';
import { addressFamily, addressOf, familyOf } from './family.ts';
import { PayloadWriter, decodeAttributes, viewOf } from './message.ts';
import type { Attributes, NetlinkMessage } from './message.ts';
import type { TallyPlan } from './tally.ts';

// Connection tracking by netlink (include/uapi/linux/netfilter/nfnetlink_conntrack.h, net/netfilter/nf_conntrack_netlink.c). An
// entry has two tuples: what the first packet had, and what an answer to it must have to be taken for one.

const NFNL_SUBSYS_CTNETLINK = 1;
const IPCTNL_MSG_CT_GET = 1;
const IPCTNL_MSG_CT_DELETE = 2;
export const CONNTRACK_GET = (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_GET;
export const CONNTRACK_DELETE = (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_DELETE;

const NFGENMSG = 4;
const NLA_F_NESTED = 0x8000;
const CTA_TUPLE_ORIG = 1;
const CTA_TUPLE_REPLY = 2;
const CTA_PROTOINFO = 4;
const CTA_PROTOINFO_TCP = 1;
const CTA_PROTOINFO_TCP_STATE = 1;
const TCP_CLOSE_WAIT = 5;
const CTA_ID = 12;
const CTA_ZONE = 18;
const CTA_FILTER = 25;
const CTA_FILTER_ORIG_FLAGS = 1;
const CTA_FILTER_REPLY_FLAGS = 2;
const CTA_TUPLE_IP = 1;
const CTA_TUPLE_PROTO = 2;
/** CTA_IP_V4_SRC and its like. */
const CTA_IP = { 4: { source: 1, destination: 2 }, 6: { source: 3, destination: 4 } } as const;
const ADDRESS_LENGTH = { 4: 4, 6: 16 } as const;
const CTA_PROTO_NUM = 1;
const CTA_PROTO_SRC_PORT = 2;
const CTA_PROTO_DST_PORT = 3;
const FILTER_IP_SRC = 1 << 0;
const FILTER_IP_DST = 1 << 1;
const FILTER_PROTO_NUM = 1 << 3;

/** One direction of a connection. */
export interface Tuple {
  readonly source: Address;
  readonly destination: Address;
  /** IP protocol number. */
  readonly protocol: number;
  /** Of protocols with ports. */
  readonly sourcePort?: number;
  readonly destinationPort?: number;
}

/** An entry of the connection tracking table. */
export interface TrackedConnection {
  readonly family: Family;
  readonly original: Tuple;
  readonly reply: Tuple;
  /** What names it to the kernel, and no later connection of the same tuple. */
  readonly identity: Uint8Array;
}

/**
 * Payload of a dump of connections to one address that another one answers. What comes may be more: kernels before 5.8 know no
 * such filter, and that of IPv6 takes just what it should leave out (`ctnetlink_filter_match_tuple`), so that it is not used.
 */
export function encodeTrackedDump({ destination, answering }: Ends, littleEndian: boolean): Uint8Array {
  const { family } = destination;
  const payload = header(family, littleEndian);
  if (family === 6) return payload.finish();
  return payload
    .nest(CTA_TUPLE_ORIG, (tuple) =>
      tuple.nest(CTA_TUPLE_IP, (ip) => ip.attribute(CTA_IP[family].destination, destination.bytes)),
    )
    .nest(CTA_TUPLE_REPLY, (tuple) =>
      tuple.nest(CTA_TUPLE_IP, (ip) => ip.attribute(CTA_IP[family].source, answering.bytes)),
    )
    .nest(CTA_FILTER, (filter) =>
      filter.attributeU32(CTA_FILTER_ORIG_FLAGS, FILTER_IP_DST).attributeU32(CTA_FILTER_REPLY_FLAGS, FILTER_IP_SRC),
    )
    .finish();
}

/** Payload of a dump of connections, of a family and to one address where these are named. What comes may be more, as above. */
export function encodeConnectionDump(
  family: Family | undefined,
  destination: Address | undefined,
  littleEndian: boolean,
): Uint8Array {
  if (!family) return new Uint8Array(NFGENMSG);
  const payload = header(family, littleEndian);
  if (family === 6 || !destination) return payload.finish();
  return payload
    .nest(CTA_TUPLE_ORIG, (tuple) =>
      tuple.nest(CTA_TUPLE_IP, (ip) => ip.attribute(CTA_IP[family].destination, destination.bytes)),
    )
    .nest(CTA_FILTER, (filter) => filter.attributeU32(CTA_FILTER_ORIG_FLAGS, FILTER_IP_DST))
    .finish();
}

/**
 * Live connections by the address that they were aimed at and the one that answers, of IPv4 and then of IPv6, protocol, port that
 * they were aimed at, and port that answers. Of TCP those that have not been closed by both sides.
 */
export const LIVE_CONNECTIONS: TallyPlan = {
  header: NFGENMSG,
  list: [],
  limit: { path: [CTA_PROTOINFO, CTA_PROTOINFO_TCP, CTA_PROTOINFO_TCP_STATE], most: TCP_CLOSE_WAIT },
  key: [
    ...([4, 6] as const).flatMap((family) => [
      { path: [CTA_TUPLE_ORIG, CTA_TUPLE_IP, CTA_IP[family].destination], length: ADDRESS_LENGTH[family] },
      { path: [CTA_TUPLE_REPLY, CTA_TUPLE_IP, CTA_IP[family].source], length: ADDRESS_LENGTH[family] },
    ]),
    { path: [CTA_TUPLE_ORIG, CTA_TUPLE_PROTO, CTA_PROTO_NUM], length: 1 },
    { path: [CTA_TUPLE_ORIG, CTA_TUPLE_PROTO, CTA_PROTO_DST_PORT], length: 2 },
    { path: [CTA_TUPLE_REPLY, CTA_TUPLE_PROTO, CTA_PROTO_SRC_PORT], length: 2 },
  ],
};

/** Key of such connections; `rest`: protocol, and both ports. */
export function liveConnectionKey({ destination, answering }: Ends, rest: Uint8Array): Uint8Array {
  const lengths = [ADDRESS_LENGTH[4], ADDRESS_LENGTH[4], ADDRESS_LENGTH[6], ADDRESS_LENGTH[6]] as const;
  const key = new Uint8Array(lengths.reduce((sum, length) => sum + length, rest.length));
  const at = destination.family === 4 ? 0 : 2 * ADDRESS_LENGTH[4];
  key.set(destination.bytes, at);
  key.set(answering.bytes, at + destination.bytes.length);
  key.set(rest, key.length - rest.length);
  return key;
}

/** Payload of a dump of connections of one protocol. Kernels before 5.8 know no such filter, and give all. */
export function encodeProtocolDump(family: Family, protocol: number, littleEndian: boolean): Uint8Array {
  return header(family, littleEndian)
    .nest(CTA_TUPLE_ORIG, (tuple) => tuple.nest(CTA_TUPLE_PROTO, (proto) => proto.attributeU8(CTA_PROTO_NUM, protocol)))
    .nest(CTA_FILTER, (filter) => filter.attributeU32(CTA_FILTER_ORIG_FLAGS, FILTER_PROTO_NUM))
    .finish();
}

/** Payload of a question for the connection that began with such a packet. */
export function encodeTrackedQuestion(original: Required<Tuple>, littleEndian: boolean): Uint8Array {
  const { source, destination, protocol, sourcePort, destinationPort } = original;
  const { family } = destination;
  return header(family, littleEndian)
    .nest(CTA_TUPLE_ORIG, (tuple) =>
      tuple
        .nest(CTA_TUPLE_IP, (ip) =>
          ip.attribute(CTA_IP[family].source, source.bytes).attribute(CTA_IP[family].destination, destination.bytes),
        )
        .nest(CTA_TUPLE_PROTO, (proto) =>
          proto
            .attributeU8(CTA_PROTO_NUM, protocol)
            .attribute(CTA_PROTO_SRC_PORT, [sourcePort >> 8, sourcePort & 0xff])
            .attribute(CTA_PROTO_DST_PORT, [destinationPort >> 8, destinationPort & 0xff]),
        ),
    )
    .finish();
}

/** Payload of the deletion of a connection. */
export function encodeTrackedDeletion({ family, identity }: TrackedConnection, littleEndian: boolean): Uint8Array {
  return header(family, littleEndian).bytes(identity).finish();
}

/** An address that connections were aimed at, and the one that answers them. */
export interface Ends {
  readonly destination: Address;
  readonly answering: Address;
}

/**
 * True where an entry is of a connection between some of these. To read all of an entry takes many times as long, and a dump
 * holds many that nobody wants.
 */
export function isTracked({ payload }: NetlinkMessage, between: readonly Ends[], littleEndian: boolean): boolean {
  const family = familyOf(payload[0] ?? 0);
  if (!family) return false;
  const destination = addressIn(payload, CTA_TUPLE_ORIG, CTA_IP[family].destination, littleEndian);
  const answering = destination && addressIn(payload, CTA_TUPLE_REPLY, CTA_IP[family].source, littleEndian);
  return (
    answering !== undefined &&
    between.some((ends) => isEqual(destination, ends.destination.bytes) && isEqual(answering, ends.answering.bytes))
  );
}

function addressIn(payload: Uint8Array, tuple: number, which: number, littleEndian: boolean): Uint8Array | undefined {
  const view = viewOf(payload);
  let place = find(view, NFGENMSG, payload.length, tuple, littleEndian);
  place &&= find(view, place.begin, place.end, CTA_TUPLE_IP, littleEndian);
  place &&= find(view, place.begin, place.end, which, littleEndian);
  return place && payload.subarray(place.begin, place.end);
}

function isEqual(one: Uint8Array | undefined, other: Uint8Array): boolean {
  if (one?.length !== other.length) return false;
  // From the end, where addresses of a network differ.
  for (let index = other.length - 1; index >= 0; index--) if (one[index] !== other[index]) return false;
  return true;
}

/** Where the value of the first attribute of a type stands. */
function find(view: DataView, begin: number, end: number, type: number, littleEndian: boolean) {
  for (let at = begin; at + 4 <= end;) {
    const length = view.getUint16(at, littleEndian);
    if (length < 4 || at + length > end) return undefined;
    if ((view.getUint16(at + 2, littleEndian) & ~NLA_F_NESTED) === type) return { begin: at + 4, end: at + length };
    at += (length + 3) & ~3;
  }
  return undefined;
}

/** Reads an entry; `undefined` for what is of no IP connection. */
export function decodeTracked({ payload }: NetlinkMessage, littleEndian: boolean): TrackedConnection | undefined {
  const family = familyOf(payload[0] ?? 0);
  if (payload.length < NFGENMSG || !family) return undefined;
  const attributes = decodeAttributes(payload, NFGENMSG, littleEndian);
  const original = tupleOf(attributes.nested(CTA_TUPLE_ORIG), family);
  const reply = tupleOf(attributes.nested(CTA_TUPLE_REPLY), family);
  if (!original || !reply) return undefined;
  const identity = new PayloadWriter(littleEndian).attribute(
    CTA_TUPLE_ORIG | NLA_F_NESTED,
    attributes.bytes(CTA_TUPLE_ORIG) ?? [],
  );
  for (const type of [CTA_ID, CTA_ZONE]) {
    const value = attributes.bytes(type);
    if (value) identity.attribute(type, value);
  }
  return { family, original, reply, identity: identity.finish() };
}

function tupleOf(attributes: Attributes | undefined, family: Family): Tuple | undefined {
  const ip = attributes?.nested(CTA_TUPLE_IP);
  const proto = attributes?.nested(CTA_TUPLE_PROTO);
  const source = addressOf(ip?.bytes(CTA_IP[family].source));
  const destination = addressOf(ip?.bytes(CTA_IP[family].destination));
  const protocol = proto?.u8(CTA_PROTO_NUM);
  if (!source || !destination || protocol === undefined) return undefined;
  const sourcePort = port(proto?.bytes(CTA_PROTO_SRC_PORT));
  const destinationPort = port(proto?.bytes(CTA_PROTO_DST_PORT));
  return {
    ...{ source, destination, protocol },
    ...(sourcePort === undefined ? {} : { sourcePort }),
    ...(destinationPort === undefined ? {} : { destinationPort }),
  };
}

/** In network order. */
function port(bytes: Uint8Array | undefined): number | undefined {
  return bytes?.length === 2 ? ((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0) : undefined;
}

function header(family: Family, littleEndian: boolean): PayloadWriter {
  return new PayloadWriter(littleEndian).bytes([addressFamily(family), 0, 0, 0]);
}
