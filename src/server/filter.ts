import { isFlooded } from '../config/model.ts';
import type { Service } from '../config/model.ts';
import { NOBODY } from '../allocation/table.ts';
import type { DeployedService } from '../deployment/deployment.ts';
import type { Family } from '../net/address.ts';
import {
  accept,
  anonymous,
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
import type { Chain, Ruleset, SlotMap, Table } from '../ruleset/ruleset.ts';
import { serviceMap } from '../ruleset/service-map.ts';
import { PROTOCOL_NUMBER, familiesOf, hasPorts, icmpProtocol, icmpType, trafficOf } from '../ruleset/traffic.ts';
import type { Traffic } from '../ruleset/traffic.ts';
import type { OwnedSlots } from './ownership.ts';

/** Right behind conntrack (-200), and before all that others do with what will be dropped here. */
const FILTER_PRIORITY = -199;

/** This server, among the chains that a slot leads to. */
const SERVER = 0;

/** Segments that begin a connection have SYN of these, and nothing else. */
export const FLAGS: Json = { '&': [payload('tcp', 'flags'), ['fin', 'syn', 'rst', 'ack']] };

/** A service of which every server may get every packet, and what this server has of it. */
export interface FilteredService {
  readonly service: Service;
  /** Families in which the server is part of it. */
  readonly families: readonly Family[];
  readonly owned: OwnedSlots;
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
 * the ghost notwithstanding, which would by itself answer with a RST. Datagrams are taken by both rules.
 *
 * Only frames to everybody or to a group are looked at: what the router sends to this server alone, as its probes, is meant for
 * it. The stack must see a frame to itself in what is taken, since TCP ignores all others (`tcp_v4_rcv`). The slot is carried from
 * the hash to the map by the packet's priority, so that no mark of anybody is touched; conntrack has the fragments reassembled
 * before, and knows of which connection an ICMP error tells.
 *
 * `isLeased`: nothing begins here but for as long as the server's lease lasts. That is a set whose elements the kernel itself
 * forgets in time, whatever has become of the daemon that puts them in; connections that are open go on.
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
      ...families.map(floodedChain),
      {
        name: 'begin',
        rules: [
          ...(isLeased
            ? [rule('without a lease', inSet(meta('nfproto'), LEASE_SET, '!='), count(LEFT_COUNTER), drop)]
            : []),
          ...map.rules,
          rule('of no service', count(LEFT_COUNTER), drop),
        ],
      },
      ...map.chains,
      ...active.flatMap((deployed) => [...slotChains(deployed), takeChain(deployed.service)]),
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
        ? [{ name: LEASE_SET, key: 'nf_proto', verdicts: false, interval: false, timeout: true, elements: [] }]
        : []),
    ],
    slotMaps: active.flatMap(slotMapsOf),
    counters: [LEFT_COUNTER, ...active.map(({ service }) => takenCounter(service.name))],
  };
  return { tables: [table] };
}

/** The same filter with other slots. */
export function withOwned(ruleset: Ruleset, services: readonly FilteredService[]): Ruleset {
  const maps = services
    .filter(({ service }) => isFlooded(service))
    .flatMap((filtered) => slotMapsOf(deployedOf(filtered)));
  return {
    tables: ruleset.tables.map((table) => (table.family === 'inet' ? { ...table, slotMaps: maps } : table)),
  };
}

/** A service as far as its filter asks. */
export type Filtered = Pick<DeployedService, 'service' | 'ghosts' | 'tables'>;

/** A service in the terms of the router's ruleset, its tables telling this server from all others. */
export function deployedOf({ service, families, owned }: FilteredService): Filtered {
  const tables: Partial<Record<Family, Uint16Array>> = {};
  for (const family of families) {
    const ours = owned[family];
    tables[family] = new Uint16Array(service.slots).map((_, slot) => (ours?.[slot] === 1 ? SERVER : NOBODY));
  }
  const ghosts = service.ghosts.map((address) => ({ address, answeredOn: [] }));
  return { service, ghosts, tables };
}

export function ghostTexts(active: readonly Filtered[], family: Family): string[] {
  const here = active.filter((deployed) => familiesOf(deployed).includes(family));
  const ghosts = here.flatMap(({ ghosts }) => ghosts.filter(({ address }) => address.family === family));
  return [...new Set(ghosts.map(({ address }) => address.text))];
}

function floodedChain(family: Family): Chain {
  const toBegin = goto('begin');
  const connected = match({ ct: { key: 'state' } }, ['established', 'related'], 'in');
  const kept = anonymous(PROTOCOL_NUMBER.tcp, PROTOCOL_NUMBER[icmpProtocol(family)]);
  return {
    name: `flooded${family}`,
    rules: [
      rule('a connection begins', match(FLAGS, 'syn'), toBegin),
      rule('echo requests', match(icmpType(family), 'echo-request'), toBegin),
      rule('of a connection of this server', connected, set(meta('pkttype'), 'host'), accept),
      rule('of another one', match(meta('l4proto'), kept), count(LEFT_COUNTER), drop),
      rule('datagrams', toBegin),
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
  return {
    name: takeChainName(name),
    rules: [
      rule("this server's", count(takenCounter(name)), set(meta('pkttype'), 'host'), set(meta('priority'), 0), accept),
    ],
  };
}

/** One for each family, whether or not they are the same, so that nothing but elements changes when slots move. */
function slotMapsOf({ service, tables, ghosts }: Filtered): SlotMap[] {
  return ([4, 6] as const).flatMap((family): SlotMap[] => {
    const slots = tables[family];
    if (!slots || !ghosts.some(({ address }) => address.family === family)) return [];
    return [{ name: slotMapName(service.name, family), slots, targets: [takeChainName(service.name)], key: 'classid' }];
  });
}
