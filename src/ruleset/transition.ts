import type { DeployedService, Deployment } from '../deployment/deployment.ts';
import type { Family } from '../net/address.ts';
import type { SlotHistory } from '../transition/transition.ts';
import { goto } from './expression.ts';
import { flowType } from './flow-key.ts';
import { movedChain } from './history-name.ts';
import type { SetObject, SlotMap } from './ruleset.ts';
import { serverChain } from './slot-map.ts';
import { familiesOf, hasPorts } from './traffic.ts';
import type { Traffic } from './traffic.ts';

// What a service has besides while it digests a change: slots that have moved lead to a chain for their history
// (moved-chain.ts), which puts the server's mark on packets that shall not go where the slot table says.

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

/** Map from slot to history; one for both families where they are the same. */
export function movedMap({ service, transition }: DeployedService, family: Family): string {
  const tables = transition?.tables ?? {};
  return tables[4] === tables[6] || !(tables[4] && tables[6])
    ? `${service.name}/moved`
    : `${service.name}/moved${family}`;
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

/** Each history once. */
export function historiesOf(deployed: DeployedService): SlotHistory[] {
  const tables = movingFamilies(deployed).flatMap((family) => deployed.transition?.tables[family] ?? []);
  return [...new Set(tables.flatMap(({ histories }) => histories))];
}

/** Servers that keep old connections, sorted by name. */
export function keepersOf(deployed: DeployedService): string[] {
  return [...new Set(historiesOf(deployed).flatMap(({ visited }) => visited))].sort();
}

/** Maps from slot to history. */
export function movedMaps(deployed: DeployedService): SlotMap[] {
  const maps = new Map<string, SlotMap>();
  for (const family of movingFamilies(deployed)) {
    const table = deployed.transition?.tables[family];
    if (!table) continue;
    const name = movedMap(deployed, family);
    const targets = table.histories.map((history) => movedChain(deployed.service.name, history));
    maps.set(name, { name, slots: table.slots, targets, verdict: 'jump' });
  }
  return [...maps.values()];
}

/**
 * Sets of flows, to be filled by packets. They have no size of their own: the kernel would make room for as many at once,
 * 1.7 MB a set, where without it a set takes the default limit of 65535 and grows as it is filled.
 */
export function flowSets(deployed: DeployedService): SetObject[] {
  const { name } = deployed.service;
  return movingFamilies(deployed).flatMap((family) =>
    [
      ...(deployed.transition?.recorded ?? []).map((server) => flowSet(name, family, server)),
      closingSet(name, family),
    ].map((set) => ({
      name: set,
      key: flowType(family),
      verdicts: false,
      interval: false,
      timeout: true,
      elements: [],
    })),
  );
}

/** The map from marks to servers' ends. */
export function endMaps(deployed: DeployedService, deployment: Deployment): SetObject[] {
  if (movingFamilies(deployed).length === 0) return [];
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
  const histories = historiesOf(deployed);
  return [
    ...keepersOf(deployed).map((server) => keptCounter(name, server)),
    fullCounter(name),
    ...(histories.some(({ unknown }) => unknown === 'reset') ? [resetCounter(name)] : []),
    ...(histories.some(({ unknown }) => unknown === 'drop') ? [silenceCounter(name)] : []),
  ];
}
