import type { Service } from '../config/model.ts';
import { isTranslated } from '../config/model.ts';
import { CONNTRACK_GET, LIVE_CONNECTIONS, encodeConnectionDump, liveConnectionKey } from '../netlink/conntrack.ts';
import { LIVE_FLOWS, NFT_MSG_GETSETELEM, encodeFlowQuestion } from '../netlink/flow-elements.ts';
import { nftablesType } from '../netlink/nftables.ts';
import { sortRanges } from '../netlink/tally.ts';
import type { KeyRange, TallyQuestion } from '../netlink/tally.ts';
import { CLOSING_SECONDS } from '../ruleset/moved-chain.ts';
import { TABLE } from '../ruleset/ruleset.ts';
import { PROTOCOL_NUMBER, takesAll, transports } from '../ruleset/traffic.ts';
import type { Deployment } from './deployment.ts';
import { flowsTo } from './placement.ts';
import { connectionsTo } from './translation.ts';

// Which entries of the kernel's tables are live connections of whom.

/** Keys of the live connections of a service to one of its servers. */
export interface LiveRange extends KeyRange {
  readonly service: string;
  readonly server: string;
}

/** True where new connections of the service go where the load is least. */
export function isLeveled({ placement, translation }: Pick<Service, 'placement' | 'translation'>): boolean {
  return (placement ?? translation)?.scheduler === 'least';
}

/** The dumps in which all live connections of services are that are placed by load. */
export function liveQuestions(deployment: Deployment, littleEndian: boolean): TallyQuestion<LiveRange>[] {
  return [
    ...deployment.services.flatMap(({ service }) => flowQuestions(deployment, service, littleEndian)),
    ...trackedQuestion(deployment, littleEndian),
  ];
}

/** A flow has a server's mark. Of TCP it is live as long as it has more time left than one that is being closed. */
function flowQuestions(deployment: Deployment, service: Service, littleEndian: boolean): TallyQuestion<LiveRange>[] {
  const { placement, name } = service;
  if (!placement || !isLeveled(service)) return [];
  // Where open ones get little more, those that were silent for half of it are left out, too.
  const closing = Math.min(1000 * CLOSING_SECONDS, placement.timeout / 2);
  const flows = service.servers.flatMap((server) => {
    const found = flowsTo(deployment, name, server.name);
    return found ? [{ ...found, server: server.name }] : [];
  });
  const ranges = flows.flatMap(({ mark, server }) =>
    transports(service).map((transport): LiveRange => {
      const key = (left: number, fill: number) => {
        const bytes = new Uint8Array(13).fill(fill);
        const view = new DataView(bytes.buffer);
        view.setUint32(0, mark, littleEndian);
        bytes[4] = PROTOCOL_NUMBER[transport];
        if (fill === 0) view.setUint32(9, left);
        return bytes;
      };
      return { service: name, server, first: key(transport === 'tcp' ? closing + 1 : 0, 0), last: key(0, 0xff) };
    }),
  );
  return (flows[0]?.maps ?? []).map((map) => ({
    type: nftablesType(NFT_MSG_GETSETELEM),
    payload: encodeFlowQuestion({ family: 'netdev', table: TABLE, set: map }, undefined, littleEndian),
    plan: LIVE_FLOWS,
    ranges: sortRanges(ranges),
  }));
}

/** Protocol, port that a connection was aimed at, and port that answers, as one number of 40 bits. */
interface Span {
  readonly first: number;
  readonly last: number;
}

const ANY_PORT = 0x1_0000;
const ANY_PORTS = ANY_PORT * ANY_PORT;

/** Connections are a server's that were aimed at the service and that the server answers. */
function trackedQuestion(deployment: Deployment, littleEndian: boolean): TallyQuestion<LiveRange>[] {
  const spans = deployment.services
    .filter(({ service }) => isTranslated(service))
    .flatMap(({ service }) => service.servers.flatMap((server) => connectionsTo(service, server)))
    .flatMap((to) => spansOf(to.service, to.server.port).map((span) => ({ ...to, ...span })));
  // What is meant by the narrower of two is not meant by the other, as in the maps from packets to services.
  spans.sort((one, other) => one.last - one.first - (other.last - other.first));
  const taken = new Map<string, Span[]>();
  const ranges = spans.flatMap(({ service, server, ghost, address, first, last }): LiveRange[] => {
    const ends = `${ghost.text} ${address.text}`;
    const others = taken.get(ends) ?? [];
    const free = without({ first, last }, others);
    taken.set(ends, [...others, ...free]);
    const key = (number: number) => liveConnectionKey({ destination: ghost, answering: address }, bytesOf(number));
    const which = { service: service.name, server: server.name };
    // Those of others are cut out of what is counted, and not counted themselves.
    return isLeveled(service) ? free.map((span) => ({ ...which, first: key(span.first), last: key(span.last) })) : [];
  });
  if (ranges.length === 0) return [];
  const ghosts = spans.flatMap(({ service, ghost }) => (isLeveled(service) ? [ghost] : []));
  const [ghost] = ghosts;
  const family = ghosts.every((one) => one.family === ghost?.family) ? ghost?.family : undefined;
  const only = ghosts.every(({ text }) => text === ghost?.text) ? ghost : undefined;
  return [
    {
      type: CONNTRACK_GET,
      payload: encodeConnectionDump(family, only, littleEndian),
      plan: LIVE_CONNECTIONS,
      ranges: sortRanges(ranges),
    },
  ];
}

function spansOf(service: Service, serverPort: number | undefined): Span[] {
  if (takesAll(service)) return [{ first: 0, last: 256 * ANY_PORTS - 1 }];
  const ports = service.ports.length > 0 ? service.ports : [{ first: 0, last: ANY_PORT - 1 }];
  const [from, to] = serverPort === undefined ? [0, ANY_PORT - 1] : [serverPort, serverPort];
  return transports(service).flatMap((transport) =>
    ports.map(({ first, last }) => ({
      first: PROTOCOL_NUMBER[transport] * ANY_PORTS + first * ANY_PORT + from,
      last: PROTOCOL_NUMBER[transport] * ANY_PORTS + last * ANY_PORT + to,
    })),
  );
}

/** What is left of a span beside others, of which none is in another. */
function without(span: Span, others: readonly Span[]): Span[] {
  return others.reduce<Span[]>(
    (parts, other) =>
      parts.flatMap(({ first, last }) =>
        other.last < first || other.first > last
          ? [{ first, last }]
          : [
              { first, last: other.first - 1 },
              { first: other.last + 1, last },
            ].filter((part) => part.first <= part.last),
      ),
    [span],
  );
}

/** In network order. */
function bytesOf(number: number): Uint8Array {
  const bytes = new Uint8Array(5);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, Math.floor(number / ANY_PORTS));
  view.setUint32(1, number % ANY_PORTS);
  return bytes;
}
