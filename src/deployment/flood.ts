import { resolveDevice } from '../config/environment.ts';
import type { Environment } from '../config/environment.ts';
import { isFlooded, serverAddress } from '../config/model.ts';
import type { Service } from '../config/model.ts';
import { seedOfName } from '../config/seed.ts';
import { addressFromBytes, maskAddress, prefixHolds } from '../net/address.ts';
import type { Address, Family, Prefix } from '../net/address.ts';

// Dispatch to all servers (O4, S2). The router sends what is for a ghost to a second ghost address on the servers' link, which
// has a permanent neighbour entry with a MAC address that all servers listen to. Who sends that on, and what a server makes of
// it, is none of the router's business: it routes.

/** How packets for a ghost get to all servers. */
export interface Flood {
  /** The second ghost address: next hop of the ghost, and nobody's address. */
  readonly via: Address;
  /** MAC address of its neighbour entry: a broadcast or multicast one. */
  readonly hardware: string;
  /** It was chosen here: it has to be asked whether somebody has it. */
  readonly chosen: boolean;
}

const BROADCAST = 'ff:ff:ff:ff:ff:ff';
/** Of the group of all IPv6 hosts on the link, ff02::1 (RFC 2464 §7, RFC 4291 §2.7.1). */
const ALL_NODES = '33:33:00:00:00:01';

/** Most candidates that are looked at in a subnet, in which more of them are hardly taken. */
const CANDIDATES = 256;

/** Where the servers' device has no address of the family, any one does: nobody is asked for it. */
const LINK_LOCAL: Readonly<Record<Family, Prefix>> = {
  4: maskAddress(addressFromBytes([169, 254, 0, 0]), 16),
  6: maskAddress(addressFromBytes([0xfe, 0x80, ...new Array<number>(14).fill(0)]), 64),
};

/**
 * The group of a service with dispatch `multicast`: servers join it, so that switches that listen to that (IGMP, MLD) know their
 * ports. IPv4: of the local scope 239.255.0.0/16 (RFC 2365 §6.1); IPv6: of the link's scope and transient (RFC 4291 §2.7), with
 * a group number of those that are free to take (RFC 3307 §4.3).
 */
export function serviceGroup({ name }: Pick<Service, 'name'>, family: Family): Address {
  const hash = seedOfName(name);
  const bytes = [hash >>> 24, (hash >>> 16) & 0xff, (hash >>> 8) & 0xff, hash & 0xff] as const;
  if (family === 4) return addressFromBytes([239, 255, bytes[2], bytes[3]]);
  return addressFromBytes([0xff, 0x12, ...new Array<number>(10).fill(0), bytes[0] | 0x80, ...bytes.slice(1)]);
}

/** MAC address of a group (RFC 1112 §6.4, RFC 2464 §7). */
export function groupHardware({ family, bytes }: Address): string {
  const [, second = 0, third = 0, fourth = 0] = bytes;
  const hardware =
    family === 4 ? [0x01, 0x00, 0x5e, second & 0x7f, third, fourth] : [0x33, 0x33, ...bytes.subarray(12)];
  return hardware.map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}

/**
 * MAC address to which a service's packets are sent. For IPv6 it is a group either way: a frame to everybody is nothing that
 * IPv6 knows, and the group of all hosts is one that every host is in and that no switch may prune.
 */
export function floodHardware(service: Pick<Service, 'name' | 'dispatch'>, family: Family): string {
  if (service.dispatch === 'multicast') return groupHardware(serviceGroup(service, family));
  return family === 4 ? BROADCAST : ALL_NODES;
}

/** A ghost has one route, whatever services it has: the first of those that go to all servers says where. */
export function floodLeader(services: readonly Service[], ghost: Address): Service | undefined {
  return services.find((service) => isFlooded(service) && service.ghosts.some(({ text }) => text === ghost.text));
}

/** An address on a device as a key, such as of `Observation.occupied`. */
export function claimKey(device: string, address: Address): string {
  return `${device} ${address.text}`;
}

/**
 * How the ghosts of the services that go to all servers get there, by the ghost's text. Without a device with Ethernet
 * addresses there is no way. `occupied`: addresses (`claimKey`) that others were found to have.
 */
export function planFloods(
  services: readonly Service[],
  environment: Environment,
  occupied: ReadonlySet<string>,
): Map<string, Flood> {
  const floods = new Map<string, Flood>();
  const taken = takenAddresses(services, environment);
  const seconds = new Map<string, Flood>();
  for (const service of services.filter(isFlooded)) {
    const link = environment.links.get(resolveDevice(environment, service.device));
    if (link?.hardware === undefined) continue;
    for (const ghost of service.ghosts) {
      if (floodLeader(services, ghost) !== service) continue;
      const key = `${service.name} ${ghost.family}`;
      const isFree = (candidate: Address) =>
        !taken.has(candidate.text) && !occupied.has(claimKey(link.name, candidate));
      const flood = seconds.get(key) ?? floodOf(service, ghost.family, link.name, environment, isFree);
      if (!flood) continue;
      taken.add(flood.via.text);
      seconds.set(key, flood);
      floods.set(ghost.text, flood);
    }
  }
  return floods;
}

function floodOf(
  service: Service,
  family: Family,
  device: string,
  environment: Environment,
  isFree: (candidate: Address) => boolean,
): Flood | undefined {
  const hardware = floodHardware(service, family);
  const configured = service.ghost2.find((address) => address.family === family);
  if (configured) return { via: configured, hardware, chosen: false };
  const subnet = serversSubnet(service, family, device, environment);
  let via: Address | undefined;
  for (const candidate of candidates(service.name, subnet ? [subnet, LINK_LOCAL[family]] : [LINK_LOCAL[family]])) {
    via = candidate;
    if (isFree(candidate)) break;
  }
  return via && { via, hardware, chosen: true };
}

/** What cannot be a second ghost address, since it is something else, here or in the configuration. */
function takenAddresses(services: readonly Service[], { addresses }: Environment): Set<string> {
  const known = services.flatMap(({ ghosts, ghost2, servers, disabled }) => [
    ...[...ghosts, ...ghost2],
    ...[...servers, ...disabled].flatMap(({ address, address6 }) => [address, address6].flatMap((own) => own ?? [])),
  ]);
  return new Set([...known, ...addresses.map(({ address }) => address)].map(({ text }) => text));
}

/** The subnet of the device in which the servers are, else the first one of the family that has room. */
function serversSubnet(
  { servers }: Service,
  family: Family,
  device: string,
  { addresses }: Environment,
): Prefix | undefined {
  const subnets = addresses
    .filter((own) => own.device === device && own.address.family === family && !isLinkLocal(own.address))
    .map((own) => maskAddress(own.peer ?? own.address, own.prefixLength))
    .filter(({ length, address }) => address.bytes.length * 8 - length >= 2);
  const own = servers.flatMap((server) => serverAddress(server, family) ?? []);
  return subnets.find((subnet) => own.some((address) => prefixHolds(subnet, address))) ?? subnets[0];
}

function isLinkLocal({ family, bytes }: Address): boolean {
  return family === 6 && bytes[0] === 0xfe && ((bytes[1] ?? 0) & 0xc0) === 0x80;
}

/**
 * Addresses of subnets in an order that the name alone decides, so that all routers begin with the same one. Neither the
 * first nor the last address of a subnet, nor the one of all routers there (RFC 4291 §2.6.1).
 */
function* candidates(name: string, subnets: readonly Prefix[]): Generator<Address> {
  for (const { address, length } of subnets) {
    const end = address.bytes.length;
    const hosts = 2 ** Math.min(end * 8 - length, 32) - 2;
    for (let turn = 0; turn < Math.min(CANDIDATES, hosts); turn++) {
      const host = 1 + ((seedOfName(name) + turn) % hosts);
      yield addressFromBytes(
        address.bytes.map((byte, index) => byte | (index < end - 4 ? 0 : (host >>> (8 * (end - 1 - index))) & 0xff)),
      );
    }
  }
}
