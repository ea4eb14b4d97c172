import type { Service } from '../config/model.ts';
import type { Tuple } from '../netlink/conntrack.ts';
import { PROTOCOL_NUMBER, transports } from '../ruleset/traffic.ts';
import type { Client } from './simulate.ts';

/**
 * Sentences about connections of the client that are remembered, whoever would get a new one, and about what becomes of one
 * that is not. Only with the ports of both sides is it known which those are. `holder` names the server of the connection that
 * began with such a packet.
 */
export function placedSentences(
  service: Service,
  { address, port: clientPort }: Client,
  port: number | undefined,
  holder: (packet: Required<Tuple>) => string | undefined,
): string[] {
  const destinationPort = port ?? service.ports[0]?.first;
  if (clientPort === undefined || destinationPort === undefined) return [];
  const ghosts = service.ghosts.filter(({ family }) => family === address.family);
  return ghosts.flatMap((destination) =>
    transports(service).flatMap((transport) => {
      const server = holder({
        ...{ source: address, destination, protocol: PROTOCOL_NUMBER[transport] },
        ...{ sourcePort: clientPort, destinationPort },
      });
      const what = `${transport} from port ${clientPort} to ${destination.text} port ${destinationPort}`;
      return server === undefined ? [] : [`${what} is remembered, and stays with ${server}`];
    }),
  );
}
