import type { DeployedService, Deployment } from '../deployment/deployment.ts';
import type { Placement, Service } from '../config/model.ts';
import type { Family } from '../net/address.ts';
import { accept, back, goto, inSet, jump, lookUp, match, meta, payload, remove, set, update } from './expression.ts';
import { verdictMap } from './expression.ts';
import { flowKey, flowType } from './flow-key.ts';
import { FRAGMENT, FRAGMENT_HEADER, PLAIN } from './inner-packet.ts';
import { CLOSING_SECONDS, isClosing, isOf, isSyn } from './moved-chain.ts';
import { rule } from './ruleset.ts';
import type { Chain, RecordRule, Rule, SetObject, SlotMap } from './ruleset.ts';
import { PROTOCOL_NUMBER, familiesOf, hasPorts, trafficOf } from './traffic.ts';
import type { Traffic } from './traffic.ts';
import { asideChain, closingSet, markOf } from './transition.ts';

// Services with `dispatch` `route` whose connections are placed one by one, by turns or by chance. A map from flows to marks of
// servers remembers who has which. Only packets fill it: a rule that adds to a map cannot be written as JSON for every nft, so
// that the few rules which do are loaded by netlink, each in a chain of its own that others go to.

/** Seconds that a connection is remembered of which only the SYN has been seen: as conntrack does. */
const OPENING_SECONDS = 60;

/** Map from a flow to the mark of the server that has it. */
export function flowMap(service: string, family: Family): string {
  return `${service}/flow${family}`;
}

/** Counter of packets that began a connection for which there was no room. */
export function noRoomCounter(service: string): string {
  return `${service}/flows/full`;
}

/** Chain in which ICMP errors about known flows get their server's mark. */
export function flowErrorChain(service: string, family: Family): string {
  return `${service}/error${family}`;
}

/** True where it is not the hash that places connections of the class. */
export function isPlaced(service: Service, traffic: Traffic): boolean {
  return service.placement !== undefined && hasPorts(traffic);
}

/** Map from the slot that turns or chance have picked to the chain that gives a new flow to its server. */
function turnMap({ service, tables }: DeployedService, family: Family): string {
  return tables[4] === tables[6] || !(tables[4] && tables[6])
    ? `${service.name}/turn`
    : `${service.name}/turn${family}`;
}

function beginChain(service: string, server: string): string {
  return `${service}/begin/${server}`;
}

/** Chain that remembers new flows. */
function recordChain(service: string): string {
  return `${service}/record`;
}

/** Chain of packets of known flows, which are remembered from then on anew. */
function knownChain(service: string): string {
  return `${service}/known`;
}

type Stage = 'opening' | 'open' | 'closing' | 'alive';

/** Chain in which a known flow's time begins anew. */
function stayChain(service: string, stage: Stage): string {
  return `${service}/stay/${stage}`;
}

/** The rules that find the server of a packet's flow, or place a new one; afterwards the mark is the server's, or no mark of any. */
export function findFlow(deployed: DeployedService, family: Family, traffic: Traffic): Rule[] {
  const { service } = deployed;
  const mode = service.placement?.scheduler === 'round_robin' ? 'inc' : 'random';
  return [
    rule('no server yet', set(meta('mark'), 0)),
    rule(
      'flow to server',
      set(meta('mark'), lookUp(flowKey(family), flowMap(service.name, family))),
      jump(knownChain(service.name)),
    ),
    rule(
      'a new flow',
      // Fragments without ports are of no flow.
      traffic === 'tcp' ? isSyn : match(payload('th', 'dport'), 0, '!='),
      match(meta('mark'), 0),
      set(meta('mark'), { numgen: { mode, mod: service.slots, offset: 0 } }),
      verdictMap(meta('mark'), turnMap(deployed, family)),
    ),
  ];
}

/** The maps that turns and chance pick from: the allocation table, in which each server has its share, or what follows the load. */
export function turnMaps(deployed: DeployedService): SlotMap[] {
  if (!deployed.service.placement) return [];
  const targets = deployed.servers.map(({ name }) => beginChain(deployed.service.name, name));
  const maps = new Map<string, SlotMap>();
  for (const family of familiesOf(deployed)) {
    const slots = (deployed.tables.turns ?? deployed.tables)[family];
    const name = turnMap(deployed, family);
    if (slots) maps.set(name, { name, slots, targets, verdict: 'jump' });
  }
  return [...maps.values()];
}

/** The flows, and those of them that are being closed. */
export function flowMaps(deployed: DeployedService): SetObject[] {
  const { name, placement } = deployed.service;
  if (!placement) return [];
  const size = placement.limit === DEFAULT_LIMIT ? {} : { size: placement.limit };
  return familiesOf(deployed).flatMap((family) => {
    const plain = { key: flowType(family), verdicts: false, interval: false, timeout: true, elements: [], ...size };
    return [
      { name: flowMap(name, family), marks: true, ...plain },
      { name: closingSet(name, family), ...plain },
    ];
  });
}

/** The kernel's own limit of sets that are filled by packets. */
const DEFAULT_LIMIT = 65535;

/** The chains beside those of the places where packets arrive. */
export function placedChains(deployed: DeployedService, deployment: Deployment): Chain[] {
  const { placement, slots, idleTimeout, name } = deployed.service;
  if (!placement) return [];
  const families = familiesOf(deployed);
  const traffic = trafficOf(deployed).filter(hasPorts);
  const seconds = secondsOf(placement, idleTimeout);
  const remember = (transport: 'tcp' | 'udp', stage: Stage, purpose: string): RecordRule[] =>
    families.map((family) => ({
      ...{ kind: 'remember', purpose, family },
      protocol: PROTOCOL_NUMBER[transport],
      map: flowMap(name, family),
      seconds: seconds[stage],
    }));
  const stages: readonly Stage[] = [
    ...(traffic.includes('tcp') ? (['opening', 'open', 'closing'] as const) : []),
    ...(traffic.includes('udp') ? (['alive'] as const) : []),
  ];
  return [
    {
      name: asideChain(name),
      rules: [
        rule('a slot is no mark', match(meta('mark'), slots, '<'), set(meta('mark'), 0)),
        rule('left to the stack', accept),
      ],
    },
    ...deployed.servers.map((server) => ({
      name: beginChain(name, server.name),
      rules: [
        rule('its mark', set(meta('mark'), markOf(deployed, deployment, server.name))),
        rule('to be remembered', goto(recordChain(name))),
      ],
    })),
    {
      name: recordChain(name),
      rules: [],
      records: [
        ...(traffic.includes('tcp') ? remember('tcp', 'opening', 'a new connection') : []),
        ...(traffic.includes('udp') ? remember('udp', 'alive', 'a new flow') : []),
        { kind: 'full', purpose: 'no room for it', counter: noRoomCounter(name) },
      ],
    },
    { name: knownChain(name), rules: knownFlow(name, families, traffic) },
    ...stages.map((stage) => ({
      name: stayChain(name, stage),
      rules: [],
      records: remember(stage === 'alive' ? 'udp' : 'tcp', stage, 'its time begins anew'),
    })),
    ...families.map((family) => ({ name: flowErrorChain(name, family), rules: [], records: aboutFlows(name, family) })),
  ];
}

/** A SYN that is repeated has its time already; one that begins anew what was being closed begins that, too. */
function knownFlow(service: string, families: readonly Family[], traffic: readonly Traffic[]): Rule[] {
  const stay = (stage: Stage) => goto(stayChain(service, stage));
  const closing = families.map((family) => ({ key: flowKey(family), inClosing: closingSet(service, family) }));
  const ofTcp = [
    ...closing.map(({ key, inClosing }) =>
      rule('begins anew', isSyn, inSet(key, inClosing), remove(inClosing, key), stay('opening')),
    ),
    rule('begins', isSyn, back),
    ...closing.flatMap(({ key, inClosing }) => {
      const forgetSoon = [update(inClosing, key, CLOSING_SECONDS), stay('closing')];
      return [rule('closes', isClosing, ...forgetSoon), rule('is closing', inSet(key, inClosing), ...forgetSoon)];
    }),
    rule('is open', isOf('tcp'), stay('open')),
  ];
  return [
    ...(traffic.includes('tcp') ? ofTcp : []),
    ...(traffic.includes('udp') ? [rule('is alive', isOf('udp'), stay('alive'))] : []),
  ];
}

function secondsOf({ timeout }: Placement, idleTimeout: number): Readonly<Record<Stage, number>> {
  return {
    opening: OPENING_SECONDS,
    open: Math.ceil(timeout / 1000),
    closing: CLOSING_SECONDS,
    alive: Math.ceil(idleTimeout / 1000),
  };
}

/** IPv4 with options, or IPv6 with further extension headers, inside an error is left to the slow path, which goes by the hash. */
function aboutFlows(service: string, family: Family): RecordRule[] {
  const about = { kind: 'error', purpose: 'about a known flow', family, map: flowMap(service, family) } as const;
  const plain = { ...about, layout: PLAIN[family] };
  if (family === 4) return [plain];
  return [plain, { ...about, layout: FRAGMENT, nextHeader: { offset: PLAIN[6].protocol, value: FRAGMENT_HEADER } }];
}
