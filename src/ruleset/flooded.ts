import type { DeployedService, Ghost } from '../deployment/deployment.ts';
import type { Family } from '../net/address.ts';
import type { Json } from './expression.ts';
import {
  accept,
  anonymous,
  concat,
  goto,
  inSet,
  ipProtocol,
  match,
  meta,
  notrack,
  payload,
  range,
} from './expression.ts';
import { rule } from './ruleset.ts';
import type { Chain, Rule, SetObject } from './ruleset.ts';
import { PROTOCOL_NUMBER, familiesOf, ghostsOf, icmpProtocol, takesAll, transports } from './traffic.ts';

// Services whose packets all servers get. Routing does all of it; no rule looks at their packets but for conntrack's sake.

const FAMILIES = [4, 6] as const;

/** Rules that keep conntrack from seeing the packets of such services, and the chains behind them. */
export interface Untracked {
  readonly requests: readonly Rule[];
  readonly replies: readonly Rule[];
  readonly chains: readonly Chain[];
}

/**
 * Replies come back through the router or past it, so that conntrack would see half of a connection, and a firewall drop it as
 * invalid. Of the ghosts only what belongs to the services goes untracked: the rest is the firewall's business. Other packets
 * pay for a lookup of their addresses.
 */
export function untrackFlooded(flooded: readonly DeployedService[]): Untracked {
  const families = familiesAmong(flooded);
  const select = (direction: Direction) =>
    families.map((family) =>
      rule(
        direction === 'request' ? 'to all servers' : 'from one of all servers',
        inSet(payload(ipProtocol(family), ADDRESS[direction]), `flooded${family}`),
        goto(chainName(direction, family)),
      ),
    );
  return {
    requests: select('request'),
    replies: select('reply'),
    chains: families.flatMap((family) =>
      (['request', 'reply'] as const).map((direction) => untrackedChain(flooded, family, direction)),
    ),
  };
}

/** `flooded4`: ghosts of such services; `served4`: what of them belongs to the services. */
export function floodedSets(flooded: readonly DeployedService[]): SetObject[] {
  return familiesAmong(flooded).flatMap((family): SetObject[] => {
    const type = family === 4 ? 'ipv4_addr' : 'ipv6_addr';
    const here = withGhosts(flooded, family);
    const addresses = [...new Set(here.map(({ ghost }) => ghost.address.text))];
    return [
      { name: `flooded${family}`, key: type, verdicts: false, interval: false, elements: addresses },
      {
        name: `served${family}`,
        key: [type, 'inet_proto', 'inet_service'],
        verdicts: false,
        interval: true,
        elements: here.flatMap(({ deployed, ghost }) =>
          takesAll(deployed.service) ? [] : servedElements(deployed, ghost),
        ),
      },
    ];
  });
}

/** Address, protocol and ports that a service takes at a ghost, as elements of a set. */
export function servedElements({ service }: DeployedService, { address }: Ghost): Json[] {
  const ports = service.ports.length === 0 ? [{ first: 0, last: 65535 }] : service.ports;
  return transports(service).flatMap((transport) =>
    ports.map(({ first, last }) =>
      concat(address.text, PROTOCOL_NUMBER[transport], first === last ? first : range(first, last)),
    ),
  );
}

type Direction = 'request' | 'reply';

const ADDRESS = { request: 'daddr', reply: 'saddr' } as const;
const PORT = { request: 'dport', reply: 'sport' } as const;

function chainName(direction: Direction, family: Family): string {
  return `untracked/${direction}${family}`;
}

function untrackedChain(flooded: readonly DeployedService[], family: Family, direction: Direction): Chain {
  const address = payload(ipProtocol(family), ADDRESS[direction]);
  const whole = withGhosts(flooded, family)
    .filter(({ deployed }) => takesAll(deployed.service))
    .map(({ ghost }) => ghost.address.text);
  return {
    name: chainName(direction, family),
    rules: [
      rule(
        'of a service',
        inSet(concat(address, meta('l4proto'), payload('th', PORT[direction])), `served${family}`),
        notrack,
        accept,
      ),
      // Errors are about packets that conntrack has not seen, and echo is answered by the same servers.
      rule('ICMP', match(meta('l4proto'), PROTOCOL_NUMBER[icmpProtocol(family)]), notrack, accept),
      ...(whole.length === 0
        ? []
        : [rule('every protocol', match(address, anonymous(...new Set(whole))), notrack, accept)]),
    ],
  };
}

function familiesAmong(flooded: readonly DeployedService[]): Family[] {
  return FAMILIES.filter((family) => flooded.some((deployed) => familiesOf(deployed).includes(family)));
}

function withGhosts(flooded: readonly DeployedService[], family: Family) {
  return flooded
    .filter((deployed) => familiesOf(deployed).includes(family))
    .flatMap((deployed) => ghostsOf(deployed, family).map((ghost) => ({ deployed, ghost })));
}
