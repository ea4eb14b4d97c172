import type { Server, Service } from '../config/model.ts';
import type { SlotTables } from '../deployment/deployment.ts';
import type { Transition } from './transition.ts';

/** Who has which slots: entries of the tables are indices into `servers`, or `NOBODY`. */
export interface Party {
  readonly tables: SlotTables;
  readonly servers: readonly Pick<Server, 'name'>[];
}

/** What has changed: slots, or who is alive, or nothing but the time. */
export interface Change {
  /** By whose choices the change is digested; of the slots after it. */
  readonly service: Pick<Service, 'onChange' | 'onFailure' | 'drainTimeout' | 'idleTimeout' | 'learnTime'>;
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
}

/** Counters of a service's packets of old connections, as the kernel holds them now; what is absent is 0. */
export interface KeptCounters {
  /** `SERVICE/kept/SERVER` by server. */
  readonly kept: ReadonlyMap<string, bigint>;
  /** `SERVICE/reset`: segments that got a RST. */
  readonly reset: bigint;
  /** `SERVICE/silence`: segments that got no answer. */
  readonly silence: bigint;
}

/** How far a transition is, at a moment. */
export interface Progress {
  /** Milliseconds since the first change. */
  readonly age: number;
  /** Milliseconds until its last connections are given up. */
  readonly remaining: number;
  /** Slots whose old connections are still kept; of the family that has more of them. */
  readonly slots: number;
  /** Servers that keep old connections, sorted by name. */
  readonly kept: readonly KeptServer[];
}

export interface KeptServer {
  readonly server: string;
  /** Packets of old connections since the beginning. */
  readonly packets: bigint;
  /** Milliseconds since the last of them was noticed, or since the server began to keep connections. */
  readonly idle: number;
}

/** The next state after a change; the same object where nothing changes. Ends what is due by the clock, too. */
export function step(state: TransitionState | undefined, change: Change): TransitionState | undefined {
  throw new Error(`not there yet: ${String(state)} ${String(change)}`);
}

/**
 * The next state once the counters have been read at `now`: servers whose old connections have been idle for `idleTimeout`
 * are done, and what is due by the clock ends.
 */
export function observe(state: TransitionState, counters: KeptCounters, now: number): TransitionState | undefined {
  throw new Error(`not there yet: ${String(state)} ${String(counters)} ${now}`);
}

/** The old connections of a server are given up at once, in all slots: its drain's own time is over. */
export function finish(state: TransitionState, server: string): TransitionState | undefined {
  throw new Error(`not there yet: ${String(state)} ${server}`);
}

/** Clock at which the counters must be read and `observe` be called at the latest: something may end then. */
export function nextDeadline(state: TransitionState): number {
  throw new Error(`not there yet: ${String(state)}`);
}

/** True where no old connection is kept on the server any more. */
export function isDrained(state: TransitionState, server: string): boolean {
  throw new Error(`not there yet: ${String(state)} ${server}`);
}

/** For those who look on. */
export function progress(state: TransitionState, now: number): Progress {
  throw new Error(`not there yet: ${String(state)} ${now}`);
}
