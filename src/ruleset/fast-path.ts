import type { LinkState } from '../config/environment.ts';
import type { DeployedService, Deployment } from '../deployment/deployment.ts';
import { serverAddress } from '../config/model.ts';
import { egressKey } from '../egress/egress.ts';
import type { Family } from '../net/address.ts';
import type { DeviceReference } from '../network/state.ts';
import type { Json } from './expression.ts';
import { accept, count, goto, jump, match, meta, payload, range, verdictMap } from './expression.ts';
import { admit, clampSegments, clientSets, leaveForeignFrames, leaveToStack, sourceSet } from './guard.ts';
import { answerArp } from './arp-answer.ts';
import { isSyn, transitionChains } from './moved-chain.ts';
import { findFlow, flowErrorChain, flowMaps, isPlaced, noRoomCounter, placedChains, turnMaps } from './placed.ts';
import { rule } from './ruleset.ts';
import type { Chain, Rule, Table } from './ruleset.ts';
import { serviceMap } from './service-map.ts';
import { dispatchByClient, hashClient, lookUpSlot, serverChain, serverCounter, slotMaps } from './slot-map.ts';
import { impossibleSources } from './source-guard.ts';
import type { ImpossibleSources } from './source-guard.ts';
import { familiesOf, routedServices, trafficOf } from './traffic.ts';
import type { Traffic } from './traffic.ts';
import {
  asideChain,
  endMap,
  endMaps,
  flowSets,
  historyMap,
  historyMaps,
  isMoving,
  marksApart,
  questionsAbout,
  recordsChain,
  transitionCounters,
} from './transition.ts';
import type { Question } from './transition.ts';

/** Before flowtables (0) and before anything else that usually hooks ingress. */
export const INGRESS_PRIORITY = -150;

/** Chain of the guards that a service's packets of one class pass on their way from a device. */
export function guardChain(place: string, service: string, traffic: Traffic, family: Family): string {
  return `${place}/${service}/${traffic}${family}`;
}

/**
 * The fast path: at ingress of every device where clients arrive, before the stack has done any work for the packet.
 * Device → service → guards → hash → slot → server's chain, which counts and hands the packet to the server's neighbour.
 */
export function fastPath(deployment: Deployment): Table {
  const { services } = deployment;
  const active = routedServices(services);
  const arp = answerArp(deployment);
  const sources = new Map(active.flatMap(({ sources }) => sources.map((link) => [link.name, link] as const)));
  const devices = new Map([...sources, ...arp.map(({ link }) => [link.name, link] as const)]);

  const chains: Chain[] = [];
  const sets: Table['sets'][number][] = [];
  for (const link of devices.values()) {
    const place = `from/${link.name}`;
    const here = active.filter((deployed) => deployed.sources.includes(link));
    const map = serviceMap(
      place,
      here.map((deployed) => ({
        deployed,
        chainOf: (family, traffic) => guardChain(place, deployed.service.name, traffic, family),
        ...(deployed.service.placement ? { errorsOf: (family) => flowErrorChain(deployed.service.name, family) } : {}),
      })),
    );
    const answer = arp.find((entry) => entry.link === link);
    const impossible = impossibleSources(deployment, link.name);
    chains.push(
      {
        name: place,
        hook: { type: 'filter', hook: 'ingress', priority: INGRESS_PRIORITY, device: link.name },
        rules: [...map.rules, ...(answer?.rules ?? [])],
        bound: { [link.name]: link.ifindex },
      },
      ...map.chains,
      ...here.flatMap((deployed) => guardChains(place, link, deployed, impossible)),
      ...(answer?.chains ?? []),
    );
    sets.push(...map.sets);
    for (const family of new Set(here.flatMap(familiesOf))) sets.push(sourceSet(place, family, impossible[family]));
  }
  return {
    family: 'netdev',
    chains: [
      ...chains,
      ...active.flatMap((deployed) => [
        ...transitionChains(deployed, deployment),
        ...placedChains(deployed, deployment),
      ]),
      ...serverChains(deployment),
    ],
    sets: [
      ...sets,
      ...active.flatMap((deployed) => [
        ...clientSets(deployed, familiesOf(deployed)),
        ...flowSets(deployed),
        ...flowMaps(deployed),
        ...endMaps(deployed, deployment),
      ]),
    ],
    slotMaps: [...active.flatMap(slotMaps), ...active.flatMap(historyMaps), ...active.flatMap(turnMaps)],
    counters: active.flatMap((deployed) => [
      ...deployed.servers.map(({ name }) => serverCounter(deployed.service.name, name)),
      ...transitionCounters(deployed),
      ...(deployed.service.placement ? [noRoomCounter(deployed.service.name)] : []),
    ]),
  };
}

function guardChains(
  place: string,
  source: LinkState,
  deployed: DeployedService,
  impossible: ImpossibleSources,
): Chain[] {
  return familiesOf(deployed).flatMap((family) =>
    trafficOf(deployed).map((traffic) => {
      const placed = isPlaced(deployed.service, traffic);
      const moving = placed || isMoving(deployed, family, traffic);
      const find = placed ? findFlow : findHistory;
      const aside = moving ? goto(asideChain(deployed.service.name)) : accept;
      const left = leaveToStack(source, deployed.device, family, traffic, aside);
      const admitted = admit(place, deployed, family, impossible[family]);
      return {
        name: guardChain(place, deployed.service.name, traffic, family),
        rules: [
          ...leaveForeignFrames(source, family),
          // What is left to the stack goes the way of its flow there: it has to be found out before.
          ...(moving ? [...admitted, ...find(deployed, family, traffic), ...left] : [...left, ...admitted]),
          ...clampSegments(source, deployed.device, family, traffic),
          ...(moving
            ? [
                rule(
                  placed ? 'to the server of its flow' : 'decided by its history',
                  verdictMap(meta('mark'), endMap(deployed.service.name)),
                ),
                placed
                  ? rule('client to slot to server', ...dispatchByClient(deployed, family, traffic))
                  : rule('slot to server', lookUpSlot(deployed, family)),
              ]
            : [rule('client to slot to server', ...dispatchByClient(deployed, family, traffic))]),
        ],
      };
    }),
  );
}

/**
 * Whoever decides sets a server's mark, which is in none of the maps that follow. The first rule does two things: a fragment
 * has no ports to hash, and must not be taken for one of slot 0; nor by the other rules, which look at a port for that.
 */
function findHistory(deployed: DeployedService, family: Family, traffic: Traffic): Rule[] {
  const hasPort = match(payload('th', 'dport'), 0, '!=');
  const conditions: Readonly<Record<Question, Json>> = {
    moved: hashClient(deployed, family, traffic),
    visited: hasPort,
    new: isSyn,
    unknown: hasPort,
    learning: hasPort,
  };
  const { first, last } = marksApart(deployed.service);
  const isApart = match(meta('mark'), range(first, last));
  return questionsAbout(traffic).flatMap((question) => {
    const lookUp = verdictMap(meta('mark'), historyMap(deployed, question, family));
    return [
      rule(PURPOSES[question], conditions[question], lookUp),
      ...(question === 'visited'
        ? [rule('several may have it', isApart, jump(recordsChain(deployed.service.name)))]
        : []),
    ];
  });
}

const PURPOSES: Readonly<Record<Question, string>> = {
  moved: 'client to slot to who has it',
  visited: 'slot to others that may have the flow',
  new: 'slot to who gets new connections',
  unknown: 'slot to unknown connections',
  learning: 'slot to learning',
};

/**
 * Where packets for a server end, of all services. `fwd ip to` resolves the server by the kernel's neighbour table, so that the
 * MAC follows when a network card is swapped, lowers the TTL, and works from devices without Ethernet header. It passes over
 * packets of the other family. The device is the server's, or the port of it behind which the server is.
 */
export function serverChains({ services, egresses }: Deployment): Chain[] {
  return routedServices(services).flatMap(({ service, device, servers }) =>
    servers.map((server) => {
      const ways = ([4, 6] as const).flatMap((family) => {
        const address = serverAddress(server, family);
        const out: DeviceReference | undefined = address && (egresses?.get(egressKey(device, address))?.port ?? device);
        return address && out ? [{ family, address: address.text, out }] : [];
      });
      const counter = count(serverCounter(service.name, server.name));
      const used = ways.length > 0 ? ways.map(({ out }) => out) : [device];
      return {
        name: serverChain(service.name, server.name),
        rules: ways.map(({ family, address, out }, index) => {
          const forward = { fwd: { dev: out.name, family: family === 4 ? 'ip' : 'ip6', addr: address } };
          return rule('to the server', ...(index === 0 ? [counter, forward] : [forward]));
        }),
        bound: Object.fromEntries(used.map(({ name, ifindex }) => [name, ifindex])),
      };
    }),
  );
}
