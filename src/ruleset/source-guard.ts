import type { Deployment } from '../deployment/deployment.ts';
import { maskAddress, parsePrefix, prefixHolds } from '../net/address.ts';
import type { Family, Prefix } from '../net/address.ts';

/** "This" network, loopback, multicast, reserved and broadcast (RFC 6890); link-local clients can't be answered through a router. */
const SPECIAL: Readonly<Record<Family, readonly Prefix[]>> = {
  4: prefixes('0.0.0.0/8', '127.0.0.0/8', '224.0.0.0/3'),
  6: prefixes('::/127', 'fe80::/10', 'ff00::/8'),
};

/**
 * Source addresses that no packet arriving on the device can truthfully have. Ingress stands before the kernel's own checks
 * of the source (martians, rp_filter), so that without this anybody on the WAN could speak as a host of the LAN. A lookup in
 * the routing table (`fib`) would say it as well but cost 12 % of all packets.
 */
export function impossibleSources(deployment: Deployment, device: string): ImpossibleSources {
  return { 4: impossibleOf(deployment, device, 4), 6: impossibleOf(deployment, device, 6) };
}

export type ImpossibleSources = Readonly<Record<Family, readonly Prefix[]>>;

function impossibleOf(deployment: Deployment, device: string, family: Family): Prefix[] {
  const { addresses } = deployment.observation.environment;
  const ours = addresses.filter((entry) => entry.address.family === family);
  const connected = ours
    .filter((entry) => entry.prefixLength > 0)
    .map((entry) => ({ device: entry.device, prefix: maskAddress(entry.peer ?? entry.address, entry.prefixLength) }));
  const here = connected.filter((entry) => entry.device === device);
  const elsewhere = connected.filter(
    ({ device: other, prefix }) => other !== device && !here.some((entry) => overlap(entry.prefix, prefix)),
  );
  const ghosts = deployment.services.flatMap(({ ghosts }) => ghosts.map(({ address }) => address));
  return disjoint([
    ...SPECIAL[family],
    ...elsewhere.map(({ prefix }) => prefix),
    ...[...ours.map(({ address }) => address), ...ghosts.filter((address) => address.family === family)].map(
      fullLength,
    ),
  ]);
}

/** First octets that addresses of the prefixes can have, ascending. */
export function firstOctets(all: readonly Prefix[]): number[] {
  const octets = new Set<number>();
  for (const { address, length } of all) {
    const first = address.bytes[0] ?? 0;
    const count = length >= 8 ? 1 : 1 << (8 - length);
    for (let octet = first; octet < first + count; octet++) octets.add(octet);
  }
  return [...octets].sort((a, b) => a - b);
}

/** Length of IPv6's subnets, nearly all of them (RFC 4291 §2.5.1). */
const SUBNET = 64;

/** Whether all addresses of an IPv6 prefix have the same second word. */
export function isWithinSubnet({ address, length }: Prefix): boolean {
  return address.family === 6 && length >= SUBNET;
}

/** Bits 32 to 63 of prefixes that are `isWithinSubnet`, ascending. */
export function secondWords(subnets: readonly Prefix[]): number[] {
  const words = subnets.map(({ address }) => address.bytes.slice(4, 8).reduce((sum, octet) => sum * 256 + octet, 0));
  return [...new Set(words)].sort((a, b) => a - b);
}

/** The prefixes without those that another one holds, sorted: an interval set takes no overlap. */
export function disjoint(all: readonly Prefix[]): Prefix[] {
  const sorted = [...all].sort((a, b) => a.length - b.length || (a.address.text < b.address.text ? -1 : 1));
  const kept: Prefix[] = [];
  for (const prefix of sorted) if (!kept.some((wider) => prefixHolds(wider, prefix.address))) kept.push(prefix);
  return kept;
}

function overlap(a: Prefix, b: Prefix): boolean {
  return a.length <= b.length ? prefixHolds(a, b.address) : prefixHolds(b, a.address);
}

function fullLength(address: Prefix['address']): Prefix {
  return { address, length: address.bytes.length * 8 };
}

function prefixes(...texts: string[]): Prefix[] {
  return texts.flatMap((text) => parsePrefix(text) ?? []);
}
