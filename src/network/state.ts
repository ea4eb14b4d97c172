import type { Address, Family, Prefix } from '../net/address.ts';

/** RTPROT_* number that routes, rules and neighbour entries of ours carry, so that they are known again after a crash. */
export const ROUTE_PROTOCOL = 111;

/** A policy routing rule of this priority stands before the kernel's `from all lookup local`, which has the same. */
export const BEFORE_LOCAL = 0;

/**
 * Priority of what our marks are led on to, behind the kernel's rules for `main` (32766) and `default` (32767): what has a route
 * there is asked for one rule of ours, however many servers there are.
 */
export const BEHIND_DEFAULT = 32768;

/** What the router's network shall have, or has, of ours outside nftables. The order within the lists means nothing. */
export interface NetworkState {
  readonly routes: readonly RouteEntry[];
  readonly rules: readonly RuleEntry[];
  readonly neighbours: readonly NeighbourEntry[];
  readonly sysctls: readonly SysctlEntry[];
  /** Absent: none. Routers need none; servers carry the ghosts. */
  readonly addresses?: readonly AddressEntry[];
}

/** A device at a moment: the number tells two apart that had the same name one after the other. */
export interface DeviceReference {
  readonly name: string;
  readonly ifindex: number;
}

export interface RouteEntry {
  readonly family: Family;
  /** Routing table, 1–4294967295; 254 is `main`. */
  readonly table: number;
  readonly destination: Prefix | 'default';
  /** Default `unicast`, which goes out by a device; `blackhole` drops silently, `unreachable` answers with ICMP. */
  readonly type?: 'unicast' | 'blackhole' | 'unreachable';
  /** Present where the route is unicast. */
  readonly device?: DeviceReference;
  /** Next hop; absent: the destination is on the link itself. */
  readonly via?: Address;
  /** The next hop counts as on the link, whatever addresses the router has there. */
  readonly onlink?: boolean;
  /** Absent: the kernel's default (0 for IPv4, 1024 for IPv6). */
  readonly metric?: number;
  /** Somebody else has made it, and it serves. */
  readonly foreign?: true;
}

/** Packets with a firewall mark are routed by a table, or led on to other rules. */
export interface RuleEntry {
  readonly family: Family;
  /** Preference: `BEFORE_LOCAL`, 1–32765, or from `BEHIND_DEFAULT` on. */
  readonly priority: number;
  /** A packet is taken where `packet & mask === mark`. */
  readonly mark: number;
  readonly mask: number;
  /** 0 where there is a `goto`. */
  readonly table: number;
  /** Preference of the rules that are asked next. */
  readonly goto?: number;
  /** In what was read: it stands behind the kernel's local rule although its priority is `BEFORE_LOCAL`. */
  readonly behindLocal?: boolean;
}

/** An entry of the neighbour table. */
export interface NeighbourEntry {
  readonly family: Family;
  readonly address: Address;
  readonly device: DeviceReference;
  /**
   * `managed`: the kernel keeps it resolved by itself; `proxy`: the router answers for the address; `permanent`: it has the MAC
   * address that is given here, whatever anybody says.
   */
  readonly kind: 'managed' | 'proxy' | 'permanent';
  /** Of `permanent`: MAC address as text. */
  readonly hardware?: string;
}

/** An address of this machine's own, beside those that its administrator has given it. */
export interface AddressEntry {
  readonly family: Family;
  readonly address: Address;
  /** 0–32 or 0–128. */
  readonly prefixLength: number;
  readonly device: DeviceReference;
  /**
   * `ghost`: packets to it are taken, and the machine never speaks under it by itself (scope `host`; deprecated, for IPv6).
   * `group`: a multicast address, whose frames the device takes and whose membership is reported on the link.
   */
  readonly kind: 'ghost' | 'group';
}

export interface SysctlEntry {
  /** Path below `/proc/sys`: `net/ipv4/conf/br-lan/accept_local`. */
  readonly key: string;
  readonly value: string;
  /** Better with it, but no reason to run without: where its former value cannot be written down, it stays. */
  readonly dispensable?: true;
}

/** Nothing of ours. */
export const EMPTY_NETWORK: NetworkState = { routes: [], rules: [], neighbours: [], sysctls: [] };

/** What the kernel knows a route by: two with equal keys cannot stand side by side. */
export function routeKey(route: RouteEntry): string {
  const { family, table, destination } = route;
  const prefix = destination === 'default' ? 'default' : `${destination.address.text}/${destination.length}`;
  return `${family} ${table} ${prefix} ${route.metric ?? (family === 6 ? 1024 : 0)}`;
}

/** Where a route leads to. */
export function routeTarget(route: RouteEntry): string {
  const { type = 'unicast', device, via, onlink } = route;
  return `${type} ${device?.ifindex ?? ''} ${via?.text ?? ''} ${onlink && via ? 'onlink' : ''}`;
}

export function ruleKey({ family, priority, mark, mask, table, goto }: RuleEntry): string {
  return `${family} ${priority} ${mark}/${mask} ${table} ${goto ?? ''}`;
}

export function addressKey({
  address,
  prefixLength,
  device,
}: Pick<AddressEntry, 'address' | 'prefixLength'> & { readonly device: Pick<DeviceReference, 'ifindex'> }): string {
  return `${device.ifindex} ${address.text}/${prefixLength}`;
}

export function neighbourKey({ address, device, kind, hardware }: NeighbourEntry): string {
  return `${kind} ${device.ifindex} ${address.text}${kind === 'permanent' ? ` ${hardware ?? ''}` : ''}`;
}

/** The same for two entries that cannot stand side by side in the kernel. */
export function neighbourPlace({ address, device, kind }: NeighbourEntry): string {
  return `${kind === 'proxy' ? 'proxy' : 'host'} ${device.ifindex} ${address.text}`;
}
