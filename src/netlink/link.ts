import type { LinkState } from '../config/environment.ts';
import type { Address } from '../net/address.ts';
import { AF_UNSPEC, addressFamily, addressOf, familyOf } from './family.ts';
import type { NetlinkMessage } from './message.ts';
import { PayloadWriter, decodeAttributes, viewOf } from './message.ts';
import { hardwareText } from './text.ts';

// Devices and their addresses (rtnetlink(7), include/uapi/linux/if_link.h and if_addr.h).

export const RTM_NEWLINK = 16;
export const RTM_DELLINK = 17;
export const RTM_GETLINK = 18;
export const RTM_NEWADDR = 20;
export const RTM_DELADDR = 21;
export const RTM_GETADDR = 22;
/** Multicast groups that tell of changes. */
export const RTNLGRP_LINK = 1;
export const RTNLGRP_IPV4_IFADDR = 5;
export const RTNLGRP_IPV6_IFADDR = 9;

const IFINFOMSG = 16;
const IFADDRMSG = 8;
const IFF_UP = 1;
const IFF_LOWER_UP = 0x10000;
const ARPHRD_ETHER = 1;
const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_LINK = 5;
const IFLA_MASTER = 10;
const IFLA_LINKINFO = 18;
const IFLA_EXT_MASK = 29;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const IFLA_INFO_SLAVE_KIND = 4;
const IFLA_INFO_SLAVE_DATA = 5;
const IFLA_BR_MCAST_SNOOPING = 23;
const IFLA_BRPORT_MULTICAST_ROUTER = 25;
/** MDB_RTR_TYPE_PERM (include/uapi/linux/if_bridge.h). */
const PERMANENT_ROUTER = 2;
const RTEXT_FILTER_SKIP_STATS = 8;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_CACHEINFO = 6;
const IFA_FLAGS = 8;
const IFA_F_NODAD = 0x02;
const IFA_F_MCAUTOJOIN = 0x400;
const RT_SCOPE_UNIVERSE = 0;
const RT_SCOPE_HOST = 254;
/** A lifetime without end (INFINITY_LIFE_TIME). */
const FOREVER = 0xffffffff;

/** An address of the router, its device by number. */
export interface AddressState {
  readonly ifindex: number;
  readonly address: Address;
  /** 0–32 or 0–128; of `peer`, where there is one. */
  readonly prefixLength: number;
  readonly peer?: Address;
}

/** Whether a device can carry packets, and what it hangs on. */
export interface LinkOperation {
  readonly ifindex: number;
  readonly name: string;
  /** It is switched on (IFF_UP). */
  readonly up: boolean;
  /** The layer below works: a cable is in, or a bridge has a port that works (IFF_LOWER_UP). */
  readonly carrier: boolean;
  /** `IFLA_INFO_KIND`, see `LinkState`. */
  readonly kind?: string;
  /** `IFLA_MASTER`: the bridge that it is a port of. */
  readonly masterIndex?: number;
  /** `IFLA_LINK`: the device that it is a VLAN of; of a veth, the number of the other end, maybe in another namespace. */
  readonly lowerIndex?: number;
}

/** Payload of a dump of all links, without their statistics. */
export function encodeLinkDump(littleEndian: boolean): Uint8Array {
  return new PayloadWriter(littleEndian)
    .bytes(new Uint8Array(IFINFOMSG))
    .attributeU32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS)
    .finish();
}

/** Payload of a dump of the addresses of all families. */
export function encodeAddressDump(): Uint8Array {
  return new Uint8Array(IFADDRMSG);
}

/**
 * Payload of RTM_NEWADDR, or RTM_DELADDR. A `ghost` is never chosen as the source of what the machine itself begins: its scope
 * is the host's own, for IPv4 (`inet_select_addr`); it is deprecated from the start, for IPv6 (RFC 6724 §5, rule 3). Nobody is
 * asked whether another machine has it, for all servers have. A `group` is joined (`ip_mc_autojoin_config`).
 */
export function encodeOwnAddress(
  { ifindex, address, prefixLength }: AddressState,
  kind: 'ghost' | 'group',
  littleEndian: boolean,
): Uint8Array {
  const isGhost = kind === 'ghost';
  const flags = isGhost ? IFA_F_NODAD : IFA_F_MCAUTOJOIN | IFA_F_NODAD;
  const writer = new PayloadWriter(littleEndian)
    .bytes([addressFamily(address.family), prefixLength, IFA_F_NODAD])
    .u8(isGhost && address.family === 4 ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE)
    .u32(ifindex)
    .attribute(IFA_LOCAL, address.bytes)
    .attribute(IFA_ADDRESS, address.bytes)
    .attributeU32(IFA_FLAGS, flags);
  if (!isGhost || address.family === 4) return writer.finish();
  const lifetimes = new PayloadWriter(littleEndian).u32(0).u32(FOREVER).u32(0).u32(0);
  return writer.attribute(IFA_CACHEINFO, lifetimes.finish()).finish();
}

/**
 * Reads RTM_NEWLINK or RTM_DELLINK; `undefined` for messages of one family only: a bridge tells with RTM_DELLINK of family
 * AF_BRIDGE that a device has left it, which is still there.
 */
export function decodeLink({ payload }: NetlinkMessage, littleEndian: boolean): LinkState | undefined {
  if (payload.length < IFINFOMSG || payload[0] !== AF_UNSPEC) return undefined;
  const view = viewOf(payload);
  const attributes = decodeAttributes(payload, IFINFOMSG, littleEndian);
  const name = attributes.text(IFLA_IFNAME);
  if (name === undefined) return undefined;
  const hardware = attributes.bytes(IFLA_ADDRESS);
  const info = attributes.nested(IFLA_LINKINFO);
  const kind = info?.text(IFLA_INFO_KIND);
  const isPort = info?.text(IFLA_INFO_SLAVE_KIND) === 'bridge';
  const port = isPort ? info.nested(IFLA_INFO_SLAVE_DATA) : undefined;
  const bridge = kind === 'bridge' ? info?.nested(IFLA_INFO_DATA) : undefined;
  const masterIndex = attributes.u32(IFLA_MASTER);
  return {
    name,
    ifindex: view.getInt32(4, littleEndian),
    mtu: attributes.u32(IFLA_MTU) ?? 0,
    up: (view.getUint32(8, littleEndian) & IFF_UP) !== 0,
    ...(hardware && view.getUint16(2, littleEndian) === ARPHRD_ETHER && { hardware: hardwareText(hardware) }),
    ...(kind !== undefined && { kind }),
    ...(masterIndex !== undefined && { masterIndex }),
    ...(bridge?.u8(IFLA_BR_MCAST_SNOOPING) === 1 && { snooping: true }),
    ...(port?.u8(IFLA_BRPORT_MULTICAST_ROUTER) === PERMANENT_ROUTER && { multicastRouter: true }),
  };
}

/** Reads RTM_NEWLINK or RTM_DELLINK; `undefined` as `decodeLink`. */
export function decodeLinkOperation(message: NetlinkMessage, littleEndian: boolean): LinkOperation | undefined {
  const link = decodeLink(message, littleEndian);
  if (!link) return undefined;
  const { ifindex, name, up, kind, masterIndex } = link;
  const lowerIndex = decodeAttributes(message.payload, IFINFOMSG, littleEndian).u32(IFLA_LINK);
  return {
    ifindex,
    name,
    up,
    carrier: (viewOf(message.payload).getUint32(8, littleEndian) & IFF_LOWER_UP) !== 0,
    ...(kind !== undefined && { kind }),
    ...(masterIndex !== undefined && { masterIndex }),
    ...(lowerIndex !== undefined && { lowerIndex }),
  };
}

/** Reads RTM_NEWADDR or RTM_DELADDR; `undefined` for families other than IPv4 and IPv6. */
export function decodeAddress({ payload }: NetlinkMessage, littleEndian: boolean): AddressState | undefined {
  if (payload.length < IFADDRMSG || !familyOf(payload[0] ?? 0)) return undefined;
  const attributes = decodeAttributes(payload, IFADDRMSG, littleEndian);
  // IFA_ADDRESS is the peer's on point-to-point links, else the same; IPv6 leaves IFA_LOCAL out where there is no peer.
  const prefixAddress = addressOf(attributes.bytes(IFA_ADDRESS));
  const address = addressOf(attributes.bytes(IFA_LOCAL)) ?? prefixAddress;
  if (!address) return undefined;
  return {
    ifindex: viewOf(payload).getUint32(4, littleEndian),
    address,
    prefixLength: payload[1] ?? 0,
    ...(prefixAddress && prefixAddress.text !== address.text && { peer: prefixAddress }),
  };
}
