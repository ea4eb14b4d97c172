import type { Family } from '../net/address.ts';
import { looksUpLocal } from '../netlink/rule.ts';
import type { Neighbour } from '../netlink/neighbour.ts';
import type { Route } from '../netlink/route.ts';
import {
  type AddressEntry,
  BEFORE_LOCAL,
  type NeighbourEntry,
  type NetworkState,
  ROUTE_PROTOCOL,
  type RouteEntry,
  type RuleEntry,
  type SysctlEntry,
  addressKey,
  neighbourKey,
  routeKey,
  routeTarget,
} from '../network/state.ts';
import { type Undo, wasAdded, wasAdopted } from '../network/undo.ts';
import type { NetlinkChannel } from './netlink-channel.ts';
import { readAddresses, readLinks, readNeighbours, readRoutes, readRules } from './rtnetlink.ts';
import { readSysctl } from './sysctl.ts';

/**
 * What the router has of the wanted state, and what else there is of ours. What somebody else made counts where it serves:
 * the same route, a neighbour entry set by hand.
 */
export function readNetworkState(channel: NetlinkChannel, wanted: NetworkState, undo: readonly Undo[]): NetworkState {
  const names = deviceNames(channel, wanted);
  return {
    routes: ([4, 6] as const).flatMap((family) => currentRoutes(channel, family, wanted, names)),
    rules: ([4, 6] as const).flatMap((family) => currentRules(channel, family)),
    neighbours: [
      ...currentHosts(readNeighbours(channel, 'hosts'), wanted, undo, names),
      ...currentProxies(readNeighbours(channel, 'proxies'), wanted, names),
    ],
    sysctls: currentSysctls(wanted, undo),
    addresses: currentAddresses(channel, wanted, undo, names),
  };
}

type NameOf = (ifindex: number) => string;

/** Names are for people; they are asked for only where the wanted state does not tell. */
function deviceNames(channel: NetlinkChannel, { routes, neighbours, addresses = [] }: NetworkState): NameOf {
  const known = new Map<number, string>();
  for (const { device } of [...routes, ...neighbours, ...addresses]) if (device) known.set(device.ifindex, device.name);
  let asked = false;
  return (ifindex) => {
    if (!known.has(ifindex) && !asked) {
      asked = true;
      for (const link of readLinks(channel)) known.set(link.ifindex, link.name);
    }
    return known.get(ifindex) ?? `if${ifindex}`;
  };
}

function currentRoutes(channel: NetlinkChannel, family: Family, wanted: NetworkState, nameOf: NameOf): RouteEntry[] {
  const entryOf = (route: Route) => routeEntry(route, nameOf);
  const ours = readRoutes(channel, family, { protocol: ROUTE_PROTOCOL }).map(entryOf);
  const have = new Set(ours.map(routeKey));
  const lacking = wanted.routes.filter((route) => route.family === family && !have.has(routeKey(route)));
  const serving = [...new Set(lacking.map(({ table }) => table))].flatMap((table) => {
    const identity = (route: RouteEntry) => `${routeKey(route)} ${routeTarget(route)}`;
    const needed = new Set(lacking.filter((route) => route.table === table).map(identity));
    return readRoutes(channel, family, { table })
      .map((route): RouteEntry => ({ ...entryOf(route), foreign: true }))
      .filter((route) => needed.has(identity(route)));
  });
  return [...ours, ...serving];
}

/** A route of the kernel as an entry; `nameOf` tells what its device is called. */
export function routeEntry(route: Route, nameOf: NameOf): RouteEntry {
  const { family, table, destination, type, ifindex, via, onlink, metric } = route;
  return {
    family,
    table,
    destination,
    ...(type === 'blackhole' || type === 'unreachable' ? { type } : {}),
    ...(ifindex !== undefined && { device: { name: nameOf(ifindex), ifindex } }),
    ...(via && { via }),
    ...(onlink && { onlink }),
    ...(metric !== (family === 6 ? 1024 : 0) && { metric }),
  };
}

function currentRules(channel: NetlinkChannel, family: Family): RuleEntry[] {
  let localSeen = false;
  const entries: RuleEntry[] = [];
  for (const rule of readRules(channel, family)) {
    const { priority, mark, mask, table, goto } = rule;
    if (priority === BEFORE_LOCAL && looksUpLocal(rule)) localSeen = true;
    if (rule.protocol !== ROUTE_PROTOCOL || rule.special) continue;
    const behindLocal = priority === BEFORE_LOCAL && localSeen;
    const target = goto !== undefined && { goto };
    entries.push({ family, priority, mark, mask, table, ...target, ...(behindLocal && { behindLocal }) });
  }
  return entries;
}

function currentHosts(
  hosts: readonly Neighbour[],
  wanted: NetworkState,
  undo: readonly Undo[],
  nameOf: NameOf,
): NeighbourEntry[] {
  const needed = new Set(wanted.neighbours.map(neighbourKey));
  return hosts.flatMap((host) => {
    const { address, ifindex, permanent, externallyLearned, protocol } = host;
    const fixed = neighbourEntry(host, 'permanent', nameOf);
    if (permanent && (protocol === ROUTE_PROTOCOL || needed.has(neighbourKey(fixed)))) return [fixed];
    const ours = externallyLearned && (protocol === ROUTE_PROTOCOL || wasAdopted(undo, address, ifindex));
    const entry = neighbourEntry(host, 'managed', nameOf);
    const serves = (host.managed || permanent || externallyLearned) && needed.has(neighbourKey(entry));
    return ours || serves ? [entry] : [];
  });
}

function currentProxies(proxies: readonly Neighbour[], wanted: NetworkState, nameOf: NameOf): NeighbourEntry[] {
  const needed = new Set(wanted.neighbours.map(neighbourKey));
  return proxies
    .map((proxy) => ({ proxy, entry: neighbourEntry(proxy, 'proxy', nameOf) }))
    .filter(({ proxy, entry }) => proxy.protocol === ROUTE_PROTOCOL || needed.has(neighbourKey(entry)))
    .map(({ entry }) => entry);
}

/** Those that are wanted, whoever has added them, and those that we have added. */
function currentAddresses(
  channel: NetlinkChannel,
  { addresses = [] }: NetworkState,
  undo: readonly Undo[],
  nameOf: NameOf,
): AddressEntry[] {
  if (addresses.length === 0 && !undo.some(({ kind }) => kind === 'address')) return [];
  const needed = new Set(addresses.map(addressKey));
  return readAddresses(channel).flatMap((state): AddressEntry[] => {
    const { ifindex, address, prefixLength } = state;
    const device = { name: nameOf(ifindex), ifindex };
    const entry: AddressEntry = { family: address.family, address, prefixLength, device, kind: 'ghost' };
    return needed.has(addressKey(entry)) || wasAdded(undo, state) ? [entry] : [];
  });
}

function neighbourEntry(
  { family, address, ifindex, hardware }: Neighbour,
  kind: NeighbourEntry['kind'],
  nameOf: NameOf,
): NeighbourEntry {
  const fixed = kind === 'permanent' && hardware !== undefined ? { hardware } : {};
  return { family, address, device: { name: nameOf(ifindex), ifindex }, kind, ...fixed };
}

function currentSysctls(wanted: NetworkState, undo: readonly Undo[]): SysctlEntry[] {
  const keys = new Set(wanted.sysctls.map(({ key }) => key));
  for (const entry of undo) if (entry.kind === 'sysctl') keys.add(entry.key);
  return [...keys].flatMap((key) => {
    const value = readSysctl(key);
    return value === undefined ? [] : [{ key, value }];
  });
}
