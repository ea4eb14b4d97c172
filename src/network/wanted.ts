import type { DeployedServer, DeployedService, Deployment } from '../deployment/deployment.ts';
import type { LinkState } from '../config/environment.ts';
import { isFlooded, isRouted, isTranslated, serverAddress } from '../config/model.ts';
import { egressKey } from '../egress/egress.ts';
import { maskAddress, prefixHolds } from '../net/address.ts';
import type { Family } from '../net/address.ts';
import { familiesOf, ghostsOf } from '../ruleset/traffic.ts';
import { BEFORE_LOCAL, BEHIND_DEFAULT, neighbourPlace, routeKey, ruleKey } from './state.ts';
import type { DeviceReference, NeighbourEntry, NetworkState, RouteEntry, RuleEntry, SysctlEntry } from './state.ts';

/** The routing table `main` (RT_TABLE_MAIN). */
const MAIN_TABLE = 254;

/** Every bit of a mark counts: packets that others have marked are none of ours. */
const WHOLE_MARK = 0xffffffff;

/** Server numbers take the lower half of a mark. */
const MARKS = 0x10000;

/**
 * What a deployment needs beside nftables: the slow path's policy routing, routes for the ghosts, the servers' neighbour
 * entries kept fresh, the way to all servers at once, answers to neighbour solicitations for ghosts, and the few sysctls without which it fails silently.
 */
export function wantedNetwork(deployment: Deployment): NetworkState {
  const parts = inOrder(deployment.services).flatMap((deployed) =>
    familiesOf(deployed).map((family) => wantedOf(deployment, deployed, family)),
  );
  return {
    routes: unique(
      parts.flatMap(({ routes }) => routes),
      routeKey,
    ),
    // Two services may need the way to their servers' rules before and behind `local`; before serves both.
    rules: unique(
      parts.flatMap(({ rules }) => rules).sort((a, b) => a.priority - b.priority),
      (rule) => (rule.goto === undefined ? ruleKey(rule) : `${rule.family} ${rule.mark}`),
    ).sort((a, b) => Number(a.goto !== undefined) - Number(b.goto !== undefined)),
    neighbours: unique(
      parts.flatMap(({ neighbours }) => neighbours),
      neighbourPlace,
    ),
    sysctls: unique(
      parts.flatMap(({ sysctls }) => sysctls),
      ({ key }) => key,
    ),
  };
}

/** A ghost has one route: what goes to all servers needs its own, the others are content with any to their device. */
function inOrder(services: readonly DeployedService[]): DeployedService[] {
  const [flooded, routed] = [true, false].map((wanted) =>
    services.filter(({ service }) => isFlooded(service) === wanted),
  );
  return [...(flooded ?? []), ...(routed ?? [])];
}

function wantedOf(deployment: Deployment, deployed: DeployedService, family: Family): NetworkState {
  const { device, sources, servers } = deployed;
  const ghosts = ghostsOf(deployed, family);
  // What is translated finds its server as anything does that goes there.
  const reachable = isTranslated(deployed.service) ? [] : servers.filter((server) => serverAddress(server, family));
  const foreign = ghosts.filter(({ ownedBy }) => ownedBy === undefined);
  const owned = foreign.length < ghosts.length && !isTranslated(deployed.service);
  const answering = foreign.flatMap(({ address, answeredOn }) => answeredOn.map((link) => ({ address, link })));
  return {
    routes: [
      ...foreign.map(({ address, flood }): RouteEntry => {
        const destination = { address, length: address.bytes.length * 8 };
        const via = flood && { via: flood.via, onlink: true };
        return { family, table: MAIN_TABLE, destination, ...via, ...on(device) };
      }),
      ...reachable.flatMap((server) => serverRoute(deployment, device, server, family)),
    ],
    rules: reachable.length > 0 ? policyRules(deployment, reachable, family, owned) : [],
    neighbours: [
      ...[...reachable, ...onLink(deployment, deployed, family)].flatMap((server) => neighbour(device, server, family)),
      ...(isRouted(deployed.service) ? reachable.flatMap((server) => bypass(deployment, device, server, family)) : []),
      ...foreign.flatMap(({ flood }): NeighbourEntry[] =>
        flood ? [{ family, address: flood.via, ...on(device), kind: 'permanent', hardware: flood.hardware }] : [],
      ),
      ...(family === 6
        ? answering.map(({ address, link }): NeighbourEntry => ({
            family,
            address,
            ...on(link),
            kind: 'proxy',
          }))
        : []),
    ],
    sysctls: [
      ...(reachable.length + onLink(deployment, deployed, family).length > 0 && device.hardware !== undefined
        ? [resolicitation(device, family)]
        : []),
      ...(family === 4 ? forwarding([device, ...sources]) : []),
      ...(family === 4 && owned ? ownAddress(deployment, device) : []),
      ...(family === 6 ? answering.flatMap(({ link }) => proxyDiscovery(link)) : []),
    ],
  };
}

/**
 * By its mark a packet is led on to the rules of the servers, one for each. Those stand behind the kernel's own, so that packets
 * without such a mark are spared them, and behind them one for marks of others that begin as ours do.
 */
function policyRules(
  { markBase, tableBase, rulePriority }: Deployment,
  servers: readonly DeployedServer[],
  family: Family,
  beforeLocal: boolean,
): RuleEntry[] {
  const first = markBase - (markBase % MARKS);
  const blocks = first === markBase ? [first] : [first, (first + MARKS) >>> 0];
  const priority = beforeLocal ? BEFORE_LOCAL : rulePriority;
  return [
    ...servers.map(({ number }): RuleEntry => {
      const mark = (markBase + number) >>> 0;
      return { family, priority: BEHIND_DEFAULT, mark, mask: WHOLE_MARK, table: tableBase + number };
    }),
    { family, priority: BEHIND_DEFAULT + 1, mark: 0, mask: 0, table: MAIN_TABLE },
    ...blocks.map((mark): RuleEntry => {
      return { family, priority, mark, mask: (WHOLE_MARK - MARKS + 1) >>> 0, table: 0, goto: BEHIND_DEFAULT };
    }),
  ];
}

/** Servers of what is translated that are the device's neighbours: who is given up as a neighbour is asked for again by nobody else. */
function onLink(
  { observation }: Deployment,
  { service, device, servers }: DeployedService,
  family: Family,
): DeployedServer[] {
  if (!isTranslated(service)) return [];
  const subnets = observation.environment.addresses
    .filter((own) => own.device === device.name && own.address.family === family)
    .map((own) => maskAddress(own.peer ?? own.address, own.prefixLength));
  return servers.filter((server) => {
    const address = serverAddress(server, family);
    return address && subnets.some((subnet) => prefixHolds(subnet, address));
  });
}

function serverRoute(deployment: Deployment, device: LinkState, server: DeployedServer, family: Family): RouteEntry[] {
  const via = serverAddress(server, family);
  if (!via) return [];
  const table = deployment.tableBase + server.number;
  return [{ family, table, destination: 'default', via, onlink: true, ...on(device) }];
}

function neighbour(device: LinkState, server: DeployedServer, family: Family): NeighbourEntry[] {
  const address = serverAddress(server, family);
  // On a device without Ethernet addresses there is nothing to resolve, and the kernel would make an entry for 0.0.0.0 of it.
  if (!address || device.hardware === undefined) return [];
  return [{ family, address, ...on(device), kind: 'managed' }];
}

/** What `fwd ip to` finds on the port of a bridge, where nobody ever answers: replies come in by the bridge. */
function bypass({ egresses }: Deployment, device: LinkState, server: DeployedServer, family: Family): NeighbourEntry[] {
  const address = serverAddress(server, family);
  const egress = address && egresses?.get(egressKey(device, address));
  if (!egress) return [];
  return [{ family, address, device: egress.port, kind: 'permanent', hardware: egress.hardware }];
}

/**
 * Before it gives an entry up, the kernel asks the known MAC address only (`neigh_max_probes` in net/core/neighbour.c): a server
 * that has silently got another one would be taken for dead. As many questions to everybody as a new entry gets.
 */
function resolicitation({ name }: LinkState, family: Family): SysctlEntry {
  return { key: `net/ipv${family}/neigh/${name}/mcast_resolicit`, value: '3', dispensable: true };
}

function forwarding(links: readonly LinkState[]): SysctlEntry[] {
  return links.map(({ name }) => ({ key: `net/ipv4/conf/${name}/forwarding`, value: '1' }));
}

/** Replies come from the servers' link with the router's own address as source (fib_validate_source in net/ipv4). */
function ownAddress({ observation }: Deployment, { name }: LinkState): SysctlEntry[] {
  const accept = { key: `net/ipv4/conf/${name}/accept_local`, value: '1' };
  const loose = { key: `net/ipv4/conf/${name}/rp_filter`, value: '2' };
  return observation.strictReversePath.has(name) ? [accept, loose] : [accept];
}

/** The kernel answers solicitations for proxy entries only where it is told to, and after a random delay otherwise (RFC 4861 §7.2.8). */
function proxyDiscovery({ name }: LinkState): SysctlEntry[] {
  return [
    { key: `net/ipv6/conf/${name}/proxy_ndp`, value: '1' },
    { key: `net/ipv6/neigh/${name}/proxy_delay`, value: '0' },
  ];
}

function on({ name, ifindex }: LinkState): { device: DeviceReference } {
  return { device: { name, ifindex } };
}

function unique<T>(list: readonly T[], keyOf: (entry: T) => string): T[] {
  const seen = new Map<string, T>();
  for (const entry of list) if (!seen.has(keyOf(entry))) seen.set(keyOf(entry), entry);
  return [...seen.values()];
}
