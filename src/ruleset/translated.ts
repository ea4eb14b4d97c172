import { serverAddress } from '../config/model.ts';
import type { DeployedServer, DeployedService, Deployment } from '../deployment/deployment.ts';
import type { Family } from '../net/address.ts';
import { count, goto, inSet, ipProtocol, match, meta, payload, set, verdictMap } from './expression.ts';
import type { Json } from './expression.ts';
import { guardChain } from './fast-path.ts';
import { admit, clientSets, sourceSet } from './guard.ts';
import { rule } from './ruleset.ts';
import type { Chain, Rule, Table } from './ruleset.ts';
import { serviceMap } from './service-map.ts';
import { hashClient, lookUpSlot, serverChain, serverCounter, slotMaps } from './slot-map.ts';
import { impossibleSources } from './source-guard.ts';
import { masqueradeChains } from './masquerade.ts';
import {
  PROTOCOL_NUMBER,
  familiesOf,
  ghostsOf,
  hasPorts,
  trafficOf,
  translatedServices,
  transports,
} from './traffic.ts';
import type { Traffic } from './traffic.ts';

// Services whose connections are translated (`dispatch` `nat`). Conntrack shows the chains here the first packet of a connection
// only, and does to all others what was done to that one: who has the slot now matters to new connections alone.

/** Just before the firewall's own destination translation (-100): the first that translates a connection is the only one. */
const BEFORE_DSTNAT_PRIORITY = -101;
/** Behind conntrack (-200), before any translation. */
const STRAYS_PRIORITY = -149;

/** Place of the router's own requests. */
const ROUTER = 'translated/router';

/** What the slow path's table has for these services. */
export type TranslatedPart = Pick<Table, 'chains' | 'sets' | 'slotMaps' | 'counters'>;

export function translation(deployment: Deployment): TranslatedPart {
  const active = translatedServices(deployment.services);
  if (active.length === 0) return { chains: [], sets: [], slotMaps: [], counters: [] };
  const families = ([4, 6] as const).filter((family) =>
    active.some((deployed) => familiesOf(deployed).includes(family)),
  );
  const places = [...new Set(active.flatMap(({ sources }) => sources))].map((link) => {
    const place = `translated/from/${link.name}`;
    const here = active.filter(({ sources }) => sources.includes(link));
    return { place, link, here, impossible: impossibleSources(deployment, link.name), map: mapAt(place, here) };
  });
  const routersOwn = mapAt(ROUTER, active);
  const toGhost = (chain: Json) =>
    families.map((family) =>
      rule('to a ghost', inSet(payload(ipProtocol(family), 'daddr'), `translated${family}`), chain),
    );
  return {
    chains: [
      {
        name: 'translated',
        hook: { type: 'nat', hook: 'prerouting', priority: BEFORE_DSTNAT_PRIORITY },
        rules: places.length === 0 ? [] : toGhost(goto('translated/arrival')),
      },
      {
        name: 'translated/arrival',
        rules: [
          rule(
            'by device',
            verdictMap(
              meta('iifname'),
              places.map(({ place, link }) => [link.name, goto(place)] as const),
            ),
          ),
        ],
      },
      {
        name: 'translated/output',
        hook: { type: 'nat', hook: 'output', priority: BEFORE_DSTNAT_PRIORITY },
        rules: toGhost(goto(ROUTER)),
      },
      {
        name: 'translated/strays',
        hook: { type: 'filter', hook: 'prerouting', priority: STRAYS_PRIORITY },
        rules: active.flatMap(refuseStrays),
      },
      ...places.flatMap(({ place, here, impossible, map }) => [
        { name: place, rules: map.rules },
        ...map.chains,
        ...here.flatMap((deployed) =>
          guardChains(place, deployed, (family) => admit(place, deployed, family, impossible[family])),
        ),
      ]),
      { name: ROUTER, rules: routersOwn.rules },
      ...routersOwn.chains,
      ...active.flatMap((deployed) => guardChains(ROUTER, deployed, () => [])),
      ...masqueradeChains(active, deployment.observation.environment),
      ...active.flatMap((deployed) => serverChains(deployed, deployment)),
    ],
    sets: [
      ...families.map((family) => ({
        name: `translated${family}`,
        key: family === 4 ? 'ipv4_addr' : 'ipv6_addr',
        verdicts: false,
        interval: false,
        elements: [
          ...new Set(active.flatMap((deployed) => ghostsOf(deployed, family).map(({ address }) => address.text))),
        ],
      })),
      ...places.flatMap(({ map }) => map.sets),
      ...routersOwn.sets,
      ...active.flatMap((deployed) => clientSets(deployed, familiesOf(deployed))),
      ...places.flatMap(({ place, here, impossible }) =>
        [...new Set(here.flatMap(familiesOf))].map((family) => sourceSet(place, family, impossible[family])),
      ),
    ],
    slotMaps: active.flatMap(slotMaps),
    counters: active.flatMap(({ service, servers }) => servers.map(({ name }) => serverCounter(service.name, name))),
  };
}

function mapAt(place: string, here: readonly DeployedService[]) {
  return serviceMap(
    place,
    here.map((deployed) => ({
      deployed,
      chainOf: (family, traffic) => guardChain(place, deployed.service.name, traffic, family),
    })),
  );
}

function guardChains(place: string, deployed: DeployedService, guards: (family: Family) => Rule[]): Chain[] {
  return familiesOf(deployed).flatMap((family) =>
    trafficOf(deployed).map((traffic) => ({
      name: guardChain(place, deployed.service.name, traffic, family),
      rules: [
        ...guards(family),
        rule('client to slot to server', pickSlot(deployed, family, traffic), lookUpSlot(deployed, family)),
        rule('no server', { reject: { type: 'icmpx', expr: 'host-unreachable' } }),
      ],
    })),
  );
}

/** Turns and chance go over the slots, too, so that shares are what they are with the hash, and a change is one of elements. */
function pickSlot(deployed: DeployedService, family: Family, traffic: Traffic): Json {
  const { slots, translation: how } = deployed.service;
  if (!how || how.scheduler === 'hash') return hashClient(deployed, family, traffic);
  const mode = how.scheduler === 'round_robin' ? 'inc' : 'random';
  return set(meta('mark'), { numgen: { mode, mod: slots, offset: 0 } });
}

/**
 * A segment that is none of a connection's first belongs to one that nobody knows any more, as those of a server that has
 * died: told so, the client connects anew at once. Conntrack calls it new where it is to pick up connections that it has not
 * seen beginning (`nf_conntrack_tcp_loose`, the default); what it calls invalid may belong to a living one, and is let alone.
 * Connections to an address that was the ghost before go on as long as they are tracked; afterwards they are nobody's, too.
 */
function refuseStrays(deployed: DeployedService): Rule[] {
  const { service, sources } = deployed;
  if (!transports(service).includes('tcp') || sources.length === 0) return [];
  const isStray = [
    match({ ct: { key: 'state' } }, 'new', 'in'),
    match({ '&': [payload('tcp', 'flags'), ['syn', 'rst']] }, 0),
  ];
  const aimedAt = (of: Family) => [
    ...ghostsOf(deployed, of).map(({ address }) => address.text),
    ...(service.formerGhosts ?? []).filter(({ family }) => family === of).map(({ text }) => text),
  ];
  return familiesOf(deployed).map((family) =>
    rule(
      `lost connections of ${service.name}`,
      match(payload(ipProtocol(family), 'daddr'), among(aimedAt(family))),
      ...isStray,
      match(meta('iifname'), among(sources.map(({ name }) => name))),
      ...(service.ports.length === 0 ? [] : [match(payload('tcp', 'dport'), among(portsOf(deployed)))]),
      { reject: { type: 'tcp reset' } },
    ),
  );
}

function portsOf({ service }: DeployedService): Json[] {
  return service.ports.map(({ first, last }) => (first === last ? first : { range: [first, last] }));
}

function among(values: readonly Json[]): Json {
  const [only, second] = values;
  return only !== undefined && second === undefined ? only : { set: values };
}

/**
 * The mark is the one by which the slow path's packets are known: firewalls let those through that are told to, and fw4 is.
 * Later packets are of an established connection.
 */
function serverChains(deployed: DeployedService, { markBase }: Deployment): Chain[] {
  const { service, servers } = deployed;
  return servers.map((server) => ({
    name: serverChain(service.name, server.name),
    rules: [
      rule(
        'to the server',
        count(serverCounter(service.name, server.name)),
        set(meta('mark'), (markBase + server.number) >>> 0),
      ),
      ...familiesOf(deployed).flatMap((family) => translations(deployed, server, family)),
    ],
  }));
}

function translations(deployed: DeployedService, server: DeployedServer, family: Family): Rule[] {
  const address = serverAddress(server, family);
  if (!address) return [];
  const { port } = server;
  const to = { addr: address.text, family: ipProtocol(family) };
  const withPort = (traffic: Traffic) =>
    port === undefined || !hasPorts(traffic)
      ? []
      : [rule('its own port', match(meta('l4proto'), PROTOCOL_NUMBER[traffic]), { dnat: { ...to, port } })];
  return [...trafficOf(deployed).flatMap(withPort), rule('its address', { dnat: to })];
}
