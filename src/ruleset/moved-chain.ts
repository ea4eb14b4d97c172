import type { DeployedService, Deployment } from '../deployment/deployment.ts';
import type { Family } from '../net/address.ts';
import type { Json } from './expression.ts';
import { accept, back, count, drop, goto, inSet, match, meta, payload, set, update } from './expression.ts';
import { flowKey } from './flow-key.ts';
import { rule } from './ruleset.ts';
import type { Chain, Rule } from './ruleset.ts';
import { PROTOCOL_NUMBER, hasPorts, trafficOf } from './traffic.ts';
import {
  asideChain,
  closingSet,
  flowSet,
  fullCounter,
  keptCounter,
  learnChain,
  markOf,
  movedChain,
  movingFamilies,
  newChain,
  oldChain,
  recordedOf,
  recordsChain,
  refusalChain,
  refusalsOf,
  resetCounter,
  resetMark,
  severalChain,
  silenceCounter,
  visitedChain,
} from './transition.ts';

/** Seconds that a flow is remembered once it closes: as long as conntrack remembers one, so that the last ACKs find it. */
export const CLOSING_SECONDS = 120;

/** Chain of a server's recorded flows. */
function knownChain(service: string, server: string): string {
  return `${service}/known/${server}`;
}

/** The same where the server has not the slot any more. */
function keptChain(service: string, server: string): string {
  return `${service}/kept/${server}`;
}

/** Begins a TCP connection. */
export const isSyn = match({ '&': [payload('tcp', 'flags'), ['syn', 'ack']] }, 'syn');
export const isClosing = match(payload('tcp', 'flags'), ['fin', 'rst'], 'in');

export function isOf(transport: 'tcp' | 'udp'): Json {
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

/** The chains of services, which are many and mostly stay when others change; they depend on the deployment by its marks alone. */
const known = new WeakMap<DeployedService, { readonly markBase: number; readonly chains: readonly Chain[] }>();

/** The chains of a transition, the same for all slots and histories. None where nothing is under way. */
export function transitionChains(deployed: DeployedService, deployment: Deployment): readonly Chain[] {
  const { markBase } = deployment;
  let made = known.get(deployed);
  if (made?.markBase !== markBase) known.set(deployed, (made = { markBase, chains: makeChains(deployed, deployment) }));
  return made.chains;
}

function makeChains(deployed: DeployedService, deployment: Deployment): Chain[] {
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
  const servers = recordedOf(deployed);
  return [
    {
      name: asideChain(service),
      rules: [
        rule('a slot is no mark', match(meta('mark'), slots, '<'), set(meta('mark'), 0)),
        rule('left to the stack', accept),
      ],
    },
    ...servers.flatMap((server) => serverChains(context, server)),
    {
      name: severalChain(service),
      rules: [rule('its slot is set apart', set(meta('mark'), { '|': [meta('mark'), slots] }))],
    },
    {
      name: recordsChain(service),
      rules: [
        rule('it is a slot again', set(meta('mark'), { '&': [meta('mark'), slots - 1] })),
        ...servers.flatMap((server) => findOld(context, server)),
      ],
    },
    ...refusalsOf(deployed).map((answer) => refusal(context, answer)),
  ];
}

/** What a server has. Whoever decides sets its mark; a mark that stays a slot's goes by the table. */
function serverChains(context: Context, server: string): Chain[] {
  const { service, families, carries, remembered } = context;
  const counter = count(keptCounter(service, server));
  const record = (family: Family, seconds: number) =>
    update(flowSet(service, family, server), flowKey(family), seconds);
  const itsMark = set(meta('mark'), context.markOf(server));
  const old = oldChain(service, server);
  return [
    {
      name: movedChain(service, server),
      rules: families.map((family) =>
        rule('known', isRecorded(context, family, server), goto(knownChain(service, server))),
      ),
    },
    ...(carries.tcp
      ? [
          {
            name: newChain(service, server),
            rules: [
              ...families.map((family) => rule('recorded', record(family, remembered.tcp), itsMark, back)),
              // Its next segments will be unknown, so where those go is where it has to begin.
              rule('no room for it', count(fullCounter(service))),
            ],
          },
        ]
      : []),
    { name: visitedChain(service, server), rules: findOld(context, server) },
    knownFlows(context, server),
    { name: keptChain(service, server), rules: [rule('kept', counter, goto(knownChain(service, server)))] },
    { name: old, rules: [rule('taken for old', counter, itsMark)] },
    ...(carries.udp
      ? [
          {
            name: learnChain(service, server),
            rules: [
              ...families.map((family) => rule('flow to be learnt', record(family, remembered.udp), goto(old))),
              rule('no room for it', goto(old)),
            ],
          },
        ]
      : []),
  ];
}

function isRecorded({ service }: Context, family: Family, server: string): Json {
  return inSet(flowKey(family), flowSet(service, family, server));
}

function findOld(context: Context, server: string): Rule[] {
  const { service, families } = context;
  return families.map((family) =>
    rule('known to be old', isRecorded(context, family, server), goto(keptChain(service, server))),
  );
}

function refusal({ service, resetMark }: Context, answer: 'reset' | 'drop'): Chain {
  const name = refusalChain(service, answer);
  if (answer === 'drop') return { name, rules: [rule('no answer', count(silenceCounter(service)), drop)] };
  // The stack sends it: at ingress the kernel needs a module for that which routers lack.
  return { name, rules: [rule('a RST', count(resetCounter(service)), set(meta('mark'), resetMark))] };
}

/** A packet of a recorded flow: its record is kept as long as the flow lives, and forgotten soon once it closes. */
function knownFlows({ service, families, carries, remembered, markOf }: Context, server: string): Chain {
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
