import { maskAddress } from '../net/address.ts';
import type { Address, Family, Prefix } from '../net/address.ts';
import { addressFamily, addressOf, familyOf } from './family.ts';
import type { NetlinkMessage } from './message.ts';
import { PayloadWriter, decodeAttributes, viewOf } from './message.ts';

// Routes (rtnetlink(7), include/uapi/linux/rtnetlink.h).

export const RTM_NEWROUTE = 24;
export const RTM_DELROUTE = 25;
export const RTM_GETROUTE = 26;
export const RTNLGRP_IPV4_ROUTE = 7;
export const RTNLGRP_IPV6_ROUTE = 11;
/** The kernel's table of its own addresses. */
export const RT_TABLE_LOCAL = 255;
/** Metric that IPv6 takes where none is given (IP6_RT_PRIO_USER). */
export const DEFAULT_METRIC6 = 1024;

const RTMSG = 12;
const RTM_F_CLONED = 0x200;
const RTNH_F_ONLINK = 4;
const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_PRIORITY = 6;
const RTA_MULTIPATH = 9;
const RTA_TABLE = 15;
const SCOPE_UNIVERSE = 0;
const SCOPE_LINK = 253;
const TYPES = ['unspec', 'unicast', 'local', 'broadcast', 'anycast', 'multicast', 'blackhole', 'unreachable'] as const;

export type RouteType = (typeof TYPES)[number];

export interface Route {
  readonly family: Family;
  readonly table: number;
  readonly destination: Prefix | 'default';
  readonly type: RouteType;
  /** Who made it (RTPROT_*). */
  readonly protocol: number;
  /** 0 where none is set. */
  readonly metric: number;
  /** Device; absent where the packet goes nowhere. */
  readonly ifindex?: number;
  /** Next hop. */
  readonly via?: Address;
  /** The next hop counts as on the link whatever the addresses say. */
  readonly onlink?: boolean;
}

/** Which routes a dump is for (strict checking): those of a table, or those that a protocol made. */
export interface RouteFilter {
  readonly table?: number;
  readonly protocol?: number;
}

export function encodeRouteDump(family: Family, filter: RouteFilter, littleEndian: boolean): Uint8Array {
  const writer = new PayloadWriter(littleEndian)
    .bytes([addressFamily(family), 0, 0, 0, 0, filter.protocol ?? 0, 0, 0])
    .u32(0);
  if (filter.table !== undefined) writer.attributeU32(RTA_TABLE, filter.table);
  return writer.finish();
}

/** Payload of RTM_NEWROUTE and RTM_DELROUTE. */
export function encodeRoute(route: Route, littleEndian: boolean): Uint8Array {
  const { family, destination, ifindex, via, table } = route;
  const direct = family === 4 && route.type === 'unicast' && !via;
  const writer = new PayloadWriter(littleEndian)
    .bytes([addressFamily(family), destination === 'default' ? 0 : destination.length, 0, 0])
    .bytes([table < 256 ? table : 0, route.protocol, direct ? SCOPE_LINK : SCOPE_UNIVERSE, TYPES.indexOf(route.type)])
    .u32(route.onlink ? RTNH_F_ONLINK : 0)
    .attributeU32(RTA_TABLE, table);
  if (destination !== 'default') writer.attribute(RTA_DST, destination.address.bytes);
  if (ifindex !== undefined) writer.attributeU32(RTA_OIF, ifindex);
  if (via) writer.attribute(RTA_GATEWAY, via.bytes);
  if (route.metric !== 0) writer.attributeU32(RTA_PRIORITY, route.metric);
  return writer.finish();
}

/**
 * Reads RTM_NEWROUTE or RTM_DELROUTE. `undefined` for what we never make and could not tell apart: cached and multipath
 * routes, routes by source or type of service, types above unreachable, families other than IPv4 and IPv6.
 */
export function decodeRoute({ payload }: NetlinkMessage, littleEndian: boolean): Route | undefined {
  if (payload.length < RTMSG) return undefined;
  const [family = 0, length = 0, sourceLength, serviceType, shortTable = 0, protocol = 0, , type = 0] = payload;
  const ipFamily = familyOf(family);
  const typeName = TYPES[type];
  const flags = viewOf(payload).getUint32(8, littleEndian);
  if (!ipFamily || !typeName || sourceLength !== 0 || serviceType !== 0 || (flags & RTM_F_CLONED) !== 0) {
    return undefined;
  }
  const attributes = decodeAttributes(payload, RTMSG, littleEndian);
  if (attributes.has(RTA_MULTIPATH)) return undefined;
  const destination = addressOf(attributes.bytes(RTA_DST));
  const via = addressOf(attributes.bytes(RTA_GATEWAY));
  const ifindex = typeName === 'unicast' ? attributes.u32(RTA_OIF) : undefined;
  return {
    family: ipFamily,
    table: attributes.u32(RTA_TABLE) ?? shortTable,
    destination: destination && length > 0 ? maskAddress(destination, length) : 'default',
    type: typeName,
    protocol,
    metric: attributes.u32(RTA_PRIORITY) ?? 0,
    ...(ifindex !== undefined && { ifindex }),
    ...(via && { via }),
    ...((flags & RTNH_F_ONLINK) !== 0 && { onlink: true }),
  };
}
