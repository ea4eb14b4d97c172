import type { DeployedService, Deployment } from '../deployment/deployment.ts';
import type { Family } from '../net/address.ts';
import type { SlotHistory } from '../transition/transition.ts';
import type { Json } from './expression.ts';
import { accept, back, count, drop, goto, inSet, match, meta, payload, set, update } from './expression.ts';
import { flowKey } from './flow-key.ts';
import { movedChain } from './history-name.ts';
import { rule } from './ruleset.ts';
import type { Chain, Rule } from './ruleset.ts';
import { PROTOCOL_NUMBER, hasPorts, trafficOf } from './traffic.ts';
import {
  asideChain,
  closingSet,
  flowSet,
  fullCounter,
  historiesOf,
  keepersOf,
  keptCounter,
  markOf,
  movingFamilies,
  resetCounter,
  resetMark,
  silenceCounter,
} from './transition.ts';

/** Seconds that a flow is remembered once it closes: as long as conntrack remembers one, so that the last ACKs find it. */
const CLOSING_SECONDS = 120;

/** Chain of a server's recorded flows. */
function knownChain(service: string, server: string): string {
  return `${service}/known/${server}`;
}

/** The same where the server has not the slot any more. */
function keptChain(service: string, server: string): string {
  return `${service}/kept/${server}`;
}

/** Chain of packets without record that a server gets for old ones of its. */
function oldChain(service: string, server: string): string {
  return `${service}/old/${server}`;
}

const isSyn = match({ '&': [payload('tcp', 'flags'), ['syn', 'ack']] }, 'syn');
const isNoSyn = match({ '&': [payload('tcp', 'flags'), ['syn', 'ack']] }, 'syn', '!=');
const isClosing = match(payload('tcp', 'flags'), ['fin', 'rst'], 'in');

function isOf(transport: 'tcp' | 'udp'): Json {
  return match(meta('l4proto'), PROTOCOL_NUMBER[transport]);
}

/** All that is needed to write the rules of one service's transition. */
interface Context {
  readonly service: string;
  readonly families: readonly Family[];
  readonly carries: { readonly tcp: boolean; readonly udp: boolean };
  /** Seconds that an open TCP connection, or a UDP flow, is remembered from its last packet on. */
  readonly remembered: { readonly tcp: number; readonly udp: number };
  readonly markOf: (server: string) => number;
  readonly resetMark: number;
}

/** The chains of a transition: a chain for each history, and what these share. None where nothing is under way. */
export function transitionChains(deployed: DeployedService, deployment: Deployment): Chain[] {
  const families = movingFamilies(deployed);
  if (families.length === 0) return [];
  const { name: service, slots, drainTimeout, idleTimeout } = deployed.service;
  const traffic = trafficOf(deployed).filter(hasPorts);
  const context: Context = {
    service,
    families,
    carries: { tcp: traffic.includes('tcp'), udp: traffic.includes('udp') },
    remembered: {
      // A slot may be taken from a server nearly one drain time-out after the server got the connection, and then the
      // connection is kept for another one. Packets begin it anew, since slots may move again and again.
      tcp: Math.ceil(Math.max(2 * drainTimeout, idleTimeout) / 1000),
      udp: Math.ceil(idleTimeout / 1000),
    },
    markOf: (server) => markOf(deployed, deployment, server),
    resetMark: resetMark(deployment),
  };
  const keepers = keepersOf(deployed);
  const chains = historiesOf(deployed).map((history) => historyChain(context, history));
  return [
    {
      name: asideChain(service),
      rules: [
        rule('a slot is no mark', match(meta('mark'), slots, '<'), set(meta('mark'), 0)),
        rule('left to the stack', accept),
      ],
    },
    ...new Map(chains.map((chain) => [chain.name, chain])).values(),
    ...keepers.flatMap((server) => [
      {
        name: keptChain(service, server),
        rules: [rule('kept', count(keptCounter(service, server)), goto(knownChain(service, server)))],
      },
      {
        name: oldChain(service, server),
        rules: [rule('taken for old', count(keptCounter(service, server)), set(meta('mark'), context.markOf(server)))],
      },
    ]),
    ...(deployed.transition?.recorded ?? []).map((server) => serverFlows(context, server)),
  ];
}

/**
 * What becomes of a packet in a slot with this history. Whoever decides sets the mark of the server and returns to the
 * guards; a mark that stays the slot's number goes by the slot table.
 */
function historyChain(context: Context, history: SlotHistory): Chain {
  const { service, families, carries, remembered } = context;
  const { current, unknown, visited, learning } = history;
  const isRecorded = (family: Family, server: string) => inSet(flowKey(family), flowSet(service, family, server));
  const rules: Rule[] = families.flatMap((family) => [
    rule('known', isRecorded(family, current), goto(knownChain(service, current))),
    ...visited.map((server) => rule('known to be old', isRecorded(family, server), goto(keptChain(service, server)))),
  ]);
  // Where unknown segments go where new connections go, these need no record.
  const other = typeof unknown === 'object' && unknown.server === current ? undefined : unknown;
  if (carries.tcp && other !== undefined) {
    for (const family of families) {
      const record = update(flowSet(service, family, current), flowKey(family), remembered.tcp);
      rules.push(rule('new connection', isSyn, record, back));
    }
    // Without a record its next segments will be unknown, so that is where it has to begin.
    const full = typeof other === 'object' ? [set(meta('mark'), context.markOf(other.server))] : [];
    rules.push(rule('no room for it', isSyn, count(fullCounter(service)), ...full, back));
    rules.push(rule('unknown connection', isNoSyn, ...fateOfUnknown(context, other)));
  }
  if (carries.udp && learning !== undefined) {
    for (const family of families) {
      const record = update(flowSet(service, family, learning), flowKey(family), remembered.udp);
      rules.push(rule('flow to be learnt', isOf('udp'), record, goto(oldChain(service, learning))));
    }
    rules.push(rule('no room for it', isOf('udp'), goto(oldChain(service, learning))));
  }
  return { name: movedChain(service, history), rules };
}

function fateOfUnknown({ service, resetMark }: Context, unknown: SlotHistory['unknown']): Json[] {
  if (unknown === 'drop') return [count(silenceCounter(service)), drop];
  // The stack sends it: at ingress the kernel needs a module for that which routers lack.
  if (unknown === 'reset') return [count(resetCounter(service)), set(meta('mark'), resetMark), back];
  return [goto(oldChain(service, unknown.server))];
}

/** A packet of a recorded flow: its record is kept as long as the flow lives, and forgotten soon once it closes. */
function serverFlows({ service, families, carries, remembered, markOf }: Context, server: string): Chain {
  const decide = [set(meta('mark'), markOf(server)), back];
  const rules = families.flatMap((family) => {
    const key = flowKey(family);
    const closing = closingSet(service, family);
    const remember = (seconds: number) => update(flowSet(service, family, server), key, seconds);
    const forgetSoon = [update(closing, key, CLOSING_SECONDS), remember(CLOSING_SECONDS), ...decide];
    return [
      ...(carries.tcp
        ? [
            rule('closes', isClosing, ...forgetSoon),
            rule('is closing', inSet(key, closing), ...forgetSoon),
            rule('is open', isOf('tcp'), remember(remembered.tcp), ...decide),
          ]
        : []),
      ...(carries.udp ? [rule('is alive', isOf('udp'), remember(remembered.udp), ...decide)] : []),
    ];
  });
  return {
    name: knownChain(service, server),
    rules: [...rules, rule('to its server', set(meta('mark'), markOf(server)))],
  };
}
