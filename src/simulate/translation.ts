import type { Scheduler, Service } from '../config/model.ts';
import { isTranslated } from '../config/model.ts';
import { connectionsTo } from '../deployment/translation.ts';
import type { TrackedConnection, Tuple } from '../netlink/conntrack.ts';
import { PROTOCOL_NUMBER, transports } from '../ruleset/traffic.ts';
import type { Client, Simulation } from './simulate.ts';

/** What turns or chance make of any client: shares of the table, which may follow the load, and nothing that depends on who it is. */
export function simulateChances(
  service: Service,
  table: Uint16Array,
  { scheduler }: { readonly scheduler: Scheduler },
  followsLoad: boolean,
): Simulation {
  const { name, slots } = service;
  const chances = service.servers.flatMap(({ name: server }, index): [string, number][] => {
    const count = table.filter((owner) => owner === index).length;
    return count === 0 ? [] : [[server, count / table.length]];
  });
  const byLoad = followsLoad ? 'as the load is now' : 'as the weights are, of which the load makes others';
  const how = scheduler === 'round_robin' ? 'in turn' : `by chance${scheduler === 'least' ? `, ${byLoad}` : ''}`;
  const listed = chances.map(([server, share]) => `${server} ${(100 * share).toFixed(1)} %`).join(', ');
  const why =
    chances.length === 0
      ? ['no server has a share']
      : [`scheduler '${scheduler}': whoever the client is, servers get new connections ${how}: ${listed}`];
  return { service: name, slots, why, ...(chances.length === 0 ? {} : { chances: Object.fromEntries(chances) }) };
}

/**
 * Sentences about connections that the client has already, whoever would get a new one. Only with the ports of both sides is it
 * known which those are. `lookUp` finds the connection that began with such a packet.
 */
export function trackedSentences(
  service: Service,
  { address, port: clientPort }: Client,
  port: number | undefined,
  lookUp: (original: Required<Tuple>) => TrackedConnection | undefined,
): string[] {
  const destinationPort = port ?? service.ports[0]?.first;
  if (!isTranslated(service) || clientPort === undefined || destinationPort === undefined) return [];
  const ghosts = service.ghosts.filter(({ family }) => family === address.family);
  return ghosts.flatMap((ghost) =>
    transports(service).flatMap((transport) => {
      const found = lookUp({
        ...{ source: address, destination: ghost, protocol: PROTOCOL_NUMBER[transport] },
        ...{ sourcePort: clientPort, destinationPort },
      });
      const server = service.servers.find((one) =>
        connectionsTo(service, one).some((to) => to.address.text === found?.reply.source.text),
      );
      const what = `${transport} from port ${clientPort} to ${ghost.text} port ${destinationPort}`;
      if (!found) return [];
      return [`${what} is a known connection, which stays with ${server?.name ?? found.reply.source.text}`];
    }),
  );
}
