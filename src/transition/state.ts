import type { Server } from '../config/model.ts';
import type { SlotTables } from '../deployment/deployment.ts';
import type { TransitionStatus } from '../service/control.ts';
import { NOTHING_FINISHED, bury, dueOf, end, lastOf, move } from './past.ts';
import type { Finished, Moment, Past, Policy } from './past.ts';
import { digestMoves, revise, samePasts } from './pasts.ts';
import type { Pasts } from './pasts.ts';
import { isIdle, readTallies, renewTallies } from './tally.ts';
import type { KeptCounters, Tallies } from './tally.ts';
import type { RecordedServer, SlotTransition, Transition } from './transition.ts';

const FAMILIES = [4, 6] as const;

type ByFamily<T> = Partial<Record<(typeof FAMILIES)[number], T>>;

/** Who has which slots: entries of the tables are indices into `servers`, or `NOBODY`. */
export interface Party {
  readonly tables: SlotTables;
  readonly servers: readonly Pick<Server, 'name'>[];
}

/** What has changed: slots, or who is alive, or nothing but the time. */
export interface Change {
  /** By whose choices the change is digested: the service as it is after it. */
  readonly service: Policy;
  /**
   * The slots until now. Where a slot is not what it was (another hash, seed or number of slots), do not call `step`, but go
   * on with `undefined`: nothing can be kept.
   */
  readonly before: Party;
  readonly after: Party;
  /** Whether connections of the server can be alive. Servers that are not in `after` are taken for dead. */
  readonly alive: (server: string) => boolean;
  /** Milliseconds of a clock that never goes back. */
  readonly now: number;
}

/**
 * What a service remembers of its changes until they are digested. `undefined` in its place: nothing is under way. Values
 * are never changed; what has changed is another object. It is worth what the records in the kernel are worth: once the
 * ruleset is lost, go on with `undefined`.
 */
export interface TransitionState {
  /** What the ruleset needs; the same object as long as that does not change. */
  readonly transition: Transition;
  /** Clock at the first change, milliseconds. */
  readonly since: number;
  readonly policy: Policy;
  readonly pasts: Readonly<ByFamily<Pasts>>;
  readonly tallies: Tallies;
}

/** The next state after a change; the same object where nothing changes. Ends what is due by the clock, too. */
export function step(state: TransitionState | undefined, change: Change): TransitionState | undefined {
  const { service, before, after, now } = change;
  const policy = samePolicy(state?.policy, service) ? state.policy : policyOf(service);
  const oldNames = before.servers.map(({ name }) => name);
  const newNames = after.servers.map(({ name }) => name);
  const present = new Set(newNames);
  const moment: Moment = { policy, now, alive: (server) => present.has(server) && change.alive(server) };
  const digest = (past: Past | undefined, from: string, to: string): Past | undefined => {
    const moved = from === to ? past : move(past, from, to, moment);
    return moved && end(bury(moved, moment), policy.drainTimeout, now, NOTHING_FINISHED);
  };
  const sameNames = oldNames.length === newNames.length && oldNames.every((name, index) => name === newNames[index]);
  const pasts = byTable(state, (family) => {
    const table = after.tables[family];
    const old = before.tables[family];
    const known = state?.pasts[family];
    if (!table || old?.length !== table.length) return undefined;
    const key = [table, old, known];
    // Between two changes it is only the time that goes on, and there are few pasts to look at.
    if (table === old && sameNames) {
      return { key, compute: () => known && revise(known, (past) => digest(past, past.current, past.current) ?? past) };
    }
    const [from, to] = [
      { table: old, names: oldNames },
      { table, names: newNames },
    ];
    return { key, compute: () => digestMoves(known, from, to, digest) };
  });
  return next(state, pasts, policy, state?.tallies, now, present);
}

/**
 * The next state once the counters have been read at `now`: servers whose old connections have been idle for `idleTimeout`
 * are done, and what is due by the clock ends.
 */
export function observe(state: TransitionState, counters: KeptCounters, now: number): TransitionState | undefined {
  const tallies = readTallies(state.tallies, counters, now);
  const { idleTimeout } = state.policy;
  return conclude(state, tallies, now, {
    server: (name) => isIdle(tallies.kept.get(name), idleTimeout, now),
    answer: (answer) => isIdle(tallies[answer], idleTimeout, now),
  });
}

/** The old connections of a server are given up at once, in all slots: its drain's own time is over. */
export function finish(state: TransitionState, server: string): TransitionState | undefined {
  // At no time at all, so that nothing else ends.
  return conclude(state, state.tallies, -Infinity, { ...NOTHING_FINISHED, server: (name) => name === server });
}

/** Clock at which the counters must be read and `observe` be called at the latest: something may end then. */
export function nextDeadline(state: TransitionState): number {
  const { drainTimeout, idleTimeout } = state.policy;
  const dues = listOf(state).map((past) => {
    const tallies = [
      ...past.visited.map(({ server }) => state.tallies.kept.get(server)),
      'answer' in past.unknown ? state.tallies[past.unknown.answer] : undefined,
    ];
    return Math.min(dueOf(past, drainTimeout), ...tallies.map((tally) => (tally?.active ?? Infinity) + idleTimeout));
  });
  return Math.min(...dues);
}

/** True where no old connection is kept on the server any more. */
export function isDrained(state: TransitionState, server: string): boolean {
  return !listOf(state).some(({ visited }) => visited.some((visit) => visit.server === server));
}

/** For those who look on. */
export function progress(state: TransitionState, now: number): TransitionStatus {
  const pasts = listOf(state);
  const servers = new Set(pasts.flatMap(({ visited }) => visited.map(({ server }) => server)));
  const last = Math.max(...pasts.map((past) => lastOf(past, state.policy.drainTimeout)));
  return {
    since: Math.floor((now - state.since) / 1000),
    until: Math.max(0, Math.ceil((last - now) / 1000)),
    slots: Math.max(...FAMILIES.map((family) => state.pasts[family]?.moved.length ?? 0)),
    kept: [...servers].sort().map((server) => {
      const { packets, active } = state.tallies.kept.get(server) ?? { packets: 0n, active: now };
      return { server, packets, idle: Math.floor((now - active) / 1000) };
    }),
  };
}

function conclude(
  state: TransitionState,
  tallies: Tallies,
  now: number,
  finished: Finished,
): TransitionState | undefined {
  const { policy } = state;
  const pasts = byTable(state, (family) => {
    const known = state.pasts[family];
    if (!known) return undefined;
    const compute = () => revise(known, (past) => end(past, policy.drainTimeout, now, finished));
    return { key: [known], compute };
  });
  return next(state, pasts, policy, tallies, now);
}

interface Work {
  /** Families with the same parts have the same result. */
  readonly key: readonly unknown[];
  readonly compute: () => Pasts | undefined;
}

/** Does the work of each family, once for those that share it; what says the same becomes one. */
function byTable(
  state: TransitionState | undefined,
  workOf: (family: (typeof FAMILIES)[number]) => Work | undefined,
): ByFamily<Pasts> {
  const [work4, work6] = [workOf(4), workOf(6)];
  const pasts4 = work4?.compute();
  const isShared = work4 && work6 && work4.key.every((part, index) => part === work6.key[index]);
  const own6 = isShared ? pasts4 : work6?.compute();
  const pasts6 = pasts4 && own6 && own6 !== state?.pasts[6] && samePasts(pasts4, own6) ? pasts4 : own6;
  return { ...(pasts4 ? { 4: pasts4 } : {}), ...(pasts6 ? { 6: pasts6 } : {}) };
}

function next(
  state: TransitionState | undefined,
  pasts: ByFamily<Pasts>,
  policy: Policy,
  before: Tallies | undefined,
  now: number,
  /** Servers that there are; absent: as before. */
  present?: ReadonlySet<string>,
): TransitionState | undefined {
  if (!pasts[4] && !pasts[6]) return undefined;
  const lists = [...new Set([pasts[4], pasts[6]])].flatMap((table) => table?.list ?? []);
  const tallies = renewTallies(before, lists, now);
  const isSame = FAMILIES.every((family) => state?.pasts[family] === pasts[family]);
  const transition = transitionOf(pasts, lists, state, present);
  if (state && isSame && state.policy === policy && state.tallies === tallies && state.transition === transition) {
    return state;
  }
  return { transition, since: state?.since ?? now, policy, pasts, tallies };
}

function transitionOf(
  pasts: ByFamily<Pasts>,
  lists: readonly Past[],
  state: TransitionState | undefined,
  present: ReadonlySet<string> | undefined,
): Transition {
  const before = state?.transition;
  const tables: ByFamily<SlotTransition> = {};
  for (const family of FAMILIES) {
    const view = pasts[family]?.view;
    if (view) tables[family] = view;
  }
  const recorded = recordedOf(namedIn(lists), before?.recorded ?? [], namedIn(state ? listOf(state) : []), present);
  const isSame =
    before &&
    FAMILIES.every((family) => before.tables[family] === tables[family]) &&
    JSON.stringify(before.recorded) === JSON.stringify(recorded);
  return isSame ? before : { tables, recorded };
}

/**
 * Servers stay recorded once they are, though no past names them for now: their chains and sets are likely to be needed again,
 * and to make them takes a hundred times what an element takes.
 */
function recordedOf(
  named: ReadonlySet<string>,
  before: readonly RecordedServer[],
  namedBefore: ReadonlySet<string>,
  present: ReadonlySet<string> | undefined,
): RecordedServer[] {
  const kept = before
    .filter(({ server }) => named.has(server) || (present?.has(server) ?? true))
    .map((record) => {
      const { server, emptied } = record;
      return namedBefore.has(server) && !named.has(server) ? { server, emptied: emptied + 1 } : record;
    });
  const known = new Set(kept.map(({ server }) => server));
  const fresh = [...named].filter((server) => !known.has(server)).map((server) => ({ server, emptied: 0 }));
  return [...kept, ...fresh].sort((a, b) => (a.server < b.server ? -1 : 1));
}

function namedIn(pasts: readonly Past[]): Set<string> {
  return new Set(pasts.flatMap(({ current, visited }) => [current, ...visited.map(({ server }) => server)]));
}

function listOf({ pasts }: TransitionState): readonly Past[] {
  return FAMILIES.flatMap((family) => pasts[family]?.list ?? []);
}

function policyOf({ onChange, onFailure, drainTimeout, idleTimeout, learnTime }: Policy): Policy {
  return { onChange, onFailure, drainTimeout, idleTimeout, learnTime };
}

function samePolicy(one: Policy | undefined, other: Policy): one is Policy {
  return one !== undefined && JSON.stringify(one) === JSON.stringify(policyOf(other));
}
