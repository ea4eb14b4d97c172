import type { LinkState } from '../config/environment.ts';
import type { DeployedService } from '../deployment/deployment.ts';
import type { Family, Prefix } from '../net/address.ts';
import type { Json } from './expression.ts';
import { accept, anonymous, drop, inSet, ipProtocol, match, meta, payload, raw, set } from './expression.ts';
import { prefixElement } from './expression.ts';
import { disjoint, firstOctets, isWithinSubnet, secondWords } from './source-guard.ts';
import { rule } from './ruleset.ts';
import type { Rule, SetObject } from './ruleset.ts';
import { PROTOCOL_NUMBER } from './traffic.ts';
import type { Traffic } from './traffic.ts';

/** Smallest header of IP and TCP together, without options: what an MTU leaves for a segment (RFC 9293 §3.7.1). */
const HEADERS: Readonly<Record<Family, number>> = { 4: 40, 6: 60 };

/** EtherTypes (IANA). */
const ETHER_TYPE: Readonly<Record<Family, number>> = { 4: 0x0800, 6: 0x86dd };

/** IPv6 extension headers (IANA): where one follows the fixed header, the stack looks behind it. */
const EXTENSION_HEADERS = [0, 43, 44, 60, 135, 139, 140];

/** Name of the set of the sources that cannot arrive at a place. */
function impossibleSet(place: string, family: Family): string {
  return `${place}/impossible${family}`;
}

/** The set itself. */
export function sourceSet(place: string, family: Family, impossible: readonly Prefix[]): SetObject {
  return {
    name: impossibleSet(place, family),
    key: family === 4 ? 'ipv4_addr' : 'ipv6_addr',
    verdicts: false,
    interval: true,
    elements: impossible.map(prefixElement),
  };
}

/** Frames that are not for us, and none of this device, are left to the stack. */
export function leaveForeignFrames(source: LinkState, family: Family): Rule[] {
  if (source.hardware === undefined) return [];
  return [
    rule('frames for this router only', match(meta('pkttype'), 'host', '!='), accept),
    // Ingress of a device sees the frames of all its VLANs before these do, and would hand them on with their tags.
    rule('frames without VLAN tag', match(raw('ll', 96, 16), ETHER_TYPE[family], '!='), accept),
  ];
}

/**
 * What else the fast path leaves to the stack, which knows better what to do: fragments, IP options and extension headers,
 * packets whose time is over (the stack says so to the client), and packets that the servers' link does not take (the stack
 * sends "fragmentation needed", `fwd` does not). `verdict` is how they are left.
 */
export function leaveToStack(
  source: LinkState,
  device: LinkState,
  family: Family,
  traffic: Traffic,
  verdict: Json = accept,
): Rule[] {
  const rules: Rule[] = [];
  if (family === 4) {
    // Two loads of a word or less run without a function call in the kernel (nft_payload_fast_eval); the one load of eight
    // bytes that would tell both took 3 % of all packets more.
    const fragment: Json = { '&': [raw('nh', 32, 32), 0x3fff] };
    rules.push(rule('IP options', match(raw('nh', 0, 8), 0x45, '!='), verdict));
    rules.push(rule('fragments', match(fragment, 0, '!='), verdict));
  } else if (traffic === 'other') {
    rules.push(rule('extension headers', match(raw('nh', 48, 8), anonymous(...EXTENSION_HEADERS)), verdict));
  } else {
    const protocol = PROTOCOL_NUMBER[traffic === 'echo' ? 'ipv6-icmp' : traffic];
    rules.push(rule('fragments, extension headers', match(raw('nh', 48, 8), protocol, '!='), verdict));
  }
  const lifetime = raw('nh', family === 4 ? 64 : 56, 8);
  rules.push(rule('lifetime is over', match(lifetime, 2, '<'), verdict));
  // Only where it can happen: receive offload makes ordinary uploads look oversize, and those would leave the fast path.
  if (source.mtu > device.mtu) rules.push(rule('larger than the MTU', match(meta('length'), device.mtu, '>'), verdict));
  return rules;
}

/**
 * Drops clients that cannot be, or may not use the service. An interval set is a walk through a tree. The first octet, looked
 * up in a bitmap, spares it to nearly every client of IPv4, which gave 5 % more packets. With IPv6 most clients have that octet
 * in common with our own addresses, and many the first word, which is their provider's; the second word has hardly anybody
 * (130 ns of 730 a packet).
 */
export function admit(place: string, deployed: DeployedService, family: Family, impossible: readonly Prefix[]): Rule[] {
  const saddr = payload(ipProtocol(family), 'saddr');
  const { name } = deployed.service;
  const suspects = [
    {
      bits: raw('nh', family === 4 ? 96 : 64, 8),
      values: firstOctets(impossible.filter((one) => !isWithinSubnet(one))),
    },
    { bits: raw('nh', 96, 32), values: secondWords(impossible.filter(isWithinSubnet)) },
  ];
  const rules = suspects
    .filter(({ values }) => values.length > 0)
    .map(({ bits, values }) => {
      const isImpossible = inSet(saddr, impossibleSet(place, family));
      return rule('impossible source', match(bits, anonymous(...values)), isImpossible, drop);
    });
  for (const list of clientLists(deployed, family)) {
    const [op, purpose] = list.kind === 'deny' ? (['==', 'denied client'] as const) : (['!=', 'not allowed'] as const);
    rules.push(rule(purpose, inSet(saddr, `${name}/${list.kind}${family}`, op), drop));
  }
  return rules;
}

/** The sets of `list allow` and `list deny`. A service that allows only clients of one family allows none of the other. */
export function clientSets(deployed: DeployedService, families: readonly Family[]): SetObject[] {
  return families.flatMap((family) =>
    clientLists(deployed, family).map(({ kind, prefixes }) => ({
      name: `${deployed.service.name}/${kind}${family}`,
      key: family === 4 ? 'ipv4_addr' : 'ipv6_addr',
      verdicts: false,
      interval: true,
      elements: prefixes.map(prefixElement),
    })),
  );
}

function clientLists({ service }: DeployedService, family: Family) {
  return (['deny', 'allow'] as const).flatMap((kind) => {
    const prefixes = service[kind].filter(({ address }) => address.family === family);
    const matters = kind === 'deny' ? prefixes.length > 0 : service.allow.length > 0;
    return matters ? [{ kind, prefixes: disjoint(prefixes) }] : [];
  });
}

/**
 * Clamps the segment size that a client offers to what its link to us carries: the firewall's own clamp never sees a SYN that
 * is taken at ingress. The kernel only ever lowers the option (nft_exthdr.c).
 */
export function clampSegments(source: LinkState, device: LinkState, family: Family, traffic: Traffic): Rule[] {
  if (traffic !== 'tcp' || source.mtu >= device.mtu) return [];
  const size = source.mtu - HEADERS[family];
  const option: Json = { 'tcp option': { name: 'maxseg', field: 'size' } };
  return [rule('path MTU', match(payload('tcp', 'flags'), 'syn', 'in'), set(option, size))];
}
