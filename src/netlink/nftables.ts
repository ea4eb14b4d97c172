import { encodeUtf8 } from '../net/utf8.ts';
import type { NetlinkMessage } from './message.ts';
import { PayloadWriter, decodeAttributes, viewOf } from './message.ts';

// What nftables tells over netlink (include/uapi/linux/netfilter/nf_tables.h, nfnetlink.h). Every commit has a generation
// number, and is told to the group NFNLGRP_NFTABLES object by object, closed by one NFT_MSG_NEWGEN.

export const NFNLGRP_NFTABLES = 7;
export const NFNL_SUBSYS_NFTABLES = 10;
export const NFT_MSG_NEWGEN = 15;
export const NFT_MSG_GETGEN = 16;

/** struct nfgenmsg: family, version, resource id in network order. */
export const NFGENMSG = 4;
const NFTA_GEN_ID = 1;
/** First attribute of tables, chains, rules, sets, elements, objects and flowtables alike. */
const NFTA_TABLE = 1;

export const NFT_MSG_GETTABLE = 1;
export const NFT_MSG_NEWOBJ = 18;
export const NFT_MSG_GETOBJ = 19;
/** Attributes of named objects, the type of those that count, and the attributes of their data. */
const NFTA_OBJ_TABLE = 1;
const NFTA_OBJ_NAME = 2;
const NFTA_OBJ_TYPE = 3;
const NFTA_OBJ_DATA = 4;
const NFT_OBJECT_COUNTER = 1;
const NFTA_COUNTER_BYTES = 1;
const NFTA_COUNTER_PACKETS = 2;

/** A named counter as the kernel has it. */
export interface NamedCounter {
  readonly name: string;
  readonly packets: bigint;
  readonly bytes: bigint;
}

/** One object that was created, changed or deleted. */
export interface NftablesEvent {
  /** NFT_MSG_*. */
  readonly message: number;
  /** NFPROTO_*: 1 inet, 2 ip, 3 arp, 5 netdev, 7 bridge, 10 ip6. */
  readonly family: number;
  readonly table: string;
}

/** Message type of an nftables request. */
export function nftablesType(message: number): number {
  return (NFNL_SUBSYS_NFTABLES << 8) | message;
}

/** Payload of NFT_MSG_GETGEN. */
export function encodeGenerationRequest(): Uint8Array {
  return new Uint8Array(NFGENMSG);
}

/** Reads NFT_MSG_NEWGEN: the number of the last commit; `undefined` where the message is none. */
export function decodeGeneration({ type, payload }: NetlinkMessage, littleEndian: boolean): number | undefined {
  if (type !== nftablesType(NFT_MSG_NEWGEN)) return undefined;
  return decodeAttributes(payload, NFGENMSG, littleEndian).be32(NFTA_GEN_ID);
}

/** Reads the change of an object; `undefined` for NFT_MSG_NEWGEN and what is no nftables message. */
export function decodeNftablesEvent(message: NetlinkMessage, littleEndian: boolean): NftablesEvent | undefined {
  const { type, payload } = message;
  if (type >> 8 !== NFNL_SUBSYS_NFTABLES || (type & 0xff) === NFT_MSG_NEWGEN) return undefined;
  const table = decodeAttributes(payload, NFGENMSG, littleEndian).text(NFTA_TABLE);
  return table === undefined ? undefined : { message: type & 0xff, family: payload[0] ?? 0, table };
}

/** Payload of NFT_MSG_GETTABLE as a dump: the tables of all families. */
export function encodeTableDump(): Uint8Array {
  return new Uint8Array(NFGENMSG);
}

/** Payload of NFT_MSG_GETOBJ as a dump: the named counters of the tables of a name, in all families. */
export function encodeCounterDump(table: string, littleEndian: boolean): Uint8Array {
  return new PayloadWriter(littleEndian)
    .bytes(new Uint8Array(NFGENMSG))
    .attribute(NFTA_OBJ_TABLE, [...encodeUtf8(table), 0])
    .attribute(NFTA_OBJ_TYPE, [0, 0, 0, NFT_OBJECT_COUNTER])
    .finish();
}

/** Reads a named counter; `undefined` where the message is none, or one of another table. */
export function decodeCounter(
  { type, payload }: NetlinkMessage,
  table: string,
  littleEndian: boolean,
): NamedCounter | undefined {
  if (type !== nftablesType(NFT_MSG_NEWOBJ)) return undefined;
  const attributes = decodeAttributes(payload, NFGENMSG, littleEndian);
  const name = attributes.text(NFTA_OBJ_NAME);
  const data = attributes.nested(NFTA_OBJ_DATA);
  const isOurs = attributes.text(NFTA_OBJ_TABLE) === table && attributes.be32(NFTA_OBJ_TYPE) === NFT_OBJECT_COUNTER;
  if (!isOurs || name === undefined || !data) return undefined;
  const number = (attribute: number): bigint => {
    const bytes = data.bytes(attribute);
    return bytes && bytes.length >= 8 ? viewOf(bytes).getBigUint64(0) : 0n;
  };
  return { name, packets: number(NFTA_COUNTER_PACKETS), bytes: number(NFTA_COUNTER_BYTES) };
}
