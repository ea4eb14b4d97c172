import type { DeployedService, Ghost } from '../deployment/deployment.ts';
import { isFlooded, isRouted, isTranslated } from '../config/model.ts';
import type { Service } from '../config/model.ts';
import type { Family } from '../net/address.ts';
import type { Json } from './expression.ts';
import { payload } from './expression.ts';

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

/** Classes of packets that a service takes from its clients. */
export function trafficOf({ service }: Pick<DeployedService, 'service'>): Traffic[] {
  return [...transports(service), 'echo', ...(takesAll(service) ? (['other'] as const) : [])];
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
export function ghostsOf(deployed: Pick<DeployedService, 'ghosts'>, family: Family): Ghost[] {
  return deployed.ghosts.filter(({ address }) => address.family === family);
}

/** Services whose packets the router hands to one server each. */
export function routedServices(services: readonly DeployedService[]): DeployedService[] {
  return services.filter((deployed) => isRouted(deployed.service) && familiesOf(deployed).length > 0);
}

/** Services whose connections the router tracks, and hands to one server each with its address in the ghost's place. */
export function translatedServices(services: readonly DeployedService[]): DeployedService[] {
  return services.filter((deployed) => isTranslated(deployed.service) && familiesOf(deployed).length > 0);
}

/** Services whose packets all servers get: the router routes them, and its ruleset keeps others from meddling. */
export function floodedServices(services: readonly DeployedService[]): DeployedService[] {
  return services.filter((deployed) => isFlooded(deployed.service) && familiesOf(deployed).length > 0);
}

/** Families in which the service has a ghost and a table. */
export function familiesOf(deployed: Pick<DeployedService, 'ghosts' | 'tables'>): Family[] {
  return ([4, 6] as const).filter((family) => deployed.tables[family] && ghostsOf(deployed, family).length > 0);
}
