import { isRouted } from '../config/model.ts';
import type { DeployedService, Deployment, Ghost } from '../deployment/deployment.ts';
import type { Family } from '../net/address.ts';
import { parsePrefix } from '../net/address.ts';
import type { Json } from './expression.ts';
import { accept, anonymous, drop, ipProtocol, match, meta, notrack, payload, prefixElement } from './expression.ts';
import { innerMatches } from './inner-packet.ts';
import { rule } from './ruleset.ts';
import type { Chain, Rule } from './ruleset.ts';
import { PROTOCOL_NUMBER, errorTypes, familiesOf, ghostsOf, icmpType, transports } from './traffic.ts';

/** Source ports that masqueraded packets get instead of a service's. */
const REPLACEMENT_PORTS: Json = { range: [61000, 65535] };

/** Addresses that leave a home only translated (RFC 1918, RFC 6598). */
const PRIVATE = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10'];

interface OwnGhost {
  readonly deployed: DeployedService;
  readonly ghost: Ghost;
}

/**
 * Where the ghost is the router's own address, replies reach the router with its own address as their source. The servers'
 * device is made to accept that (`accept_local`), so here it is kept to the servers' MAC addresses and the services' ports.
 * `isOwn` matches address, protocol and port against what is served.
 */
export function guardOwnAddress(
  deployment: Deployment,
  family: Family,
  isOwn: (address: 'saddr' | 'daddr', port: 'sport' | 'dport') => Json,
): Rule[] {
  const own = ownGhosts(deployment, family);
  if (own.length === 0) return [];
  const ip = ipProtocol(family);
  const byDevice = new Map<string, OwnGhost[]>();
  for (const entry of own) {
    byDevice.set(entry.deployed.device.name, [...(byDevice.get(entry.deployed.device.name) ?? []), entry]);
  }
  const isError = match(icmpType(family), errorTypes(family));
  const toOwn = [
    rule('to a service', isOwn('daddr', 'dport'), notrack, accept),
    ...own.flatMap(({ deployed, ghost }) =>
      innerMatches(deployed.service, ghost, family).map(({ matches }) =>
        rule('errors', match(payload(ip, 'daddr'), ghost.address.text), isError, ...matches, notrack, accept),
      ),
    ),
  ];
  const fromServers = [...byDevice].flatMap(([device, entries]) => {
    const from = [
      match(meta('iifname'), device),
      match(payload(ip, 'saddr'), anonymous(...new Set(entries.map(({ ghost }) => ghost.address.text)))),
    ];
    const hardware = hardwareOf(deployment, entries);
    const servers = hardware.length > 0 ? [match(payload('ether', 'saddr'), anonymous(...hardware), '!=')] : [];
    return [
      rule('only servers speak as the router', ...from, ...servers, drop),
      rule('from a service', ...from, isOwn('saddr', 'sport'), notrack, accept),
      rule('errors of servers', ...from, isError, notrack, accept),
      rule('only as a service', ...from, drop),
    ];
  });
  return [...toOwn, ...fromServers];
}

/**
 * Masquerading may give a LAN host's connection the service's port on the shared address, and its replies would be taken for
 * requests. A private source with such a port gets another one before the firewall's own translation.
 */
export function keepPortsFromMasquerading(deployment: Deployment, priority: number): Chain[] {
  const rules = ownGhosts(deployment, 4).flatMap(({ deployed, ghost }) =>
    transports(deployed.service).flatMap((transport) => {
      if (deployed.service.ports.length === 0 || ghost.ownedBy === undefined) return [];
      return [
        rule(
          `keep the port of ${deployed.service.name}`,
          match(meta('oifname'), ghost.ownedBy),
          match(
            payload('ip', 'saddr'),
            anonymous(...PRIVATE.flatMap((text) => parsePrefix(text) ?? []).map(prefixElement)),
          ),
          match(meta('l4proto'), PROTOCOL_NUMBER[transport]),
          match(
            payload('th', 'sport'),
            anonymous(
              ...deployed.service.ports.map(({ first, last }) => (first === last ? first : { range: [first, last] })),
            ),
          ),
          { snat: { addr: ghost.address.text, family: 'ip', port: REPLACEMENT_PORTS, flags: ['fully-random'] } },
        ),
      ];
    }),
  );
  if (rules.length === 0) return [];
  return [{ name: 'masquerading', hook: { type: 'nat', hook: 'postrouting', priority }, rules }];
}

function ownGhosts({ services }: Deployment, family: Family): OwnGhost[] {
  return services
    .filter((deployed) => isRouted(deployed.service) && familiesOf(deployed).includes(family))
    .flatMap((deployed) =>
      ghostsOf(deployed, family)
        .filter((ghost) => ghost.ownedBy !== undefined)
        .map((ghost) => ({ deployed, ghost })),
    );
}

function hardwareOf(deployment: Deployment, entries: readonly OwnGhost[]): string[] {
  const addresses = entries.flatMap(({ deployed }) =>
    deployed.servers.flatMap(({ address, address6 }) => [address, address6].flatMap((entry) => entry?.text ?? [])),
  );
  return [...new Set(addresses.flatMap((text) => deployment.observation.hardware.get(text) ?? []))].sort();
}
