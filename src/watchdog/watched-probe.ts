import type { Check } from '../config/model.ts';
import type { PlannedProbe } from './plan.ts';
import type { ProbeResult, ProbeTarget } from './prober.ts';
import type { Standing } from './standing.ts';
import type { Timed } from './time-heap.ts';
import type { WatchedServer } from './watched-server.ts';

/** A first probe is not put off for longer than this, however long the interval; milliseconds. */
const FIRST_WITHIN = 1000;

/** A server that has refused is asked again after this part of the interval … */
const SOON = 1 / 4;
/** … but not before so many milliseconds, which is as often as anybody may be asked. */
const SOONEST = 50;

/** Results of a probe as one watchdog counts them. */
export interface Counter {
  readonly probe: WatchedProbe;
  readonly watchdog: string;
  readonly rise: number;
  readonly fall: number;
  /** What it thinks of the server. */
  up: boolean;
  readonly standings: readonly Standing[];
}

/** A planned probe, its place in time and what came of it so far. */
export class WatchedProbe implements Timed {
  readonly key: string;
  server: WatchedServer;
  readonly check: Check;
  target: ProbeTarget;
  readonly timeout: number;
  readonly interval: number;
  counters: readonly Counter[] = [];
  /** Next turn. */
  at = 0;
  place = -1;
  /** Turns are at the clock's multiples of the interval plus this. */
  phase = 0;
  running = false;
  /** A turn came while it was running; the next begins as soon as that has ended. */
  waiting = false;
  /** Place of its last start in the order of all that happened. */
  order = 0;
  /** Successes in a row, or failures as a negative number; 0: no result yet. */
  run = 0;
  last: ProbeResult | undefined;
  lastAt = 0;
  passReason: string | undefined;
  failReason: string | undefined;

  constructor({ key, check, target, timeout, interval }: PlannedProbe, server: WatchedServer) {
    this.key = key;
    this.server = server;
    this.check = check;
    this.target = target;
    this.timeout = timeout;
    this.interval = interval;
  }

  /** First turn of the `index`th of `count` probes with the same interval: spread, and soon. */
  firstTurn(now: number, index: number, count: number): number {
    return now + Math.floor((Math.min(this.interval, FIRST_WITHIN) * index) / count);
  }

  /** The turn after one at `now`: what was missed is missed, and less than half an interval is not worth a turn. */
  nextTurn(now: number): number {
    const { interval, phase } = this;
    const next = now + interval - ((((now - phase) % interval) + interval) % interval);
    return next - now < interval / 2 ? next + interval : next;
  }

  /** Milliseconds until a server is asked again that has refused: its process has gone, or is just starting again. */
  get soon(): number {
    return Math.max(this.interval * SOON, SOONEST);
  }

  /** True where it has failed, but not yet as often as it takes. */
  get doubts(): boolean {
    return this.run < 0 && this.counters.some((counter) => judge(counter));
  }

  /** Counts failures anew, but for those that have taken the server down: only successes bring it back. */
  forgetDoubts(): void {
    if (this.run < 0 && this.counters.every(({ up }) => up)) this.run = 0;
  }

  note(result: ProbeResult, now: number): void {
    this.last = result;
    this.lastAt = now;
    if (result.passed) {
      this.run = this.run > 0 ? this.run + 1 : 1;
      this.passReason = result.reason;
    } else {
      this.run = this.run < 0 ? this.run - 1 : -1;
      this.failReason = result.reason;
    }
  }
}

/** What a counter makes of the results in a row. */
export function judge({ up, rise, fall, probe }: Counter): boolean {
  return up ? probe.run > -fall : probe.run >= rise;
}
