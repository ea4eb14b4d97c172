import { littleEndian } from 'oneip:runtime';
import type { LinkState } from '../../config/environment.ts';
import { serverAddress } from '../../config/model.ts';
import {
  type LocalAnswer,
  type OwnAddress,
  type PathMtu,
  type ServerObservation,
  type WayOut,
  placeKey,
  placesOf,
} from '../../doctor/observation.ts';
import type { Address, Family } from '../../net/address.ts';
import { decodeAddressFlags } from '../../netlink/address-flags.ts';
import { RTM_GETADDR, decodeAddress, encodeAddressDump } from '../../netlink/link.ts';
import type { Identity } from '../../server/identity.ts';
import { readFamilyListeners } from '../listeners.ts';
import type { NetlinkChannel } from '../netlink-channel.ts';
import { readLinks, readRoutes } from '../rtnetlink.ts';
import { readSysctl } from '../sysctl.ts';
import { clockAhead } from './clock.ts';
import { connectHere } from './connection.ts';
import { readLegacyTables } from './legacy-tables.ts';
import { measurePath } from './path-mtu.ts';
import { askRouters } from './routers.ts';
import { listRuleset } from './ruleset.ts';
import { farClient, findWay } from './ways.ts';

const FAMILIES = [4, 6] as const;
const SYSCTLS = ['arp_ignore', 'arp_announce', 'rp_filter'];

/** All addresses of this machine, with their state. */
export function readOwnAddresses(channel: NetlinkChannel, links: readonly LinkState[]): OwnAddress[] {
  const names = new Map(links.map(({ ifindex, name }) => [ifindex, name]));
  return channel.dump(RTM_GETADDR, encodeAddressDump(), (message): OwnAddress | undefined => {
    const address = decodeAddress(message, littleEndian);
    const device = address && names.get(address.ifindex);
    if (!address || device === undefined) return undefined;
    return { ...address, device, ...decodeAddressFlags(message, littleEndian) };
  });
}

/** Looks at the server that this machine is. Sends echo requests to its next hops, and connects to its own ports; changes nothing. */
export async function observeServer(
  channel: NetlinkChannel,
  { server, services }: Identity,
): Promise<ServerObservation> {
  const linkList = readLinks(channel);
  const links = new Map(linkList.map((link) => [link.name, link]));
  const addresses = readOwnAddresses(channel, linkList);
  const ownDevice = (family: Family) => {
    const own = serverAddress(server, family);
    const device = own && addresses.find(({ address }) => address.text === own.text)?.device;
    return device === undefined ? undefined : links.get(device);
  };
  const ghosts = new Map(services.flatMap(({ ghosts: all }) => all.map((ghost) => [ghost.text, ghost] as const)));
  const present = [...ghosts.values()].filter(({ text }) => addresses.some(({ address }) => address.text === text));
  const waysOut = new Map<string, WayOut>();
  for (const ghost of present) {
    const way = findWay(channel, farClient(ghost.family), ghost);
    const device = linkList.find(({ ifindex }) => ifindex === way?.ifindex)?.name;
    if (way && device !== undefined) waysOut.set(ghost.text, { device, ...(way.via && { via: way.via }) });
  }
  const gateways = new Map<string, Address>();
  const paths = new Map<string, PathMtu>();
  const clocks = new Map<string, number>();
  for (const family of FAMILIES) {
    const device = ownDevice(family);
    if (!device) continue;
    const gateway = await gatewayOn(channel, device, family, [...waysOut.values()]);
    if (!gateway) continue;
    gateways.set(`${device.name} ${family}`, gateway);
    paths.set(gateway.text, await measurePath(gateway, device, device.mtu));
    const ahead = family === 4 ? await clockAhead(gateway, device) : undefined;
    if (ahead !== undefined) clocks.set(gateway.text, ahead);
  }
  const devices = FAMILIES.flatMap((family) => ownDevice(family)?.name ?? []);
  const ruleset = listRuleset();
  return {
    links,
    addresses,
    sysctls: readSysctls(devices),
    listeners: readFamilyListeners(),
    local: await connectAll(
      present.flatMap((ghost) => services.flatMap((service) => placesOf(service, ghost))).filter(isTcp),
    ),
    waysOut,
    gateways,
    paths,
    clocks,
    ...(ruleset !== undefined && { ruleset }),
    legacyTables: readLegacyTables(),
  };
}

function isTcp({ protocol }: { readonly protocol: string }): boolean {
  return protocol === 'tcp';
}

/** The router on a device: where packets go now, the next hop of any route there, or the only one that says it is one. */
async function gatewayOn(
  channel: NetlinkChannel,
  device: LinkState,
  family: Family,
  ways: readonly WayOut[],
): Promise<Address | undefined> {
  const current = ways.find((way) => way.device === device.name && way.via?.family === family)?.via;
  const routed =
    current ?? readRoutes(channel, family, {}).find(({ ifindex, via }) => ifindex === device.ifindex && via)?.via;
  if (routed || family === 4) return routed;
  const routers = await askRouters(device);
  return routers.length === 1 ? routers[0] : undefined;
}

function readSysctls(devices: readonly string[]): Map<string, string> {
  const scopes = ['all', ...new Set(devices)];
  const keys = scopes.flatMap((scope) => [
    ...SYSCTLS.map((name) => `net/ipv4/conf/${scope}/${name}`),
    `net/ipv6/conf/${scope}/drop_unicast_in_l2_multicast`,
  ]);
  return new Map(
    [...keys, 'net/netfilter/nf_conntrack_tcp_loose'].flatMap((key) => {
      const value = readSysctl(key);
      return value === undefined ? [] : [[key, value] as const];
    }),
  );
}

async function connectAll(places: readonly Parameters<typeof placeKey>[0][]): Promise<Map<string, LocalAnswer>> {
  const unique = new Map(places.map((place) => [placeKey(place), place]));
  const answers = await Promise.all(
    [...unique].map(async ([key, { ghost, port }]) => [key, await connectHere(ghost, port)] as const),
  );
  return new Map(answers);
}
