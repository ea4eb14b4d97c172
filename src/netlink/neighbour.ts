import type { Address, Family } from '../net/address.ts';
import { addressFamily, addressOf, familyOf } from './family.ts';
import type { NetlinkMessage } from './message.ts';
import { PayloadWriter, decodeAttributes, viewOf } from './message.ts';
import { hardwareBytes, hardwareText } from './text.ts';

// Neighbour tables, ARP and ND (include/uapi/linux/neighbour.h, net/core/neighbour.c).

export const RTM_NEWNEIGH = 28;
export const RTM_DELNEIGH = 29;
export const RTM_GETNEIGH = 30;
export const RTNLGRP_NEIGH = 3;

const NDMSG = 12;
const NDA_DST = 1;
const NDA_LLADDR = 2;
const NDA_PROTOCOL = 12;
const NDA_FLAGS_EXT = 15;
const NTF_USE = 0x01;
const NTF_PROXY = 0x08;
const NTF_EXT_LEARNED = 0x10;
const NTF_EXT_MANAGED = 0x01;
const NUD_NONE = 0;
const NUD_PROBE = 0x10;
const NUD_FAILED = 0x20;
const NUD_PERMANENT = 0x80;
/** States in which the kernel sends packets to `hardware`: reachable, stale, delay, probe, noarp, permanent. */
const NUD_VALID = 0xde;
const NUD_NOARP = 0x40;

export interface Neighbour {
  readonly family: Family;
  readonly address: Address;
  readonly ifindex: number;
  /** MAC address as text; absent while it is not resolved, and in proxy entries. */
  readonly hardware?: string;
  /** True where packets can be sent to it now. */
  readonly valid: boolean;
  /** It was asked for and did not answer; the kernel asks again. */
  readonly failed: boolean;
  /** It is being asked whether it still has this MAC address (NUD_PROBE). */
  readonly doubted: boolean;
  /** Set by hand (`nud permanent`, `nud noarp`): the kernel never resolves it. */
  readonly permanent: boolean;
  /** The router answers for the address. */
  readonly proxy: boolean;
  /** The kernel keeps it resolved by itself (NTF_EXT_MANAGED, Linux 5.16). */
  readonly managed: boolean;
  /** Somebody outside the kernel keeps it (NTF_EXT_LEARNED); it is never collected as garbage. */
  readonly externallyLearned: boolean;
  /** Who made it (RTPROT_*); 0 = not told. */
  readonly protocol: number;
}

/** What a neighbour request is about. */
export interface NeighbourKey {
  readonly family: Family;
  readonly address: Address;
  readonly ifindex: number;
}

export function encodeNeighbourDump(proxies: boolean, littleEndian: boolean, family?: Family): Uint8Array {
  const number = family === undefined ? 0 : addressFamily(family);
  return header(number, 0, NUD_NONE, proxies ? NTF_PROXY : 0, littleEndian).finish();
}

/** Payload of RTM_NEWNEIGH and RTM_DELNEIGH for an entry that makes the router answer for the address. */
export function encodeProxy(key: NeighbourKey, protocol: number, littleEndian: boolean): Uint8Array {
  return header(addressFamily(key.family), key.ifindex, NUD_NONE, NTF_PROXY, littleEndian)
    .attribute(NDA_DST, key.address.bytes)
    .attributeU8(NDA_PROTOCOL, protocol)
    .finish();
}

/**
 * Payload of RTM_NEWNEIGH for an entry that the kernel keeps resolved. NTF_EXT_LEARNED beside it keeps it from being
 * collected as garbage while its host is dead. `protocol` 0 leaves the entry's as it is.
 */
export function encodeManaged(key: NeighbourKey, protocol: number, littleEndian: boolean): Uint8Array {
  const writer = header(addressFamily(key.family), key.ifindex, NUD_NONE, NTF_EXT_LEARNED, littleEndian)
    .attribute(NDA_DST, key.address.bytes)
    .attributeU32(NDA_FLAGS_EXT, NTF_EXT_MANAGED);
  if (protocol !== 0) writer.attributeU8(NDA_PROTOCOL, protocol);
  return writer.finish();
}

/**
 * Payload of RTM_NEWNEIGH that does what a packet would do: starts resolution where the entry is not fresh. It clears
 * NTF_EXT_MANAGED, leaves state and MAC alone, and sets or clears NTF_EXT_LEARNED.
 */
export function encodeUse(key: NeighbourKey, externallyLearned: boolean, littleEndian: boolean): Uint8Array {
  const flags = NTF_USE | (externallyLearned ? NTF_EXT_LEARNED : 0);
  return header(addressFamily(key.family), key.ifindex, NUD_NONE, flags, littleEndian)
    .attribute(NDA_DST, key.address.bytes)
    .finish();
}

/**
 * Payload of RTM_NEWNEIGH that has a resolved entry asked now whether its MAC still holds. It clears NTF_EXT_MANAGED: the
 * kernel takes a state only for entries that it does not manage (`__neigh_update`).
 */
export function encodeProbe(key: NeighbourKey, littleEndian: boolean): Uint8Array {
  return header(addressFamily(key.family), key.ifindex, NUD_PROBE, NTF_EXT_LEARNED, littleEndian)
    .attribute(NDA_DST, key.address.bytes)
    .finish();
}

/** Payload of RTM_NEWNEIGH for an entry with this MAC address, whatever its host says (`nud permanent`). */
export function encodePermanent(
  key: NeighbourKey,
  hardware: string,
  protocol: number,
  littleEndian: boolean,
): Uint8Array {
  return header(addressFamily(key.family), key.ifindex, NUD_PERMANENT, 0, littleEndian)
    .attribute(NDA_DST, key.address.bytes)
    .attribute(NDA_LLADDR, hardwareBytes(hardware))
    .attributeU8(NDA_PROTOCOL, protocol)
    .finish();
}

/** Payload of RTM_DELNEIGH for an entry that is no proxy. */
export function encodeNeighbourKey(key: NeighbourKey, littleEndian: boolean): Uint8Array {
  return header(addressFamily(key.family), key.ifindex, NUD_NONE, 0, littleEndian)
    .attribute(NDA_DST, key.address.bytes)
    .finish();
}

/** Reads RTM_NEWNEIGH or RTM_DELNEIGH; `undefined` for a bridge's forwarding database. */
export function decodeNeighbour({ payload }: NetlinkMessage, littleEndian: boolean): Neighbour | undefined {
  const family = familyOf(payload[0] ?? 0);
  if (payload.length < NDMSG || !family) return undefined;
  const view = viewOf(payload);
  const state = view.getUint16(8, littleEndian);
  const flags = payload[10] ?? 0;
  const attributes = decodeAttributes(payload, NDMSG, littleEndian);
  const address = addressOf(attributes.bytes(NDA_DST));
  if (!address) return undefined;
  const hardware = attributes.bytes(NDA_LLADDR);
  const valid = (state & NUD_VALID) !== 0;
  return {
    family,
    address,
    ifindex: view.getInt32(4, littleEndian),
    ...(hardware && valid && { hardware: hardwareText(hardware) }),
    valid,
    failed: (state & NUD_FAILED) !== 0,
    doubted: (state & NUD_PROBE) !== 0,
    permanent: (state & (NUD_PERMANENT | NUD_NOARP)) !== 0,
    proxy: (flags & NTF_PROXY) !== 0,
    managed: ((attributes.u32(NDA_FLAGS_EXT) ?? 0) & NTF_EXT_MANAGED) !== 0,
    externallyLearned: (flags & NTF_EXT_LEARNED) !== 0,
    protocol: attributes.u8(NDA_PROTOCOL) ?? 0,
  };
}

function header(family: number, ifindex: number, state: number, flags: number, littleEndian: boolean): PayloadWriter {
  return new PayloadWriter(littleEndian).bytes([family, 0, 0, 0]).u32(ifindex).u16(state).bytes([flags, 0]);
}
