import type { Service } from '../config/model.ts';
import type { SlotHistory } from './transition.ts';

/** A slot's history, and since when each of it holds. Clocks are milliseconds. */
export interface Past {
  /** Server that the slot table names. */
  readonly current: string;
  readonly unknown: { readonly server: string } | Refusal;
  /** Sorted by name; holds the server of `unknown` and of `learning`, unless it is `current`. */
  readonly visited: readonly Visit[];
  readonly learning?: Learning;
}

/** What TCP segments of lost connections get instead of a server. */
export interface Refusal {
  readonly answer: 'reset' | 'drop';
  readonly since: number;
}

/** A server that has had the slot, and when it was taken from it. */
export interface Visit {
  readonly server: string;
  readonly since: number;
}

export interface Learning {
  readonly server: string;
  readonly until: number;
}

export type Policy = Pick<Service, 'onChange' | 'onFailure' | 'drainTimeout' | 'idleTimeout' | 'learnTime'>;

/** What a moment's decisions about a slot depend on. */
export interface Moment {
  readonly policy: Policy;
  readonly alive: (server: string) => boolean;
  readonly now: number;
}

/** What a slot has become that goes to another server; `past` is empty where it was in no transition. */
export function move(past: Past | undefined, from: string, to: string, { policy, alive, now }: Moment): Past {
  const { unknown, visited, learning } = past ?? settledOn(from);
  const others = visited.filter(({ server }) => server !== to && server !== from);
  const stillLearns = learning && learning.until > now;
  if (!alive(from)) {
    // Its connections are lost; `bury` says what they get.
    return { current: to, unknown, visited: others, ...(stillLearns ? { learning } : {}) };
  }
  if (policy.onChange === 'reset') {
    return { current: to, unknown: { answer: 'reset', since: now }, visited: others, ...keep(learning, to) };
  }
  // While the first change is being learnt no flow has come to `from` yet but by its record.
  const next = stillLearns ? learning : { server: from, until: now + policy.learnTime };
  const joined = [...others, { server: from, since: now }].sort((a, b) => (a.server < b.server ? -1 : 1));
  return { current: to, unknown, visited: joined, ...keep(next, to) };
}

/**
 * The past without the servers that are dead. What the router had recorded of them is worth nothing any more, even if they
 * come back soon: the connections died with them, or have moved.
 */
export function bury(past: Past, { policy, alive, now }: Moment): Past {
  const { current, unknown, visited, learning } = past;
  const lost = (server: string) => server !== current && !alive(server);
  const isUnknownLost = 'server' in unknown && lost(unknown.server);
  if (!isUnknownLost && !visited.some(({ server }) => lost(server)) && !(learning && lost(learning.server)))
    return past;
  const { onFailure } = policy;
  const answer: Past['unknown'] = onFailure === 'pass' ? { server: current } : { answer: onFailure, since: now };
  return {
    current,
    unknown: isUnknownLost ? answer : unknown,
    visited: visited.filter(({ server }) => !lost(server)),
    ...(learning && !lost(learning.server) ? { learning } : {}),
  };
}

/** Whose time is over, beside what the clock says. */
export interface Finished {
  readonly server: (name: string) => boolean;
  readonly answer: (answer: Refusal['answer']) => boolean;
}

export const NOTHING_FINISHED: Finished = { server: () => false, answer: () => false };

/** The past without what has ended: by the clock, or because no old connection is left. */
export function end(past: Past, drainTimeout: number, now: number, finished: Finished): Past {
  const { current, unknown, visited, learning } = past;
  const isOver = (since: number) => now >= since + drainTimeout;
  const stays = visited.filter(({ server, since }) => !isOver(since) && !finished.server(server));
  const isKept = (server: string) => stays.some((visit) => visit.server === server);
  const isAnswered =
    'server' in unknown
      ? unknown.server === current || isKept(unknown.server)
      : !isOver(unknown.since) && !finished.answer(unknown.answer);
  const learns = learning !== undefined && learning.until > now && isKept(learning.server);
  if (stays.length === visited.length && isAnswered && learns === (learning !== undefined)) return past;
  return {
    current,
    unknown: isAnswered ? unknown : { server: current },
    visited: stays,
    ...(learns ? { learning } : {}),
  };
}

/** True where the slot table alone says where packets of the slot go. */
export function isSettled({ current, unknown, visited, learning }: Past): boolean {
  return 'server' in unknown && unknown.server === current && visited.length === 0 && learning === undefined;
}

/** Clock when the past changes by time alone. */
export function dueOf({ unknown, visited, learning }: Past, drainTimeout: number): number {
  return Math.min(
    'answer' in unknown ? unknown.since + drainTimeout : Infinity,
    learning?.until ?? Infinity,
    ...visited.map(({ since }) => since + drainTimeout),
  );
}

/** Clock when nothing is left of it at the latest. Learning ends with the server that it is about. */
export function lastOf({ unknown, visited }: Past, drainTimeout: number): number {
  return Math.max(
    'answer' in unknown ? unknown.since + drainTimeout : -Infinity,
    ...visited.map(({ since }) => since + drainTimeout),
  );
}

/** What the ruleset needs of it. */
export function historyOf({ current, unknown, visited, learning }: Past): SlotHistory {
  return {
    current,
    unknown: 'server' in unknown ? unknown : unknown.answer,
    visited: visited.map(({ server }) => server),
    ...(learning ? { learning: learning.server } : {}),
  };
}

function settledOn(server: string): Past {
  return { current: server, unknown: { server }, visited: [] };
}

function keep(learning: Learning | undefined, current: string): { readonly learning?: Learning } {
  return learning && learning.server !== current ? { learning } : {};
}
