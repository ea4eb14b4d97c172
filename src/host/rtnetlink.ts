import { fileStatus, littleEndian } from 'oneip:runtime';
import type { Environment, LinkState, Listener } from '../config/environment.ts';
import type { Family } from '../net/address.ts';
import {
  RTM_GETADDR,
  RTM_GETLINK,
  decodeAddress,
  decodeLink,
  encodeAddressDump,
  encodeLinkDump,
} from '../netlink/link.ts';
import type { AddressState } from '../netlink/link.ts';
import { RTM_GETNEIGH, decodeNeighbour, encodeNeighbourDump } from '../netlink/neighbour.ts';
import type { Neighbour } from '../netlink/neighbour.ts';
import { RTM_GETROUTE, decodeRoute, encodeRouteDump } from '../netlink/route.ts';
import type { Route, RouteFilter } from '../netlink/route.ts';
import { RTM_GETRULE, decodeRule, encodeRuleDump } from '../netlink/rule.ts';
import type { Rule } from '../netlink/rule.ts';
import { ENOENT, NetlinkError } from './netlink-channel.ts';
import type { NetlinkChannel } from './netlink-channel.ts';

/** All devices. */
export function readLinks(channel: NetlinkChannel): LinkState[] {
  return channel.dump(RTM_GETLINK, encodeLinkDump(littleEndian), (message) => decodeLink(message, littleEndian));
}

/** All addresses, IPv4 and IPv6. */
export function readAddresses(channel: NetlinkChannel): AddressState[] {
  return channel.dump(RTM_GETADDR, encodeAddressDump(), (message) => decodeAddress(message, littleEndian));
}

/** Neighbours of both families: those that the router sends to, or those that it answers for. */
export function readNeighbours(channel: NetlinkChannel, which: 'hosts' | 'proxies'): Neighbour[] {
  const payload = encodeNeighbourDump(which === 'proxies', littleEndian);
  return channel.dump(RTM_GETNEIGH, payload, (message) => decodeNeighbour(message, littleEndian));
}

/** Policy routing rules in the order in which the kernel looks at them; none where the kernel lacks the family. */
export function readRules(channel: NetlinkChannel, family: Family): Rule[] {
  return unlessAbsent(family, () =>
    channel.dump(RTM_GETRULE, encodeRuleDump(family), (message) => ofFamily(decodeRule(message, littleEndian), family)),
  );
}

/** Routes that the filter lets through; none where the table or the family is absent. */
export function readRoutes(channel: NetlinkChannel, family: Family, filter: RouteFilter): Route[] {
  return unlessAbsent(family, () =>
    channel.dump(RTM_GETROUTE, encodeRouteDump(family, filter, littleEndian), (message) => {
      const route = ofFamily(decodeRoute(message, littleEndian), family);
      // Kernels without strict checking send everything.
      if (filter.table !== undefined && route?.table !== filter.table) return undefined;
      return filter.protocol === undefined || route?.protocol === filter.protocol ? route : undefined;
    }),
  );
}

/** True for a Wi-Fi device: of cfg80211, or of a driver older than that. */
function isWireless(name: string): boolean {
  return ['phy80211', 'wireless'].some((entry) => fileStatus(`/sys/class/net/${name}/${entry}`) !== null);
}

/** The router as a configuration is checked against it. netifd knows `interfaces`, the proc file system `listeners`. */
export function readEnvironment(
  channel: NetlinkChannel,
  interfaces: ReadonlyMap<string, string> = new Map(),
  listeners: readonly Listener[] = [],
): Environment {
  const links = readLinks(channel);
  const names = new Map(links.map(({ ifindex, name }) => [ifindex, name]));
  const addresses = readAddresses(channel).flatMap(({ ifindex, ...address }) => {
    const device = names.get(ifindex);
    return device === undefined ? [] : [{ device, ...address }];
  });
  const wireless = new Set(links.map(({ name }) => name).filter(isWireless));
  return { links: new Map(links.map((link) => [link.name, link])), addresses, interfaces, listeners, wireless };
}

/** A kernel without IPv6 may answer with what it has for IPv4. */
function ofFamily<T extends { readonly family: Family }>(object: T | undefined, family: Family): T | undefined {
  return object?.family === family ? object : undefined;
}

function unlessAbsent<T>(family: Family, read: () => T[]): T[] {
  try {
    return read();
  } catch (error) {
    if (error instanceof NetlinkError && (error.errno === ENOENT || family === 6)) return [];
    throw error;
  }
}
