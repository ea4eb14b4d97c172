import { type Environment, type LinkState } from '../config/environment.ts';
import type { Check } from '../config/model.ts';
import type { Address } from '../net/address.ts';
import { hostsToAsk, readLeases } from '../setup/propose.ts';
import type { Host } from '../setup/questions.ts';
import type { ProbeTarget } from '../watchdog/prober.ts';
import { readTextIfThere } from './files.ts';
import { NETLINK_ROUTE, NetlinkChannel } from './netlink-channel.ts';
import { HostProber } from './probe/prober.ts';
import { readNeighbours } from './rtnetlink.ts';

/** Where dnsmasq writes down whom it has given addresses. */
const LEASES = '/tmp/dhcp.leases';
/** Hosts that are asked at the same time, and milliseconds that they have: a host on the link answers in one, unless it sleeps. */
const AT_ONCE = 128;
const ARP_PATIENCE = 400;
const TCP_PATIENCE = 1000;
/** Addresses of a part of a search: a second or two at most. */
const PART = 256;

/** Into how many parts a search on a device can be cut, one at least. */
export function partsOfSearch(environment: Environment, device: LinkState): number {
  return Math.max(1, Math.ceil(hostsToAsk(environment, device).length / PART));
}

/**
 * Hosts with IPv4 on a device, in the order of their addresses: those that the router knows as neighbours, those that answer
 * ARP, and whether they accept connections on a port, if there is one. Leaves nothing behind in the router's neighbour table but of these. With
 * `part`, counted from 0, only those of one part of the search; neighbours are in the first.
 */
export async function findHosts(
  environment: Environment,
  device: LinkState,
  port: number | undefined,
  part?: number,
): Promise<Host[]> {
  const names = hostNames();
  const prober = new HostProber();
  const passes = (check: Check, address: Address, patience: number): Promise<boolean> => {
    const target: ProbeTarget = { service: '', server: '', ghost: address, address, device, mark: 0 };
    return new Promise((resolve) => prober.start(check, target, patience, ({ passed }) => resolve(passed)));
  };
  try {
    const all = hostsToAsk(environment, device);
    const asked = part === undefined ? all : all.slice(part * PART, (part + 1) * PART);
    const here = await inGroups(asked, (address) => passes({ type: 'arp' }, address, ARP_PATIENCE));
    const known = part === undefined || part === 0 ? neighboursOn(device) : [];
    const found = new Map([...known, ...here].map((address) => [address.text, address]));
    for (const own of environment.addresses) found.delete(own.address.text);
    const hosts = [...found.values()].sort(byBytes);
    const accepts = (address: Address) =>
      port === undefined ? Promise.resolve(false) : passes({ type: 'tcp', port }, address, TCP_PATIENCE);
    const serving = new Set(await inGroups(hosts, accepts));
    return hosts.map((address) => {
      const name = names.get(address.text);
      return { address, answers: serving.has(address), ...(name === undefined ? {} : { name }) };
    });
  } finally {
    prober.close();
  }
}

/** What hosts are called, by address, as far as they have told. */
export function hostNames(): Map<string, string> {
  return readLeases(readTextIfThere(LEASES) ?? '');
}

/** Those whose MAC address the kernel knows. */
function neighboursOn({ ifindex }: LinkState): Address[] {
  const channel = new NetlinkChannel(NETLINK_ROUTE);
  try {
    return readNeighbours(channel, 'hosts')
      .filter((host) => host.ifindex === ifindex && host.address.family === 4 && host.hardware !== undefined)
      .map(({ address }) => address);
  } finally {
    channel.close();
  }
}

async function inGroups(
  addresses: readonly Address[],
  isThere: (address: Address) => Promise<boolean>,
): Promise<Address[]> {
  const found: Address[] = [];
  for (let first = 0; first < addresses.length; first += AT_ONCE) {
    const group = addresses.slice(first, first + AT_ONCE);
    const answers = await Promise.all(group.map(isThere));
    found.push(...group.filter((_, index) => answers[index]));
  }
  return found;
}

function byBytes(one: Address, other: Address): number {
  const index = one.bytes.findIndex((byte, at) => byte !== other.bytes[at]);
  return index < 0 ? 0 : (one.bytes[index] ?? 0) - (other.bytes[index] ?? 0);
}
