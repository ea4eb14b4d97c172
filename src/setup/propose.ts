import { type Environment, type InterfaceAddress, type LinkState, resolveDevice } from '../config/environment.ts';
import { addressesOf } from '../config/ghost-interface.ts';
import { addressFromBytes, maskAddress } from '../net/address.ts';
import type { Address } from '../net/address.ts';

/** Most addresses of a subnet that are asked for one by one: 1022 hosts are a /22. */
const SWEPT = 1022;

/** Names of services by their usual port (IANA). */
const SERVICES: Readonly<Record<number, string>> = {
  22: 'ssh',
  25: 'mail',
  53: 'dns',
  80: 'web',
  443: 'web',
  8080: 'web',
};

/** Where the servers may live: the LAN, or else the first device with a private IPv4 address that is up. */
export function proposeDevice(environment: Environment): string | undefined {
  if (linkOf(environment, 'lan')) return 'lan';
  if (environment.links.has('br-lan')) return 'br-lan';
  const found = environment.addresses.find(
    ({ address, device }) => isPrivate(address) && environment.links.get(device)?.hardware !== undefined,
  );
  return found?.device;
}

/** What clients may connect to: the interface `wan`, or else the first device with an address that is not the servers'. */
export function proposeGhost(environment: Environment, device: string): string | undefined {
  const servers = resolveDevice(environment, device);
  const candidates = ['wan', ...environment.interfaces.keys(), ...environment.addresses.map((own) => own.device)];
  return candidates.find(
    (name) => resolveDevice(environment, name) !== servers && addressesOf(environment, name).length > 0,
  );
}

/** A logical interface, or a device that is none's, with the addresses at which clients can reach it; maybe none. */
export interface NamedPlace {
  readonly name: string;
  readonly addresses: readonly Address[];
}

/** All places with an address of any kind that can be chosen from; what the proposals name is among them. */
export function proposePlaces(environment: Environment): NamedPlace[] {
  const logical = new Set(environment.interfaces.values());
  const devices = environment.addresses.map(({ device }) => device).filter((device) => !logical.has(device));
  const names = new Set([...environment.interfaces.keys(), ...devices]);
  return [...names]
    .filter((name) => linkOf(environment, name) && resolveDevice(environment, name) !== 'lo')
    .map((name) => ({ name, addresses: addressesOf(environment, name) }));
}

/** Where clients arrive: by the interface, or by the devices that have the addresses or a subnet of them; and the LAN. */
export function proposeSources(
  environment: Environment,
  ghost: { readonly interface: string } | { readonly addresses: readonly Address[] },
  device: string,
): string[] {
  const outside = proposeGhost(environment, device);
  const own = 'interface' in ghost ? ghost.interface : (carrierOf(environment, ghost.addresses) ?? outside);
  return [...new Set([...(own === undefined ? [] : [own]), device])];
}

/** A name that no section has: the wanted one, or it with a number behind it. */
export function freeName(wanted: string, taken: ReadonlySet<string>): string {
  const base = wanted.slice(0, 28);
  for (let number = 1; ; number++) {
    const name = number === 1 ? base : `${base}${number}`;
    if (!taken.has(name)) return name;
  }
}

/** `web` for port 80, `port_8443` for others. */
export function serviceName(port: number): string {
  return SERVICES[port] ?? `port_${port}`;
}

/** A name for a server: that of the host, as far as a section can have it, or the end of its address. */
export function serverName(address: Address, host: string | undefined): string {
  const usable = (host ?? '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_')
    .replace(/^_+|_+$/g, '');
  if (usable !== '') return usable;
  const { bytes } = address;
  return `server_${address.family === 4 ? bytes[3] : (((bytes[14] ?? 0) << 8) | (bytes[15] ?? 0)).toString(16)}`;
}

/** Hosts of the IPv4 subnets of a device, but for those that are too large to be asked for one by one, and for our own. */
export function hostsToAsk(environment: Environment, device: LinkState): Address[] {
  const own = environment.addresses.filter((entry) => entry.device === device.name && entry.address.family === 4);
  const hosts = new Map(own.flatMap(hostsOf).map((address) => [address.text, address]));
  for (const { address } of own) hosts.delete(address.text);
  return [...hosts.values()];
}

/** Names of hosts by their IPv4 addresses, from dnsmasq's file of leases: `EXPIRY MAC ADDRESS NAME CLIENT`. */
export function readLeases(text: string): Map<string, string> {
  const lines = text.split('\n').map((line) => line.split(' '));
  return new Map(lines.flatMap(([, , address = '', name = '*']) => (name === '*' ? [] : [[address, name]])));
}

/** The link behind a name, where it is there. */
export function linkOf(environment: Environment, name: string): LinkState | undefined {
  return environment.links.get(resolveDevice(environment, name));
}

function hostsOf({ address, prefixLength, peer }: InterfaceAddress): Address[] {
  const count = 2 ** (32 - prefixLength) - 2;
  if (peer || count > SWEPT) return [];
  const { bytes } = maskAddress(address, prefixLength).address;
  const first = new DataView(bytes.buffer).getUint32(0) + 1;
  return Array.from({ length: Math.max(0, count) }, (_, index) => {
    const host = first + index;
    return addressFromBytes([host >>> 24, (host >>> 16) & 0xff, (host >>> 8) & 0xff, host & 0xff]);
  });
}

/** The logical interface, or else the device, that has one of the addresses. */
function carrierOf(environment: Environment, addresses: readonly Address[]): string | undefined {
  const device = environment.addresses.find((own) => addresses.some(({ text }) => own.address.text === text))?.device;
  return [...environment.interfaces.keys()].find((name) => environment.interfaces.get(name) === device) ?? device;
}

/** Of RFC 1918. */
function isPrivate({ family, bytes: [first = 0, second = 0] }: Address): boolean {
  if (family === 6) return false;
  return first === 10 || (first === 172 && (second & 0xf0) === 16) || (first === 192 && second === 168);
}
