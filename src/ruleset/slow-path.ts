import type { LinkState } from '../config/environment.ts';
import type { DeployedService, Deployment } from '../deployment/deployment.ts';
import type { Family } from '../net/address.ts';
import { accept, concat, count, drop, goto, inSet, ipProtocol, match, meta, notrack, payload } from './expression.ts';
import { range, set, verdictMap } from './expression.ts';
import { guardChain } from './fast-path.ts';
import { admit, clampSegments, clientSets, sourceSet } from './guard.ts';
import { ghostSets, isForeign, isGhost } from './ghost-set.ts';
import { icmpErrorChain, icmpErrorChains, steerOwnErrors, suppressRedirects } from './icmp-error.ts';
import { floodedSets, untrackFlooded } from './flooded.ts';
import { guardOwnAddress, keepPortsFromMasquerading } from './own-address.ts';
import { isPlaced } from './placed.ts';
import { rule } from './ruleset.ts';
import type { Chain, Rule, Table } from './ruleset.ts';
import { serviceMap } from './service-map.ts';
import { dispatchByClient, serverChain, serverCounter, slotMaps } from './slot-map.ts';
import { impossibleSources } from './source-guard.ts';
import { errorTypes, familiesOf, floodedServices, icmpType, routedServices, trafficOf } from './traffic.ts';
import { translatedServices } from './traffic.ts';
import type { Traffic } from './traffic.ts';
import { translation } from './translated.ts';
import { endMap, endMaps, isMoving, refusalsOf, resetMark } from './transition.ts';

/** Before conntrack (-200), behind defragmentation (-400). */
const RAW_PRIORITY = -300;
/** Behind the mangle hooks (-150) of programs that set marks of their own, such as mwan3. */
const DISPATCH_PRIORITY = -149;
const MANGLE_PRIORITY = -150;
/** Before the firewall's source translation (100). */
const BEFORE_SRCNAT_PRIORITY = 99;

/** Server numbers end here. */
const LAST_SERVER = 65535;

/** Place of the router's own requests to a ghost. */
const ROUTER = 'router';

/**
 * The slow path: what the fast path left to the stack, behind defragmentation and before routing. The same maps lead to the
 * same server; its chain sets the server's mark, and policy routing does the rest. Here is also what keeps conntrack from
 * seeing one half of a connection, and what steers the ICMP errors of clients, of routers under way and of this one. What goes
 * to all servers needs no more of this than conntrack's blindness, and no redirects.
 */
export function slowPath(deployment: Deployment): Table {
  const active = routedServices(deployment.services);
  const flooded = floodedServices(deployment.services);
  const translated = translation(deployment);
  const families = ([4, 6] as const).filter((family) =>
    active.some((deployed) => familiesOf(deployed).includes(family)),
  );
  const sources = [...new Set(active.flatMap((deployed) => deployed.sources))];
  const places = sources.map((link) => ({
    place: `from/${link.name}`,
    link,
    here: active.filter((deployed) => deployed.sources.includes(link)),
    impossible: impossibleSources(deployment, link.name),
  }));
  const maps = places.map(({ place, here }) =>
    serviceMap(
      place,
      here.map((deployed) => ({
        deployed,
        chainOf: (family, traffic) => guardChain(place, deployed.service.name, traffic, family),
      })),
    ),
  );
  const routersOwn = serviceMap(
    ROUTER,
    active.map((deployed) => ({
      deployed,
      chainOf: (family, traffic) => guardChain(ROUTER, deployed.service.name, traffic, family),
    })),
  );

  const chains: Chain[] = [
    ...conntrackChains(deployment, families, flooded, active),
    ...(places.length > 0 ? arrivalChains(active, places, families) : []),
    ...places.flatMap(({ place, link, here, impossible }, index) => [
      {
        name: place,
        rules: [
          ...families.map((family) =>
            rule('ICMP errors', match(icmpType(family), errorTypes(family)), goto(icmpErrorChain(family))),
          ),
          ...(maps[index]?.rules ?? []),
        ],
      },
      ...(maps[index]?.chains ?? []),
      ...here.flatMap((deployed) =>
        guardChains(place, deployed, (family, traffic) => [
          ...admit(place, deployed, family, impossible[family]),
          ...clampSegments(link, deployed.device, family, traffic),
          ...(isMoving(deployed, family, traffic) || isPlaced(deployed.service, traffic)
            ? heedHistory(deployed, deployment, traffic)
            : []),
        ]),
      ),
    ]),
    {
      name: 'output',
      hook: { type: 'route', hook: 'output', priority: MANGLE_PRIORITY },
      rules: [
        ...[...active, ...flooded, ...translatedServices(deployment.services)].flatMap(suppressRedirects),
        ...active.flatMap((deployed) => steerOwnErrors(deployed, deployment)),
        ...(active.length > 0 ? probes(deployment) : []),
        ...families.map((family) =>
          rule('requests of the router', inSet(payload(ipProtocol(family), 'daddr'), `foreign${family}`), goto(ROUTER)),
        ),
      ],
    },
    ...(active.length > 0 ? [{ name: ROUTER, rules: routersOwn.rules }] : []),
    ...routersOwn.chains,
    ...active.flatMap((deployed) => guardChains(ROUTER, deployed, () => [])),
    ...icmpErrorChains(active, families),
    ...replyChains(deployment, active),
    ...keepPortsFromMasquerading(deployment, BEFORE_SRCNAT_PRIORITY),
    ...active.flatMap((deployed) => serverChains(deployed, deployment)),
    ...translated.chains,
  ];
  return {
    family: 'inet',
    chains,
    sets: [
      ...families.flatMap((family) => ghostSets(active, family)),
      ...floodedSets(flooded),
      ...maps.flatMap(({ sets }) => sets),
      ...routersOwn.sets,
      ...active.flatMap((deployed) => [
        ...clientSets(deployed, familiesOf(deployed)),
        ...endMaps(deployed, deployment),
      ]),
      ...places.flatMap(({ place, here, impossible }) =>
        [...new Set(here.flatMap(familiesOf))].map((family) => sourceSet(place, family, impossible[family])),
      ),
      ...translated.sets,
    ],
    slotMaps: [...active.flatMap(slotMaps), ...translated.slotMaps],
    counters: [
      ...active.flatMap(({ service, servers }) => servers.map(({ name }) => serverCounter(service.name, name))),
      ...translated.counters,
    ],
  };
}

/** What carries the mark of a server already, as the watchdog's probes do, goes to that server and not where a client would. */
function probes({ markBase }: Deployment): Rule[] {
  return [rule('probes', match(meta('mark'), range((markBase + 1) >>> 0, (markBase + LAST_SERVER) >>> 0)), accept)];
}

/** What came by a device where clients arrive goes on in that device's chain. */
function arrivalChains(
  active: readonly DeployedService[],
  places: readonly { place: string; link: LinkState }[],
  families: readonly Family[],
): Chain[] {
  return [
    {
      name: 'dispatch',
      hook: { type: 'filter', hook: 'prerouting', priority: DISPATCH_PRIORITY },
      rules: families.map((family) => rule('to a ghost', ...isGhost(active, family, 'daddr'), goto('arrival'))),
    },
    {
      name: 'arrival',
      rules: [
        // The mention of conntrack's state is what switches defragmentation on; `notrack` alone does not.
        rule(
          'by device',
          match({ ct: { key: 'state' } }, 'untracked', 'in'),
          verdictMap(
            meta('iifname'),
            places.map(({ place, link }) => [link.name, goto(place)] as const),
          ),
        ),
      ],
    },
  ];
}

/**
 * Conntrack must see neither direction: with the replies alone untracked, the client's ACK was INVALID and dropped. Of the
 * router's own address only the services' packets go untracked.
 */
function conntrackChains(
  deployment: Deployment,
  families: readonly Family[],
  flooded: readonly DeployedService[],
  active: readonly DeployedService[],
): Chain[] {
  const untracked = untrackFlooded(flooded);
  const rules = families.flatMap((family): Rule[] => {
    const ip = ipProtocol(family);
    const own = (address: 'saddr' | 'daddr', port: 'sport' | 'dport') =>
      inSet(concat(payload(ip, address), meta('l4proto'), payload('th', port)), `own${family}`);
    return [
      rule('to a ghost', ...isForeign(active, family, 'daddr'), notrack, accept),
      rule('from a ghost', ...isForeign(active, family, 'saddr'), notrack, accept),
      ...guardOwnAddress(deployment, family, own),
    ];
  });
  return [
    {
      name: 'untracked',
      hook: { type: 'filter', hook: 'prerouting', priority: RAW_PRIORITY },
      rules: [...rules, ...untracked.requests, ...untracked.replies],
    },
    {
      name: 'untracked/output',
      hook: { type: 'filter', hook: 'output', priority: RAW_PRIORITY },
      rules: [
        ...families.map((family) =>
          rule('to a ghost', inSet(payload(ipProtocol(family), 'daddr'), `foreign${family}`), notrack, accept),
        ),
        ...untracked.requests,
      ],
    },
    ...untracked.chains,
  ];
}

function guardChains(
  place: string,
  deployed: DeployedService,
  guards: (family: Family, traffic: Traffic) => Rule[],
): Chain[] {
  return familiesOf(deployed).flatMap((family) =>
    trafficOf(deployed).map((traffic) => ({
      name: guardChain(place, deployed.service.name, traffic, family),
      rules: [
        ...guards(family, traffic),
        rule('client to slot to server', ...dispatchByClient(deployed, family, traffic)),
        rule('no server', place === ROUTER ? drop : { reject: { type: 'icmpx', expr: 'host-unreachable' } }),
      ],
    })),
  );
}

/**
 * While a change is digested, and where connections are placed one by one, the fast path has decided by the packet's flow, and
 * its mark says how. Reassembled packets
 * carry the mark of their first fragment. The router's own connections, echo and ICMP errors go by the slot table at once.
 */
function heedHistory(deployed: DeployedService, deployment: Deployment, traffic: Traffic): Rule[] {
  const { name } = deployed.service;
  if (deployed.service.placement) return [rule('to the server of its flow', verdictMap(meta('mark'), endMap(name)))];
  const refuses = traffic === 'tcp' && refusalsOf(deployed).includes('reset');
  const isRefused = match(meta('mark'), resetMark(deployment));
  return [
    rule('decided by its history', verdictMap(meta('mark'), endMap(name))),
    ...(refuses ? [rule('lost connection', isRefused, { reject: { type: 'tcp reset' } })] : []),
  ];
}

/**
 * The way of what servers send back, where it comes through this router. All that the router forwards passes this hook, so that it
 * is there only where another link carries less than that of the servers.
 */
function replyChains({ observation }: Deployment, active: readonly DeployedService[]): Chain[] {
  const links = [...observation.environment.links.values()];
  const narrow = active.filter(({ device }) => links.some(({ mtu }) => mtu < device.mtu));
  const families = ([4, 6] as const).filter((family) =>
    narrow.some((deployed) => familiesOf(deployed).includes(family)),
  );
  if (families.length === 0) return [];
  const hook = { type: 'filter', hook: 'forward', priority: MANGLE_PRIORITY } as const;
  return [{ name: 'replies', hook, rules: families.map((family) => clampReplies(active, family)) }];
}

/** Where replies are forwarded, the client's link may carry less than the server's: `rt mtu` knows. */
function clampReplies(active: readonly DeployedService[], family: Family): Rule {
  return rule(
    'path MTU',
    ...isGhost(active, family, 'saddr'),
    match(payload('tcp', 'flags'), 'syn', 'in'),
    set({ 'tcp option': { name: 'maxseg', field: 'size' } }, { rt: { key: 'mtu' } }),
  );
}

function serverChains({ service, servers }: DeployedService, { markBase }: Deployment): Chain[] {
  return servers.map(({ name, number }) => ({
    name: serverChain(service.name, name),
    rules: [
      rule(
        'to the server',
        count(serverCounter(service.name, name)),
        set(meta('mark'), (markBase + number) >>> 0),
        accept,
      ),
    ],
  }));
}
