import type { Service } from '../config/model.ts';
import { NOTHING_KNOWN, observe, target, turned } from '../load/adapt.ts';
import type { Adaptation, Weighed } from '../load/adapt.ts';
import { formatFactors } from '../load/factors.ts';
import type { Factors } from '../load/factors.ts';
import type { ServiceLoads } from '../load/loads.ts';
import { findStep } from '../load/step.ts';
import type { Fleet, Squad } from '../membership/fleet.ts';
import { serverCounter } from '../ruleset/slot-map.ts';
import type { Count } from './router.ts';

/** Milliseconds between two samples of the loads. */
const SAMPLE = 10_000;
/** Milliseconds from one step to the next at least. */
const STEP = 60_000;
/** Milliseconds for which all servers must have been up before a step. */
const CALM = 300_000;

export interface LoadShapingOptions {
  readonly fleet: () => Fleet;
  readonly counters: () => ReadonlyMap<string, Count>;
  /** What these servers of a service report, where all of them do. */
  readonly reported: (service: string, servers: readonly string[]) => ServiceLoads | undefined;
  /** Milliseconds of a clock that only goes forward. */
  readonly clock: () => number;
  readonly startTimer: (callback: () => void, delay: number) => { cancel(): void };
  /** Resolves when everything else that was waiting has had its turn. */
  readonly turn: () => Promise<void>;
  /** Brings factors that have changed into force. */
  readonly reconcile: () => Promise<void>;
  /** Keeps a text for the next start. */
  readonly keep: (factors: string) => void;
  /** Slots of a service have followed the load. */
  readonly moved: (service: string, slots: number) => void;
}

/** What is followed of a service. */
interface Followed {
  known: Adaptation;
  /** What its servers were like, and since when they have been so. */
  stand: string;
  since: number;
  /** Packets of its servers when the last sample was taken. */
  counts: ReadonlyMap<string, bigint> | undefined;
  sampledAt: number;
  steppedAt: number;
}

/**
 * Has the load of servers shape the slots of the services that want it: samples their loads, and now and then makes a small step.
 * While there is no such service, nobody looks.
 */
export class LoadShaping {
  readonly #options: LoadShapingOptions;
  readonly #factors: Map<string, Factors>;
  readonly #followed = new Map<string, Followed>();
  #timer: { cancel(): void } | undefined;
  #isLooking = false;
  #isClosed = false;

  /** `factors`: those of an earlier run, by service. */
  constructor(options: LoadShapingOptions, factors: ReadonlyMap<string, Factors>) {
    this.#options = options;
    this.#factors = new Map(factors);
  }

  /** What the load makes of the weights of a service; `undefined`: nothing. */
  factorsOf({ name, adapt }: Service): Factors | undefined {
    return adapt ? this.#factors.get(name) : undefined;
  }

  /** Takes the services that are configured now. */
  follow(services: readonly Service[]): void {
    const wanted = new Set(services.flatMap(({ name, adapt }) => (adapt ? [name] : [])));
    for (const name of this.#followed.keys()) if (!wanted.has(name)) this.#followed.delete(name);
    const gone = [...this.#factors.keys()].filter((name) => !wanted.has(name));
    for (const name of gone) this.#factors.delete(name);
    if (gone.length > 0) this.#options.keep(formatFactors(this.#factors));
    const now = this.#options.clock();
    for (const name of wanted) {
      if (this.#followed.has(name)) continue;
      const times = { since: now, sampledAt: now, steppedAt: -Infinity };
      this.#followed.set(name, { known: NOTHING_KNOWN, stand: '', counts: undefined, ...times });
    }
    if (wanted.size === 0) {
      this.#timer?.cancel();
      this.#timer = undefined;
    } else if (!this.#isLooking) this.#arm();
  }

  /** Idempotent. */
  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }

  #arm(): void {
    if (this.#isClosed || this.#followed.size === 0) return;
    this.#timer ??= this.#options.startTimer(() => {
      this.#timer = undefined;
      this.#isLooking = true;
      void this.#look().finally(() => {
        this.#isLooking = false;
        this.#arm();
      });
    }, SAMPLE);
  }

  async #look(): Promise<void> {
    const { clock, counters, fleet } = this.#options;
    const counted = counters();
    for (const [name, followed] of [...this.#followed]) {
      const squad = fleet().get(name);
      if (squad && this.#sample(name, followed, squad, counted)) await this.#step(name, followed, squad, clock());
    }
  }

  /** Takes a sample where the loads are those of the slots; true where it is also time for a step. */
  #sample(name: string, followed: Followed, squad: Squad, counters: ReadonlyMap<string, Count>): boolean {
    const now = this.#options.clock();
    const elapsed = now - followed.sampledAt;
    followed.sampledAt = now;
    const stand = JSON.stringify(squad.members.map(({ server, state, since }) => [server.name, state, since]));
    const isSteady = squad.members.every(mayLast);
    if (stand !== followed.stand || !isSteady) Object.assign(followed, { stand, since: now, counts: undefined });
    // Connections that a change has kept elsewhere are a load that the slots do not tell of.
    if (squad.transition) followed.counts = undefined;
    if (!isSteady || squad.transition) return false;
    const servers = weighed(squad);
    const before = followed.counts;
    followed.counts = countsOf(name, servers, counters);
    const reported = this.#options.reported(
      name,
      servers.map((server) => server.name),
    );
    const loads = reported ?? ratesOf(before, followed.counts, elapsed, now);
    if (!loads) return false;
    const factors = squad.standing.factors ?? new Map<string, number>();
    followed.known = observe(followed.known, loads, servers, factors, { now, elapsed });
    return now >= followed.since + CALM && now >= followed.steppedAt + STEP;
  }

  async #step(name: string, followed: Followed, squad: Squad, now: number): Promise<void> {
    const { turn, fleet, reconcile, keep, moved } = this.#options;
    const { standing, tables, roster } = squad;
    const servers = weighed(squad);
    const before = standing.factors ?? new Map<string, number>();
    const wanted = target(followed.known, servers, before);
    if (!wanted) return;
    followed.steppedAt = now;
    const work = findStep(roster.service, standing, tables, servers, wanted);
    let next = work.next();
    while (!next.done) {
      await turn();
      if (this.#isClosed) return;
      next = work.next();
    }
    const step = next.value;
    // What was counted is the difference to a table that may not be in force any more.
    if (!step || fleet().get(name)?.tables !== tables || this.#followed.get(name) !== followed) return;
    followed.known = turned(followed.known, before, wanted);
    this.#factors.set(name, step.factors);
    keep(formatFactors(this.#factors));
    await reconcile();
    moved(name, step.moved);
  }
}

/** Whether its state is one in which a server may be for long, and the others with it. */
function mayLast({ server, state }: Squad['members'][number]): boolean {
  return state === 'up' || state === 'disabled' || (state === 'drained' && server.weight === 0);
}

/** The servers that have slots. */
function weighed({ roster }: Squad): Weighed[] {
  return roster.service.servers.filter(({ name, weight }) => weight > 0 && !roster.leaving.has(name));
}

/** Packets that servers have got so far; `undefined` where nobody counts them. */
function countsOf(
  service: string,
  servers: readonly Weighed[],
  counters: ReadonlyMap<string, Count>,
): Map<string, bigint> | undefined {
  const counts = new Map<string, bigint>();
  for (const { name } of servers) {
    const count = counters.get(serverCounter(service, name));
    if (!count) return undefined;
    counts.set(name, count.packets);
  }
  return counts;
}

/** Packets a second between two counts; `undefined` where one is missing, or was set back. */
function ratesOf(
  before: ReadonlyMap<string, bigint> | undefined,
  after: ReadonlyMap<string, bigint> | undefined,
  elapsed: number,
  now: number,
): ServiceLoads | undefined {
  if (!before || !after || elapsed <= 0) return undefined;
  const loads = new Map<string, number>();
  for (const [name, packets] of after) {
    const more = packets - (before.get(name) ?? packets + 1n);
    if (more < 0n) return undefined;
    loads.set(name, Number(more) / (elapsed / 1000));
  }
  return { kind: 'packets', loads, at: now };
}
