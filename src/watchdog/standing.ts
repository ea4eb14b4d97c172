import { Damping } from './damping.ts';
import type { Subject } from './plan.ts';
import type { Timed } from './time-heap.ts';
import type { Health } from './watchdog.ts';
import type { Counter } from './watched-probe.ts';
import type { WatchedServer } from './watched-server.ts';

/** What a program said. */
interface Statement {
  readonly up: boolean;
  readonly reason: string;
  /** Clock until when it holds. */
  readonly until: number;
}

/** A server of a service, and what is thought of it. */
export class Standing implements Timed {
  subject: Subject;
  server: WatchedServer;
  counters: Counter[] = [];
  /** When time alone may change the verdict. */
  at = 0;
  place = -1;
  /** Counters of the plan before that took it out. */
  #before: readonly Counter[] = [];
  /** Probes took it out whose questions are no longer asked: it is down until those that are asked now have answers. */
  #doubtful = false;
  #statement: Statement | undefined;
  readonly #damping: Damping;
  /** What is thought apart from damping. */
  #well = true;
  #lastDown = '';
  #up = true;
  #damped = false;
  #since: number;

  constructor(subject: Subject, server: WatchedServer, now: number) {
    this.subject = subject;
    this.server = server;
    this.#damping = new Damping(subject.halfLife);
    this.#since = now;
  }

  /** Takes a plan in which it is still the same server. */
  configure(subject: Subject, server: WatchedServer, now: number): void {
    this.#damping.configure(subject.halfLife, now);
    this.subject = subject;
    this.server = server;
    this.#before = this.counters.filter(({ up }) => !up);
    this.counters = [];
  }

  /** All counters of the plan are there. */
  settle(): void {
    if (this.#before.some((lost) => !this.counters.some(({ probe }) => probe === lost.probe))) this.#doubtful = true;
    this.#before = [];
  }

  state(up: boolean, reason: string | undefined, until: number): void {
    this.#statement = { up, reason: reason ?? (up ? 'reported up' : 'reported down'), until };
  }

  /** Judges anew; true where it went up or down. */
  assess(now: number): boolean {
    if (this.#statement && now >= this.#statement.until) this.#statement = undefined;
    if (this.#doubtful) this.#doubtful = this.counters.some(({ up, rise, probe }) => !up || probe.run < rise);
    const against = this.#against();
    const well = against === undefined;
    if (against !== undefined) this.#lastDown = against;
    if (well !== this.#well) {
      this.#well = well;
      this.#damping.change(now);
    }
    this.#damped = now < this.#damping.heldUntil;
    const up = well && !this.#damped;
    if (up === this.#up) return false;
    this.#up = up;
    this.#since = now;
    return true;
  }

  /** Clock when time alone changes something; `Infinity`: never. */
  deadline(): number {
    const expiry = this.server.clear ? Infinity : this.server.expiry;
    return Math.min(this.#statement?.until ?? Infinity, this.#damped ? this.#damping.heldUntil : Infinity, expiry);
  }

  health(): Health {
    const last = this.#latest(() => true);
    return {
      up: this.#up,
      reason: this.#reason(),
      since: this.#since,
      damped: this.#damped,
      ...(last?.probe.last ? { lastProbe: { at: last.probe.lastAt, result: last.probe.last } } : {}),
    };
  }

  /**
   * Why it is down, damping apart. One that is down does not come back while the last answer to any of its questions was a
   * failure, though that alone would not take it down: where two families are lost at once, the first that answers again would
   * bring it back for as long as the other takes to be found lost.
   */
  #against(): string | undefined {
    const evidence = this.server.against(this.subject.families);
    if (evidence) return evidence.reason;
    if (this.#statement && !this.#statement.up) return this.#statement.reason;
    const counter = this.counters.find(({ up, probe }) => !up || (!this.#well && probe.run < 0));
    if (counter) return this.#answer(counter, counter.probe.failReason);
    return this.#doubtful ? this.#lastDown : undefined;
  }

  #reason(): string {
    if (!this.#well) return this.#lastDown;
    if (this.#damped) return `came and went too often; last down: ${this.#lastDown}`;
    const passed = this.#latest(({ probe }) => probe.passReason !== undefined);
    if (passed) return this.#answer(passed, passed.probe.passReason);
    if (this.#statement) return this.#statement.reason;
    if (this.counters.length === 0) return 'not watched';
    return this.counters.some(({ probe }) => probe.last) ? 'not judged yet' : 'not probed yet';
  }

  /** The counter with the newest result. */
  #latest(suits: (counter: Counter) => boolean): Counter | undefined {
    let latest: Counter | undefined;
    for (const counter of this.counters) {
      if (counter.probe.last && suits(counter) && (!latest || counter.probe.lastAt > latest.probe.lastAt))
        latest = counter;
    }
    return latest;
  }

  /** `page: status 503`; with the ghost address where the watchdog asks for several. */
  #answer({ watchdog, probe }: Counter, reason = ''): string {
    const several = this.counters.some((other) => other.watchdog === watchdog && other.probe !== probe);
    return `${watchdog}: ${reason}${several ? ` (${probe.target.ghost.text})` : ''}`;
  }
}
