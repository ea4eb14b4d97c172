import type { Server, Service } from '../config/model.ts';
import type { Standing } from '../deployment/slot-tables.ts';
import { stateOrder } from './orders.ts';
import type { Orders, StateOrder } from './orders.ts';
import type { Roster } from './roster.ts';

/** State of a server in a service. */
export type ServerState =
  /** Gets its share. */
  | 'up'
  /** Has failed, or was said to. */
  | 'down'
  /** Gets no new connections and keeps the old ones. */
  | 'draining'
  /** Has none left, and may be unplugged. */
  | 'drained'
  /** Switched off in the configuration. */
  | 'disabled';

/** Who decided the state. */
export type Decider = 'configuration' | 'watchdog' | 'operator';

/** What the watchdogs think of a server. */
export interface Opinion {
  readonly up: boolean;
  readonly reason: string;
}

/** What is decided about a server, before it is known what has become of its connections. */
export interface Decision {
  readonly server: Server;
  readonly wish: 'up' | 'down' | 'drain' | 'disabled';
  readonly decider: Decider;
  readonly reason: string;
  /** Connections that it has are alive. */
  readonly alive: boolean;
  readonly order?: StateOrder;
  readonly provenance?: 'added' | 'removing';
}

/** A server of a service as it stands. */
export interface Member extends Omit<Decision, 'wish'> {
  readonly state: ServerState;
  /** Clock in milliseconds when it came into this state. */
  readonly since: number;
}

/** The operator's word first, then the configuration's, then the watchdogs'. */
export function decide(roster: Roster, orders: Orders, opinionOf: (server: string) => Opinion): Decision[] {
  const { service, leaving, added } = roster;
  const decisions = service.servers.map((server): Decision => {
    const opinion = opinionOf(server.name);
    const order = stateOrder(orders, { service: service.name, server: server.name });
    const decision = leaving.has(server.name)
      ? leave(opinion)
      : (obey(order, opinion) ?? byWeight(server, opinion) ?? believe(opinion));
    return {
      server,
      ...decision,
      ...(order ? { order } : {}),
      ...(leaving.has(server.name) ? { provenance: 'removing' } : {}),
      ...(added.has(server.name) ? { provenance: 'added' } : {}),
    };
  });
  const shown = new Set(service.servers.map(({ name }) => name));
  const off = service.disabled.filter(({ name }) => !shown.has(name));
  return [...decisions, ...off.map(switchedOff)];
}

type Verdict = Pick<Decision, 'wish' | 'decider' | 'reason' | 'alive'>;

function leave(opinion: Opinion): Verdict {
  if (!opinion.up) return believe(opinion);
  return { wish: 'drain', decider: 'configuration', reason: 'taken out of the service', alive: true };
}

function obey(order: StateOrder | undefined, opinion: Opinion): Verdict | undefined {
  if (!order) return undefined;
  if (order.state === 'drain' && !opinion.up) return believe(opinion);
  return { wish: order.state, decider: 'operator', reason: order.reason, alive: order.state !== 'down' };
}

/** A weight of 0 is a drain that is written down. */
function byWeight({ weight }: Server, opinion: Opinion): Verdict | undefined {
  if (weight > 0 || !opinion.up) return undefined;
  return { wish: 'drain', decider: 'configuration', reason: 'weight 0', alive: true };
}

function believe({ up, reason }: Opinion): Verdict {
  return { wish: up ? 'up' : 'down', decider: 'watchdog', reason, alive: up };
}

function switchedOff(server: Server): Decision {
  const reason = 'switched off in the configuration';
  return { server, wish: 'disabled', decider: 'configuration', reason, alive: false };
}

/**
 * Who gets slots: those that are up; else those that drain, which can still serve; else, as the service has it, all as if
 * they were up, or nobody.
 */
export function standing({ service, leaving }: Roster, decisions: readonly Decision[]): Standing {
  const members = decisions.filter(({ server }) => service.servers.includes(server) && !leaving.has(server.name));
  const choices = [
    members.filter(({ wish, server }) => wish === 'up' && server.weight > 0),
    members.filter(({ wish, server }) => wish === 'drain' && server.weight > 0),
    service.allDown === 'keep' ? members : [],
  ];
  const takers = new Set(choices.find((choice) => choice.length > 0)?.map(({ server }) => server.name));
  const down = members.flatMap(({ server }) => (takers.has(server.name) ? [] : [server.name]));
  return { down: new Set(down), leaving };
}

/**
 * The servers as they stand once the change is under way. `isDrained`: no old connection of the server is kept any more, and
 * it has no slot. `before`: as they stood, whose times go on where the state is the same.
 */
export function members(
  decisions: readonly Decision[],
  isDrained: (server: string) => boolean,
  before: readonly Member[],
  now: number,
): Member[] {
  return decisions.map(({ wish, ...decision }, index) => {
    const { name } = decision.server;
    const state = wish === 'drain' ? (isDrained(name) ? 'drained' : 'draining') : wish;
    const was = memberNamed(before, name, index);
    return { ...decision, state, since: was?.state === state ? was.since : now };
  });
}

/** Members of a service, which are many, mostly stand where they stood. */
function memberNamed(list: readonly Member[], name: string, index: number): Member | undefined {
  const likely = list[index];
  return likely?.server.name === name ? likely : list.find(({ server }) => server.name === name);
}

/** True where the member stands as it would by the decision. Who drains may end it at any time. */
export function isSameDecision(
  member: Member,
  { server, wish, decider, reason, alive, order, provenance }: Decision,
): boolean {
  return (
    member.server === server &&
    member.state === wish &&
    member.decider === decider &&
    member.reason === reason &&
    member.alive === alive &&
    member.order === order &&
    member.provenance === provenance
  );
}

/** A change that people and programs are told about. */
export interface MemberChange {
  readonly service: string;
  readonly server: string;
  readonly from: ServerState | undefined;
  readonly to: ServerState | undefined;
  readonly reason: string;
  /** Its new weight, where that is another. */
  readonly weight?: number;
}

/** What has changed between two moments; nothing for servers that were there at the start. */
export function memberChanges(
  service: Service['name'],
  before: readonly Member[],
  after: readonly Member[],
): MemberChange[] {
  const changes: MemberChange[] = [];
  if (before === after) return changes;
  for (const [index, { server, state, reason }] of after.entries()) {
    const was = memberNamed(before, server.name, index);
    const isReweighted = was !== undefined && was.server.weight !== server.weight;
    if (was?.state === state && !isReweighted) continue;
    const weight = isReweighted ? { weight: server.weight } : {};
    changes.push({ service, server: server.name, from: was?.state, to: state, reason, ...weight });
  }
  for (const [index, { server }] of before.entries()) {
    if (memberNamed(after, server.name, index)) continue;
    changes.push({ service, server: server.name, from: 'up', to: undefined, reason: 'removed' });
  }
  return changes;
}
