import { differingSlots } from '../allocation/difference.ts';
import { NOBODY } from '../allocation/table.ts';
import type { DeployedService, Deployment } from '../deployment/deployment.ts';
import type { Service } from '../config/model.ts';
import type { Family } from '../net/address.ts';
import type { SlotHistory } from '../transition/transition.ts';
import { goto } from './expression.ts';
import { flowType } from './flow-key.ts';
import type { SetObject, SlotMap } from './ruleset.ts';
import { serverChain } from './slot-map.ts';
import { familiesOf, hasPorts, trafficOf } from './traffic.ts';
import type { Traffic } from './traffic.ts';

// What a service has besides while it digests a change. Slots that have moved have a history, which answers five questions
// about a packet: who has its slot and perhaps its flow, who else may have it, who gets a new connection, and who gets what
// nobody knows, TCP or UDP. Each question is a map from slot to chain (moved-chain.ts), the chains are the servers' and the
// same for all slots: while one change comes after the other only elements of maps go and come.
//
// They are asked one after the other, and no chain that a map leads to asks another one or looks into many records: many
// kernels follow every element of every map anew, wherever it is reached, when a table is changed. With one map of 1024 slots
// behind another, 6.1 did nothing else for minutes.

/** Set of the flows that a server got since the transition began, or that have been found to be its. */
export function flowSet(service: string, family: Family, server: string): string {
  return `${service}/flow${family}/${server}`;
}

/** Set of the flows that are being closed. */
export function closingSet(service: string, family: Family): string {
  return `${service}/closing${family}`;
}

/** Counter of packets of old connections that have been kept on a server. */
export function keptCounter(service: string, server: string): string {
  return `${service}/kept/${server}`;
}

/** Counter of segments of lost connections that get a RST. */
export function resetCounter(service: string): string {
  return `${service}/reset`;
}

/** Counter of segments of lost connections that get no answer. */
export function silenceCounter(service: string): string {
  return `${service}/silence`;
}

/** Counter of new connections that could not be recorded, and went to the old server. */
export function fullCounter(service: string): string {
  return `${service}/full`;
}

/** Map from a server's mark to its end. */
export function endMap(service: string): string {
  return `${service}/end`;
}

/** Chain of packets that are left to the stack. */
export function asideChain(service: string): string {
  return `${service}/aside`;
}

/** What is asked about a slot that has moved. */
export type Question = 'moved' | 'visited' | 'new' | 'unknown' | 'learning';

/** Map from slot to the chain that answers; one for both families where they are the same. */
export function historyMap(deployed: DeployedService, question: Question, family: Family): string {
  return `${deployed.service.name}/${question}${isShared(deployed) ? '' : family}`;
}

/** True where families of the service, if both are in transition, share their histories. */
export function isShared({ transition }: DeployedService): boolean {
  const { 4: four, 6: six } = transition?.tables ?? {};
  return four === six || !(four && six);
}

/** Chain for new connections to the slots that a server has got. */
export function newChain(service: string, server: string): string {
  return `${service}/new/${server}`;
}

/** Chain for the slots that a server has got: the flows that it is known to have. */
export function movedChain(service: string, server: string): string {
  return `${service}/moved/${server}`;
}

/** Chain for slots that one other server has had. */
export function visitedChain(service: string, server: string): string {
  return `${service}/visited/${server}`;
}

/** Chain that sets the slots apart that several others have had. */
export function severalChain(service: string): string {
  return `${service}/several`;
}

/** Chain for those slots: it looks into the records of all. */
export function recordsChain(service: string): string {
  return `${service}/records`;
}

/**
 * Marks of slots that have been set apart: the bit above a slot is set. Below all marks of servers, whose first is at least
 * 65536.
 */
export function marksApart({ slots }: Service): { readonly first: number; readonly last: number } {
  return { first: slots, last: 2 * slots - 1 };
}

/** Chain of packets without record that a server gets for old ones of its. */
export function oldChain(service: string, server: string): string {
  return `${service}/old/${server}`;
}

/** Chain of UDP packets without record while flows are recorded as a server's old ones. */
export function learnChain(service: string, server: string): string {
  return `${service}/learn/${server}`;
}

/** Chain of segments that get a RST, or no answer, for all that was known of their connections is lost. */
export function refusalChain(service: string, answer: 'reset' | 'drop'): string {
  return `${service}/lost/${answer}`;
}

/** True where packets of the class may have to go elsewhere than the slot table says. */
export function isMoving(deployed: DeployedService, family: Family, traffic: Traffic): boolean {
  return hasPorts(traffic) && movingFamilies(deployed).includes(family);
}

/** Families of the service that have slots in transition. */
export function movingFamilies(deployed: DeployedService): Family[] {
  return familiesOf(deployed).filter((family) => deployed.transition?.tables[family]);
}

/** Mark of packets for a server, by name. */
export function markOf({ servers }: DeployedService, { markBase }: Deployment, server: string): number {
  const number = servers.find(({ name }) => name === server)?.number ?? 0;
  return (markBase + number) >>> 0;
}

/** Mark of segments that shall get a RST: no server has number 0. */
export function resetMark({ markBase }: Deployment): number {
  return markBase;
}

/** What connections get whose server is lost: what the service is set to, and what histories from before still want. */
export function refusalsOf({ service, transition }: DeployedService): ('reset' | 'drop')[] {
  const tables = Object.values(transition?.tables ?? {});
  const unknown = new Set(tables.flatMap(({ histories }) => histories.map((history) => history.unknown)));
  return (['reset', 'drop'] as const).filter(
    (answer) => service.onFailure === answer || service.onChange === answer || unknown.has(answer),
  );
}

/** Maps and sets of services, which mostly stay when others change. */
const knownMaps = new WeakMap<DeployedService, readonly SlotMap[]>();
const knownSets = new WeakMap<DeployedService, readonly SetObject[]>();

/** The maps that answer the questions. Their targets are the same as long as the same servers are recorded. */
export function historyMaps(deployed: DeployedService): readonly SlotMap[] {
  let maps = knownMaps.get(deployed);
  if (!maps) knownMaps.set(deployed, (maps = makeHistoryMaps(deployed)));
  return maps;
}

function makeHistoryMaps(deployed: DeployedService): SlotMap[] {
  const { name: service } = deployed.service;
  const servers = recordedOf(deployed);
  const refusals = refusalsOf(deployed);
  const places = new Map(servers.map((server, index) => [server, index]));
  const placeOf = (server: string | undefined) => places.get(server ?? '') ?? NOBODY;
  const chains = (chainOf: (service: string, server: string) => string) =>
    servers.map((server) => chainOf(service, server));
  const answers: Record<Question, Omit<SlotMap, 'name' | 'slots'> & { of: (history: SlotHistory) => number }> = {
    moved: { targets: chains(movedChain), verdict: 'jump', of: ({ current }) => placeOf(current) },
    visited: {
      targets: [...chains(visitedChain), severalChain(service)],
      verdict: 'jump',
      of: ({ visited: [first, second] }) => (second === undefined ? placeOf(first) : servers.length),
    },
    new: { targets: chains(newChain), verdict: 'jump', of: ({ current }) => placeOf(current) },
    unknown: {
      verdict: 'jump',
      targets: [...chains(oldChain), ...refusals.map((answer) => refusalChain(service, answer))],
      of: ({ unknown, current, isHeld }) => {
        if (typeof unknown === 'string') return servers.length + refusals.indexOf(unknown);
        return unknown.server === current && !isHeld ? NOBODY : placeOf(unknown.server);
      },
    },
    learning: { targets: chains(learnChain), verdict: 'jump', of: ({ learning }) => placeOf(learning) },
  };
  const families = movingFamilies(deployed);
  return (isShared(deployed) ? families.slice(0, 1) : families).flatMap((family) => {
    const table = deployed.transition?.tables[family];
    if (!table) return [];
    const moved = differingSlots(table.slots, new Uint16Array(table.slots.length).fill(NOBODY));
    return questionsOf(deployed).map((question): SlotMap => {
      const { of, ...rest } = answers[question];
      const places = table.histories.map(of);
      const slots = new Uint16Array(table.slots.length).fill(NOBODY);
      for (const slot of moved) slots[slot] = places[table.slots[slot] ?? NOBODY] ?? NOBODY;
      return { name: historyMap(deployed, question, family), slots, ...rest };
    });
  });
}

/** Questions that packets of the service ask. */
function questionsOf(deployed: DeployedService): Question[] {
  return [...new Set(trafficOf(deployed).flatMap(questionsAbout))];
}

/** The questions that are asked about a packet of the class, in their order; none where it has no ports. */
export function questionsAbout(traffic: Traffic): Question[] {
  if (!hasPorts(traffic)) return [];
  return ['moved', 'visited', ...(traffic === 'udp' ? (['learning'] as const) : (['new', 'unknown'] as const))];
}

/** Names of the servers whose flows are recorded. */
export function recordedOf({ transition }: DeployedService): string[] {
  return transition?.recorded.map(({ server }) => server) ?? [];
}

/**
 * Sets of flows, to be filled by packets. They have no size of their own: the kernel would make room for as many at once,
 * 1.7 MB a set, where without it a set takes the default limit of 65535 and grows as it is filled.
 */
export function flowSets(deployed: DeployedService): readonly SetObject[] {
  let sets = knownSets.get(deployed);
  if (!sets) knownSets.set(deployed, (sets = makeFlowSets(deployed)));
  return sets;
}

function makeFlowSets(deployed: DeployedService): SetObject[] {
  const { name } = deployed.service;
  return movingFamilies(deployed).flatMap((family) => {
    const plain = { key: flowType(family), verdicts: false, interval: false, timeout: true, elements: [] };
    return [
      ...(deployed.transition?.recorded ?? []).map(({ server, emptied }) => ({
        name: flowSet(name, family, server),
        emptied,
        ...plain,
      })),
      { name: closingSet(name, family), ...plain },
    ];
  });
}

/** The map from marks to servers' ends. */
export function endMaps(deployed: DeployedService, deployment: Deployment): SetObject[] {
  if (movingFamilies(deployed).length === 0 && !deployed.service.placement) return [];
  const { service, servers } = deployed;
  const elements = servers.map(
    ({ name }) => [markOf(deployed, deployment, name), goto(serverChain(service.name, name))] as const,
  );
  return [{ name: endMap(service.name), key: 'mark', verdicts: true, interval: false, elements }];
}

/** Names of the counters that a transition has. */
export function transitionCounters(deployed: DeployedService): string[] {
  if (movingFamilies(deployed).length === 0) return [];
  const { name } = deployed.service;
  const counterOf = { reset: resetCounter, drop: silenceCounter };
  return [
    ...recordedOf(deployed).map((server) => keptCounter(name, server)),
    fullCounter(name),
    ...refusalsOf(deployed).map((answer) => counterOf[answer](name)),
  ];
}
