import type { DeployedService, Ghost } from '../deployment/deployment.ts';
import type { Family } from '../net/address.ts';
import { matchAddress } from './address-match.ts';
import type { Json } from './expression.ts';
import {
  accept,
  anonymous,
  concat,
  goto,
  ipProtocol,
  jump,
  match,
  meta,
  payload,
  range,
  verdictMap,
} from './expression.ts';
import { rule } from './ruleset.ts';
import type { Chain, Rule, SetObject } from './ruleset.ts';
import { PROTOCOL_NUMBER, errorTypes, familiesOf, ghostsOf, icmpProtocol } from './traffic.ts';
import { icmpType, takesAll, transports } from './traffic.ts';
import type { Traffic } from './traffic.ts';

/** What finds the service of a packet that arrives at one place: the rules to look it up, and what they look into. */
export interface ServiceMap {
  readonly rules: readonly Rule[];
  readonly sets: readonly SetObject[];
  readonly chains: readonly Chain[];
}

/** A service at a place, with the ghosts of one family, and the chain that goes on with a class of its packets. */
export interface Entrance {
  readonly deployed: Pick<DeployedService, 'service' | 'ghosts' | 'tables'>;
  readonly chainOf: (family: Family, traffic: Traffic) => string;
  /** Chain of ICMP errors, which comes back from those that are not about the service's flows. */
  readonly errorsOf?: (family: Family) => string;
}

/**
 * Finds the service by three exact maps, most telling first: address, protocol and port; address and protocol (services
 * without ports, ICMP echo, and the way to port ranges); address alone (every other protocol). Ranges stand in chains of
 * their own behind the second map, so that a packet which belongs to no service pays for hash lookups only. Packets without
 * a transport header (later fragments) miss the first map, as they must.
 *
 * Where all ports are of one service, ghost and protocol, the rule names them itself instead of the first map, and the same goes
 * for a lone element of the second one: a comparison takes 15 to 30 ns less than a hash lookup.
 */
export function serviceMap(place: string, entrances: readonly Entrance[]): ServiceMap {
  const parts = ([4, 6] as const).map((family) => familyMap(place, entrances, family));
  return {
    rules: parts.flatMap(({ rules }) => rules),
    sets: parts.flatMap(({ sets }) => sets),
    chains: parts.flatMap(({ chains }) => chains),
  };
}

function familyMap(place: string, entrances: readonly Entrance[], family: Family): ServiceMap {
  const byPort: { ghost: Ghost; transport: 'tcp' | 'udp'; port: number; verdict: Json }[] = [];
  const byProtocol: { ghost: Ghost; protocol: number; verdict: Json }[] = [];
  const byAddress: Json[] = [];
  const ranges = new Map<string, { ghost: Ghost; transport: string; entries: [Json, Json][] }>();
  const echoed = new Set<string>();
  const echoes: Chain[] = [];

  for (const { deployed, chainOf } of entrances) {
    if (!familiesOf(deployed).includes(family)) continue;
    const { service } = deployed;
    for (const ghost of ghostsOf(deployed, family)) {
      const { text } = ghost.address;
      for (const transport of transports(service)) {
        const verdict = goto(chainOf(family, transport));
        if (service.ports.length === 0) byProtocol.push({ ghost, protocol: PROTOCOL_NUMBER[transport], verdict });
        for (const { first, last } of service.ports) {
          if (first === last) byPort.push({ ghost, transport, port: first, verdict });
          else rangesOf(ghost, transport).push([range(first, last), verdict]);
        }
      }
      if (takesAll(service)) byAddress.push([text, goto(chainOf(family, 'other'))]);
      // The router answers for its own address; any other ghost is answered for by the first service that has it.
      if (echoed.has(text)) continue;
      echoed.add(text);
      const errors = errorsAt(entrances, text, family);
      if (ghost.ownedBy !== undefined && errors.length === 0) continue;
      const name = `${place}/echo/${identifier(ghost)}`;
      byProtocol.push({ ghost, protocol: PROTOCOL_NUMBER[icmpProtocol(family)], verdict: goto(name) });
      echoes.push({
        name,
        rules: [
          ...errors,
          ...(ghost.ownedBy === undefined
            ? [
                rule('echo requests only', match(icmpType(family), 'echo-request', '!='), accept),
                rule('answered by a server', goto(chainOf(family, 'echo'))),
              ]
            : []),
        ],
      });
    }
  }

  function rangesOf(ghost: Ghost, transport: 'tcp' | 'udp'): [Json, Json][] {
    const name = `${place}/range/${identifier(ghost)}/${transport}`;
    const known = ranges.get(name);
    if (known) return known.entries;
    const entries: [Json, Json][] = [];
    ranges.set(name, { ghost, transport, entries });
    byProtocol.push({ ghost, protocol: PROTOCOL_NUMBER[transport], verdict: goto(name) });
    return entries;
  }

  const address = payload(ipProtocol(family), 'daddr');
  const addressType = family === 4 ? 'ipv4_addr' : 'ipv6_addr';
  const [only] = byPort;
  const isAlone = byPort.every(({ ghost, transport }) => ghost === only?.ghost && transport === only.transport);
  const [onlyProtocol] = byProtocol;
  const lookups = [
    {
      suffix: `port${family}`,
      type: [addressType, 'inet_proto', 'inet_service'],
      key: concat(address, meta('l4proto'), payload('th', 'dport')),
      elements: isAlone
        ? []
        : byPort.map(({ ghost, transport, port, verdict }): Json => [
            concat(ghost.address.text, PROTOCOL_NUMBER[transport], port),
            verdict,
          ]),
    },
    {
      suffix: `protocol${family}`,
      type: [addressType, 'inet_proto'],
      key: concat(address, meta('l4proto')),
      elements:
        byProtocol.length === 1
          ? []
          : byProtocol.map(({ ghost, protocol, verdict }): Json => [concat(ghost.address.text, protocol), verdict]),
    },
    { suffix: `address${family}`, type: addressType, key: address, elements: byAddress },
  ].filter(({ elements }) => elements.length > 0);
  const ports = byPort.map(({ port }) => port);
  return {
    rules: [
      ...(only && isAlone
        ? [
            rule(
              'find the service',
              ...matchAddress('daddr', only.ghost.address),
              match(payload(only.transport, 'dport'), ports.length === 1 ? only.port : anonymous(...ports)),
              only.verdict,
            ),
          ]
        : []),
      ...(onlyProtocol && byProtocol.length === 1
        ? [
            rule(
              'find the service',
              ...matchAddress('daddr', onlyProtocol.ghost.address),
              match(meta('l4proto'), onlyProtocol.protocol),
              onlyProtocol.verdict,
            ),
          ]
        : []),
      ...lookups.map(({ suffix, key }) => rule('find the service', verdictMap(key, `${place}/${suffix}`))),
    ],
    sets: lookups.map(({ suffix, type, elements }) => ({
      name: `${place}/${suffix}`,
      key: type,
      verdicts: true,
      interval: false,
      elements,
    })),
    chains: [
      ...[...ranges].map(([name, { entries }]) => ({
        name,
        rules: [rule('port ranges', verdictMap(payload('th', 'dport'), entries))],
      })),
      ...echoes,
    ],
  };
}

/** The rules for ICMP errors to a ghost, of all services that look at them. */
function errorsAt(entrances: readonly Entrance[], ghost: string, family: Family): Rule[] {
  const isError = match(icmpType(family), errorTypes(family));
  return entrances.flatMap(({ deployed, errorsOf }) =>
    errorsOf && familiesOf(deployed).includes(family) && deployed.ghosts.some(({ address }) => address.text === ghost)
      ? [rule('errors about flows', isError, jump(errorsOf(family)))]
      : [],
  );
}

/** An address as part of a chain's name, which takes no colon. */
function identifier({ address }: Ghost): string {
  return address.text.replaceAll(':', '_');
}
