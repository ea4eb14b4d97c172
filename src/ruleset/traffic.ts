import type { DeployedService, Ghost } from '../deployment/deployment.ts';
import type { Service } from '../config/model.ts';
import type { Family } from '../net/address.ts';
import type { Json } from './expression.ts';
import { match, payload, range, raw } from './expression.ts';

/** Classes of packets that a service takes; each has a chain of guards of its own, so that none is asked what cannot be. */
export type Traffic = 'tcp' | 'udp' | 'echo' | 'other';

/** What separates a packet's key: protocols with ports, or without. */
export function hasPorts(traffic: Traffic): traffic is 'tcp' | 'udp' {
  return traffic === 'tcp' || traffic === 'udp';
}

/** Transport protocols with ports that the service takes. `all` takes both; only without ports it takes the rest, too. */
export function transports(service: Service): readonly ('tcp' | 'udp')[] {
  return service.protocols.flatMap((protocol) => (protocol === 'all' ? (['tcp', 'udp'] as const) : [protocol]));
}

/** True where the service takes every protocol. */
export function takesAll(service: Service): boolean {
  return service.protocols.includes('all') && service.ports.length === 0;
}

/** Name of ICMP as a protocol: `icmp` or `ipv6-icmp`. */
export function icmpProtocol(family: Family): 'icmp' | 'ipv6-icmp' {
  return family === 4 ? 'icmp' : 'ipv6-icmp';
}

/** IP protocol numbers (IANA). Numbers, since nft reads names from /etc/protocols, which a small system may lack. */
export const PROTOCOL_NUMBER = { tcp: 6, udp: 17, icmp: 1, 'ipv6-icmp': 58 } as const;

/** ICMP message type field of the family's protocol. */
export function icmpType(family: Family): Json {
  return payload(family === 4 ? 'icmp' : 'icmpv6', 'type');
}

/** Types of ICMP errors: they carry the packet that they complain of (RFC 792, RFC 4443 §2.1). */
export function errorTypes(family: Family): Json {
  const common = ['destination-unreachable', 'time-exceeded', 'parameter-problem'];
  return { set: family === 4 ? common : [...common, 'packet-too-big'] };
}

/** Ghosts of a family. */
export function ghostsOf(deployed: DeployedService, family: Family): Ghost[] {
  return deployed.ghosts.filter(({ address }) => address.family === family);
}

/** Families in which the service has a ghost and a table. */
export function familiesOf(deployed: DeployedService): Family[] {
  return ([4, 6] as const).filter((family) => deployed.tables[family] && ghostsOf(deployed, family).length > 0);
}

/** Offsets in bits, behind the ICMP header, of the packet that an ICMP error carries (without IP options or extension headers). */
const INNER = {
  4: { protocol: 136, source: 160, destination: 192, sourcePort: 224, addressBits: 32 },
  6: { protocol: 112, source: 128, destination: 256, sourcePort: 384, addressBits: 128 },
} as const;

/**
 * Matches ICMP errors about packets which the ghost sent as part of the service, by class of the inner packet. What is
 * checked is the inner packet, for on the router's own address errors about other packets are the router's.
 */
export function innerMatches(service: Service, ghost: Ghost, family: Family): { traffic: Traffic; matches: Json[] }[] {
  const at = INNER[family];
  const fromGhost = match(raw('th', at.source, at.addressBits), hexAddress(ghost));
  const byTransport = transports(service).flatMap((traffic) => {
    const matches = [fromGhost, match(raw('th', at.protocol, 8), PROTOCOL_NUMBER[traffic])];
    if (service.ports.length === 0) return [{ traffic, matches }];
    return service.ports.map(({ first, last }) => ({
      traffic,
      matches: [...matches, match(raw('th', at.sourcePort, 16), first === last ? first : range(first, last))],
    }));
  });
  return takesAll(service) ? [...byTransport, { traffic: 'other', matches: [fromGhost] }] : byTransport;
}

/** Matches an ICMP message about a packet *to* the ghost, such as a redirect: by the address at the given bit. */
export function aboutGhost(ghost: Ghost, family: Family, offset: number): Json {
  return match(raw('th', offset, INNER[family].addressBits), hexAddress(ghost));
}

function hexAddress({ address }: Ghost): string {
  return `0x${[...address.bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}
