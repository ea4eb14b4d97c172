import type { Deployment } from '../deployment/deployment.ts';
import { isLeveled, liveQuestions } from '../deployment/live-connections.ts';
import type { LiveRange } from '../deployment/live-connections.ts';
import type { LoadSource } from '../load/levels.ts';
import type { TallyQuestion } from '../netlink/tally.ts';

/** Milliseconds between two looks. */
const INTERVAL = 500;
/** They are longer where a look, and what follows from it, is much work: it is given a fiftieth of the time. */
const SPARING = 50;
/** Milliseconds until others have their turn. */
const SLICE = 2;

export interface LoadWatchOptions {
  /** How many entries of a dump are in each range. Each `yield` is a place where others may run. */
  readonly count: (question: TallyQuestion) => Generator<void, Uint32Array>;
  readonly littleEndian: boolean;
  /** Milliseconds of a clock that only goes forward. */
  readonly clock: () => number;
  /** Milliseconds of processors' time that this program has used. */
  readonly used: () => number;
  readonly startTimer: (callback: () => void, delay: number) => { cancel(): void };
  /** Resolves when everything else that was waiting has had its turn. */
  readonly turn: () => Promise<void>;
  /** Called with the loads that have been found, and the milliseconds since the last ones. */
  readonly found: (counted: LoadSource, elapsed: number) => void;
  /** Why nothing could be found. */
  readonly failed: (reason: string) => void;
}

/** Counts the live connections of services that are placed by load, now and then. While there is no such service, nobody looks. */
export class LoadWatch {
  readonly #options: LoadWatchOptions;
  #deployment: Deployment | undefined;
  #questions: readonly TallyQuestion<LiveRange>[] = [];
  #counts: ReadonlyMap<string, number> = new Map();
  /** Clock, milliseconds, of the last look. */
  #seen = -Infinity;
  #timer: { cancel(): void } | undefined;
  #isLooking = false;
  #failure = '';

  constructor(options: LoadWatchOptions) {
    this.#options = options;
  }

  follow(deployment: Deployment): void {
    const isNeeded = deployment.services.some(({ service }) => isLeveled(service));
    this.#deployment = isNeeded ? deployment : undefined;
    this.#questions = isNeeded ? liveQuestions(deployment, this.#options.littleEndian) : [];
    if (!isNeeded) this.close();
    else if (!this.#isLooking) this.#timer ??= this.#options.startTimer(() => void this.#look(), INTERVAL);
  }

  /** Live connections of a server of a service, when they were counted last; `undefined`: they have not been, or are not. */
  countOf(service: string, server: string): number | undefined {
    return this.#counts.get(keyOf(service, server));
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#deployment = undefined;
    this.#counts = new Map();
  }

  readonly #source: LoadSource = (service, servers) => {
    const loads = new Map<string, number>();
    for (const { name } of servers) {
      const count = this.countOf(service, name);
      if (count === undefined) return undefined;
      loads.set(name, count);
    }
    return { loads, grain: 1 };
  };

  async #look(): Promise<void> {
    const { clock, used, startTimer, found, failed } = this.#options;
    const deployment = this.#deployment;
    this.#timer = undefined;
    if (!deployment) return;
    this.#isLooking = true;
    let took = 0;
    try {
      const counts = new Map<string, number>();
      for (const { service, servers } of deployment.services) {
        if (isLeveled(service)) for (const { name } of servers) counts.set(keyOf(service.name, name), 0);
      }
      for (const question of this.#questions) took += await this.#count(question, counts);
      // Servers, and their marks, may have become others meanwhile.
      if (this.#deployment === deployment) {
        const [now, before] = [clock(), used()];
        const elapsed = now - this.#seen;
        [this.#counts, this.#seen] = [counts, now];
        found(this.#source, elapsed);
        took += used() - before;
        this.#failure = '';
      }
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      if (reason !== this.#failure && this.#deployment) failed(reason);
      this.#failure = reason;
    }
    this.#isLooking = false;
    if (this.#deployment) this.#timer = startTimer(() => void this.#look(), Math.max(INTERVAL, SPARING * took));
  }

  /** Adds the answer to the counts; resolves with the processors' time that it took, milliseconds, without that of others. */
  async #count(question: TallyQuestion<LiveRange>, counts: Map<string, number>): Promise<number> {
    const { count, clock, used, turn } = this.#options;
    const work = count(question);
    let [took, before, began] = [0, used(), clock()];
    let step = work.next();
    while (!step.done) {
      if (clock() - began >= SLICE) {
        took += used() - before;
        await turn();
        [before, began] = [used(), clock()];
      }
      step = work.next();
    }
    const { value } = step;
    question.ranges.forEach(({ service, server }, index) => {
      const key = keyOf(service, server);
      counts.set(key, (counts.get(key) ?? 0) + (value[index] ?? 0));
    });
    return took + used() - before;
  }
}

function keyOf(service: string, server: string): string {
  return `${service}/${server}`;
}
