import { isRouted } from '../config/model.ts';
import type { Model, Service } from '../config/model.ts';
import type { SlotTables } from '../deployment/deployment.ts';
import type { Standing } from '../deployment/slot-tables.ts';
import { finish, isDrained, nextDeadline, step } from '../transition/state.ts';
import type { Party, TransitionState } from '../transition/state.ts';
import type { Transition } from '../transition/transition.ts';
import { isSameDecision, members } from './members.ts';
import type { Decision, Member } from './members.ts';
import type { Roster } from './roster.ts';

/** A service as it is in force: its servers, who has which slots, and what old connections are still kept elsewhere. */
export interface Squad {
  readonly roster: Roster;
  readonly members: readonly Member[];
  readonly standing: Standing;
  readonly tables: SlotTables;
  readonly transition?: TransitionState;
}

/** All services in force, by name. */
export type Fleet = ReadonlyMap<string, Squad>;

/** Who has which slots of a service. */
export function tablesIn(fleet: Fleet): (service: Service) => SlotTables {
  return ({ name }) => fleet.get(name)?.tables ?? {};
}

/** What becomes of a service's open connections. */
export function transitionIn(fleet: Fleet): (service: Service) => Transition | undefined {
  return ({ name }) => fleet.get(name)?.transition?.transition;
}

/** The configuration with the servers that the services have now. */
export function modelOf(model: Model, fleet: Fleet): Model {
  return { ...model, services: model.services.map((service) => fleet.get(service.name)?.roster.service ?? service) };
}

/** What is to be in force next, but for what becomes of open connections. */
export interface Advance {
  readonly roster: Roster;
  readonly decisions: readonly Decision[];
  readonly standing: Standing;
  readonly tables: SlotTables;
  /** True where the server still has connections that are tracked; absent: none are. */
  readonly isBusy?: (server: string) => boolean;
  /** Clock, milliseconds. */
  readonly now: number;
}

/**
 * What comes after what is in force (`undefined`: the service is new), once the decisions are taken and the slots are
 * allocated. `canKeep`: the kernel still knows the connections of a change under way.
 */
export function advance(before: Squad | undefined, canKeep: boolean, next: Advance): Squad {
  if (before && canKeep && isAsBefore(before, next)) return before;
  const { roster, decisions, standing, tables, isBusy = () => false, now } = next;
  const { service } = roster;
  const isSamePlace = before !== undefined && samePlaces(before.roster.service, service);
  // Where all servers get everything, they themselves keep the connections that they have; where it is tracked, conntrack
  // does, and where connections are placed one by one, the table in which that is remembered.
  const isKept = isRouted(service) && !service.placement;
  const transition = isSamePlace && canKeep && isKept ? digest(before, next) : undefined;
  const after: Party = { tables, servers: service.servers };
  const drained = (server: string) =>
    !hasSlots(after, server) && (!transition || isDrained(transition, server)) && !isBusy(server);
  return {
    ...{ roster, standing, tables },
    members: members(decisions, drained, before?.members ?? [], now),
    ...(transition ? { transition } : {}),
  };
}

/** True where nothing is decided anew, and nothing has ended by time: of many services most are not concerned by an event. */
function isAsBefore(before: Squad, { roster, decisions, tables, now }: Advance): boolean {
  return (
    before.roster === roster &&
    before.tables === tables &&
    before.members.length === decisions.length &&
    before.members.every((member, index) => decisions[index] && isSameDecision(member, decisions[index])) &&
    !(before.transition && nextDeadline(before.transition) <= now)
  );
}

function digest(before: Squad, { roster: { service }, decisions, tables, now }: Advance): TransitionState | undefined {
  const living = new Set(decisions.filter(({ alive }) => alive).map(({ server }) => server.name));
  let transition = step(before.transition, {
    service,
    before: { tables: before.tables, servers: before.roster.service.servers },
    after: { tables, servers: service.servers },
    alive: (server) => living.has(server),
    now,
  });
  for (const { server, order } of decisions) {
    const isOver = order?.state === 'drain' && order.until !== undefined && order.until <= now;
    if (transition && isOver) transition = finish(transition, server.name);
  }
  return transition;
}

/** With another hash or number of slots, a slot is not what it was, and nothing can be kept. */
function samePlaces(one: Service, other: Service): boolean {
  return (
    one.slots === other.slots &&
    one.seed === other.seed &&
    one.hash === other.hash &&
    one.hashPrefix6 === other.hashPrefix6
  );
}

function hasSlots({ tables, servers }: Party, name: string): boolean {
  const index = servers.findIndex((server) => server.name === name);
  return index >= 0 && [tables[4], tables[6]].some((table) => table?.includes(index));
}
