import { isTranslated, serverAddress } from '../config/model.ts';
import type { Server, Service } from '../config/model.ts';
import type { Address } from '../net/address.ts';
import type { TrackedConnection } from '../netlink/conntrack.ts';
import { PROTOCOL_NUMBER, takesAll, transports } from '../ruleset/traffic.ts';

/** Connections of a service to one of its servers, by one ghost. */
export interface TranslatedConnections {
  readonly service: Service;
  readonly server: Server;
  readonly ghost: Address;
  /** The server's own address of the ghost's family. */
  readonly address: Address;
}

/** Those of a service that is translated, by ghosts that it had before, too; none of any other. */
export function connectionsTo(service: Service, server: Server): TranslatedConnections[] {
  if (!isTranslated(service)) return [];
  return [...service.ghosts, ...(service.formerGhosts ?? [])].flatMap((ghost) => {
    const address = serverAddress(server, ghost.family);
    return address ? [{ service, server, ghost, address }] : [];
  });
}

/** True where the connection is one of these: it was aimed at the service, and the server answers. */
export function isAmong({ service, ghost, address }: TranslatedConnections, found: TrackedConnection): boolean {
  const { original, reply } = found;
  if (original.destination.text !== ghost.text || reply.source.text !== address.text) return false;
  const transport = transports(service).find((name) => PROTOCOL_NUMBER[name] === original.protocol);
  if (!transport) {
    const isEcho = original.protocol === PROTOCOL_NUMBER[ghost.family === 4 ? 'icmp' : 'ipv6-icmp'];
    return takesAll(service) || isEcho;
  }
  const { destinationPort = 0 } = original;
  const { ports } = service;
  return ports.length === 0 || ports.some(({ first, last }) => first <= destinationPort && destinationPort <= last);
}
