import { isFlooded } from '../config/model.ts';
import type { Service } from '../config/model.ts';
import { flowOf } from '../channel/flow.ts';
import type { FlowKey } from '../channel/flow.ts';
import { NOBODY } from '../allocation/table.ts';
import type { DeployedService } from '../deployment/deployment.ts';
import type { Family } from '../net/address.ts';
import {
  accept,
  anonymous,
  concat,
  count,
  drop,
  goto,
  inSet,
  ipProtocol,
  match,
  meta,
  payload,
  set,
  verdictMap,
} from '../ruleset/expression.ts';
import type { Json } from '../ruleset/expression.ts';
import { forwardHashKey } from '../ruleset/hash-key.ts';
import { rule } from '../ruleset/ruleset.ts';
import type { Chain, Rule, Ruleset, SetObject, SlotMap, Table } from '../ruleset/ruleset.ts';
import { serviceMap } from '../ruleset/service-map.ts';
import { PROTOCOL_NUMBER, familiesOf, hasPorts, icmpProtocol, icmpType, trafficOf } from '../ruleset/traffic.ts';
import type { Traffic } from '../ruleset/traffic.ts';
import { OWN, RELEASING } from './ownership.ts';
import type { OwnedFlows, OwnedSlots } from './ownership.ts';

/** Right behind conntrack (-200), and before all that others do with what will be dropped here. */
const FILTER_PRIORITY = -199;

/** Among the chains that a slot leads to: to who has it, and to who has let go of it but for what is open. */
const TAKE = 0;
const KEEP = 1;

/** Segments that begin a connection have SYN of these, and nothing else. */
export const FLAGS: Json = { '&': [payload('tcp', 'flags'), ['fin', 'syn', 'rst', 'ack']] };

/** A service of which every server may get every packet, and what this server has of it. */
export interface FilteredService {
  readonly service: Service;
  /** Families in which the server is part of it. */
  readonly families: readonly Family[];
  readonly owned: OwnedSlots;
  /** Flows of datagrams that are with others than the owners of their slots. */
  readonly flows?: OwnedFlows;
}

/** Counter of packets that this server has taken, and of those that it has left to others. */
export function takenCounter(service: string): string {
  return `${service}/taken`;
}
export const LEFT_COUNTER = 'left';

/** The set without whose elements nothing begins here, and those: the families as netfilter numbers them (NFPROTO_IPV4 and _IPV6). */
export const LEASE_SET = 'lease';
export const LEASED = [2, 10];

/**
 * The filter of a server that gets the packets of all (O4, S2): one of them takes each. What begins something (a TCP connection,
 * an echo request) is taken by who has its slot. All else of TCP and ICMP is taken by who has a connection that it is of: a SYN
 * that comes again after its slot has moved begins anew there, and nobody answers for what he does not know, a listener bound to
 * the ghost notwithstanding, which would by itself answer with a RST.
 *
 * Datagrams are taken by who has their slot, but for those of flows that are open elsewhere: `kept` are the flows that this server
 * goes on with though their slots are others', `elsewhere` those that others go on with. Conntrack alone could not tell: it knows
 * nothing of what others know. It is asked in the moment only in which a slot is let go of, and nobody else has it yet: then what
 * it knows goes on.
 *
 * Only frames to everybody or to a group are looked at: what the router sends to this server alone, as its probes, is meant for
 * it. The stack must see a frame to itself in what is taken, since TCP ignores all others (`tcp_v4_rcv`). The slot is carried from
 * the hash to the map by the packet's priority, so that no mark of anybody is touched; conntrack has the fragments reassembled
 * before, and knows of which connection an ICMP error tells.
 *
 * `isLeased`: nothing begins here but for as long as the server's lease lasts, and no datagram is taken. That is a set whose elements
 * the kernel itself forgets in time, whatever has become of the daemon that puts them in; connections that are open go on.
 */
export function serverFilter(services: readonly FilteredService[], isLeased: boolean): Ruleset {
  const here = services
    .filter(({ service }) => isFlooded(service) || service.secondChance)
    .map(deployedOf)
    .filter((deployed) => familiesOf(deployed).length > 0);
  const active = here.filter(({ service }) => isFlooded(service));
  if (here.length === 0) return { tables: [] };
  const families = ([4, 6] as const).filter((family) => here.some((deployed) => familiesOf(deployed).includes(family)));
  const map = serviceMap(
    'begin',
    active.map((deployed) => ({
      deployed,
      chainOf: (family, traffic) => slotChain(deployed.service.name, traffic, family),
    })),
  );
  const table: Table = {
    family: 'inet',
    chains: [
      {
        name: 'filter',
        hook: { type: 'filter', hook: 'prerouting', priority: FILTER_PRIORITY },
        rules: families.map((family) =>
          rule(
            'sent to all servers',
            inSet(payload(ipProtocol(family), 'daddr'), `ghost${family}`),
            match(meta('pkttype'), anonymous('broadcast', 'multicast')),
            goto(`flooded${family}`),
          ),
        ),
      },
      ...families.map((family) => floodedChain(family, isLeased)),
      ...(isLeased ? families.map(datagramChain) : []),
      {
        name: 'begin',
        rules: [...(isLeased ? [leaseRule()] : []), ...map.rules, rule('of no service', count(LEFT_COUNTER), drop)],
      },
      ...map.chains,
      ...active.flatMap((deployed) => [
        ...slotChains(deployed),
        takeChain(deployed.service),
        ...(isLeased ? [keepChain(deployed.service)] : []),
      ]),
    ],
    sets: [
      ...families.map((family) => ({
        name: `ghost${family}`,
        key: family === 4 ? 'ipv4_addr' : 'ipv6_addr',
        verdicts: false,
        interval: false,
        elements: ghostTexts(here, family),
      })),
      ...map.sets,
      ...(isLeased
        ? [
            { name: LEASE_SET, key: 'nf_proto', verdicts: false, interval: false, timeout: true, elements: [] },
            ...families.flatMap((family) => flowSets(services, family)),
          ]
        : []),
    ],
    slotMaps: active.flatMap(slotMapsOf),
    counters: [LEFT_COUNTER, ...active.map(({ service }) => takenCounter(service.name))],
  };
  return { tables: [table] };
}

/** The same filter with other slots, and, where `alsoFlows`, with other flows that are not with the owners of their slots. */
export function withOwned(ruleset: Ruleset, services: readonly FilteredService[], alsoFlows: boolean): Ruleset {
  const slotMaps = services
    .filter(({ service }) => isFlooded(service))
    .flatMap((filtered) => slotMapsOf(deployedOf(filtered)));
  const flows = ([4, 6] as const).flatMap((family) => flowSets(services, family));
  const others = (sets: readonly SetObject[]): readonly SetObject[] =>
    alsoFlows ? sets.map((set) => flows.find(({ name }) => name === set.name) ?? set) : sets;
  return {
    tables: ruleset.tables.map((table) =>
      table.family === 'inet' ? { ...table, slotMaps, sets: others(table.sets) } : table,
    ),
  };
}

/** The key is as long as it has to be: all of these are datagrams. */
function flowSets(services: readonly FilteredService[], family: Family): SetObject[] {
  const address = family === 4 ? 'ipv4_addr' : 'ipv6_addr';
  return (['kept', 'elsewhere'] as const).map((kind) => ({
    name: `${kind}${family}`,
    key: [address, 'inet_service', address, 'inet_service'],
    verdicts: false,
    interval: false,
    elements: services.flatMap(({ flows }) => [...(flows?.[family]?.[kind] ?? [])].map(flowElement)),
  }));
}

function flowElement(key: FlowKey): Json {
  const { client, clientPort, ghost, port } = flowOf(key);
  return concat(client.text, clientPort, ghost.text, port);
}

/** A service as far as its filter asks. */
export type Filtered = Pick<DeployedService, 'service' | 'ghosts' | 'tables'>;

/** A service in the terms of the router's ruleset, its tables telling this server from all others. */
export function deployedOf({ service, families, owned }: FilteredService): Filtered {
  const tables: Partial<Record<Family, Uint16Array>> = {};
  for (const family of families) {
    const ours = owned[family];
    tables[family] = new Uint16Array(service.slots).map((_, slot) => chainOf(ours?.[slot]));
  }
  const ghosts = service.ghosts.map((address) => ({ address, answeredOn: [] }));
  return { service, ghosts, tables };
}

function chainOf(state: number | undefined): number {
  if (state === OWN) return TAKE;
  return state === RELEASING ? KEEP : NOBODY;
}

export function ghostTexts(active: readonly Filtered[], family: Family): string[] {
  const here = active.filter((deployed) => familiesOf(deployed).includes(family));
  const ghosts = here.flatMap(({ ghosts }) => ghosts.filter(({ address }) => address.family === family));
  return [...new Set(ghosts.map(({ address }) => address.text))];
}

function leaseRule(): Rule {
  return rule('without a lease', inSet(meta('nfproto'), LEASE_SET, '!='), count(LEFT_COUNTER), drop);
}

/** Where there is no channel nobody can tell of open flows, and who has the slot has all of it. */
function datagramChain(family: Family): Chain {
  const ip = ipProtocol(family);
  const flow = concat(payload(ip, 'saddr'), payload('udp', 'sport'), payload(ip, 'daddr'), payload('udp', 'dport'));
  return {
    name: `datagram${family}`,
    rules: [
      leaseRule(),
      rule('of a flow that goes on here', inSet(flow, `kept${family}`), set(meta('pkttype'), 'host'), accept),
      rule('of one that goes on elsewhere', inSet(flow, `elsewhere${family}`), count(LEFT_COUNTER), drop),
      rule('by their slots', goto('begin')),
    ],
  };
}

function floodedChain(family: Family, isLeased: boolean): Chain {
  const toBegin = goto('begin');
  const connected = match({ ct: { key: 'state' } }, ['established', 'related'], 'in');
  const kept = anonymous(PROTOCOL_NUMBER.tcp, PROTOCOL_NUMBER[icmpProtocol(family)]);
  return {
    name: `flooded${family}`,
    rules: [
      rule('a connection begins', match(FLAGS, 'syn'), toBegin),
      rule('echo requests', match(icmpType(family), 'echo-request'), toBegin),
      rule('datagrams', match(meta('l4proto'), PROTOCOL_NUMBER.udp), isLeased ? goto(`datagram${family}`) : toBegin),
      rule('of other protocols', match(meta('l4proto'), kept, '!='), toBegin),
      rule('of a connection of this server', connected, set(meta('pkttype'), 'host'), accept),
      rule('of another one', count(LEFT_COUNTER), drop),
    ],
  };
}

function slotChain(service: string, traffic: Traffic, family: Family): string {
  return `${service}/${traffic}${family}`;
}

function slotMapName(service: string, family: Family): string {
  return `${service}/slot${family}`;
}

function takeChainName(service: string): string {
  return `${service}/take`;
}

function keepChainName(service: string): string {
  return `${service}/keep`;
}

function slotChains(deployed: Filtered): Chain[] {
  const { name, slots, seed, hash, hashPrefix6 } = deployed.service;
  return familiesOf(deployed).flatMap((family) =>
    trafficOf(deployed).map((traffic): Chain => {
      const key = forwardHashKey(hash, family, hasPorts(traffic) ? 'ports' : 'none', hashPrefix6);
      return {
        name: slotChain(name, traffic, family),
        rules: [
          rule(
            'client to slot',
            set(meta('priority'), { jhash: { mod: slots, offset: 0, seed, expr: key } }),
            verdictMap(meta('priority'), slotMapName(name, family)),
          ),
          rule("another server's", count(LEFT_COUNTER), drop),
        ],
      };
    }),
  );
}

function takeChain({ name }: Service): Chain {
  const goesOn = match({ ct: { key: 'state' } }, 'established', 'in');
  const take = [set(meta('pkttype'), 'host'), set(meta('priority'), 0), accept];
  return {
    name: takeChainName(name),
    rules: [
      rule('of a flow', match(meta('l4proto'), PROTOCOL_NUMBER.udp), goesOn, ...take),
      rule('what begins', count(takenCounter(name)), ...take),
    ],
  };
}

/** Of a slot that has been let go of, as long as nobody else has it. */
function keepChain({ name }: Service): Chain {
  const isKnown = match({ ct: { key: 'status' } }, 'confirmed', 'in');
  return {
    name: keepChainName(name),
    rules: [
      rule('open flows', match(meta('l4proto'), PROTOCOL_NUMBER.udp), isKnown, goto(takeChainName(name))),
      rule('what begins', count(LEFT_COUNTER), drop),
    ],
  };
}

/** One for each family, whether or not they are the same, so that nothing but elements changes when slots move. */
function slotMapsOf({ service, tables, ghosts }: Filtered): SlotMap[] {
  return ([4, 6] as const).flatMap((family): SlotMap[] => {
    const slots = tables[family];
    if (!slots || !ghosts.some(({ address }) => address.family === family)) return [];
    return [
      {
        name: slotMapName(service.name, family),
        slots,
        targets: [takeChainName(service.name), keepChainName(service.name)],
        key: 'classid',
      },
    ];
  });
}
