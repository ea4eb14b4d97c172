import { monotonic, setTimer } from 'oneip:runtime';
import type { SystemError, Timer } from 'oneip:runtime';
import type { ProbeResult } from '../../watchdog/prober.ts';

/** Milliseconds by which a timer may be late before the delay is ours and not the server's. */
const LATENESS = 5;
/** Parts of its time in which a probe looks whether the event loop was busy. */
const PARTS = 4;

/** A probe under way: it ends once, by an answer, a failure, its timeout, or because nobody wants to know any more. */
export class Attempt {
  /** Gives back what the probe holds; called once, at its end. */
  release: () => void = () => undefined;
  readonly #begin = monotonic();
  readonly #timeout: number;
  /** Milliseconds that the server still has behind the part that has begun. */
  #left: number;
  readonly #done: (result: ProbeResult) => void;
  readonly #forget: (attempt: Attempt) => void;
  #due: number;
  #timer: Timer;
  #returned = false;
  #over = false;

  /** `timeout` in milliseconds; `forget` is called when `done` is about to be, or never will be. */
  constructor(timeout: number, done: (result: ProbeResult) => void, forget: (attempt: Attempt) => void) {
    this.#timeout = timeout;
    this.#done = done;
    this.#forget = forget;
    this.#left = timeout - timeout / PARTS;
    this.#due = this.#begin + timeout / PARTS;
    this.#timer = setTimer(() => this.#expire(), timeout / PARTS);
  }

  get over(): boolean {
    return this.#over;
  }

  /** Whoever has started the probe has it now, and may be told. */
  returned(): void {
    this.#returned = true;
  }

  pass(reason: string): void {
    this.#end({ passed: true, latency: monotonic() - this.#begin, reason });
  }

  fail(reason: string): void {
    if (REFUSALS.has(reason)) this.#end({ passed: false, latency: monotonic() - this.#begin, refused: true, reason });
    else this.#end({ passed: false, reason });
  }

  /** An answer came, and it was the wrong one. */
  reject(reason: string): void {
    this.#end({ passed: false, latency: monotonic() - this.#begin, reason });
  }

  cancel(): void {
    this.#timer.cancel();
    this.#forget(this);
    if (this.#over) return;
    this.#over = true;
    this.release();
  }

  /**
   * A part of the time is over. Where the event loop was busy with something else meanwhile, an answer may wait that came in
   * time: by as much as this comes late the probe has been robbed, and only what it has had is taken from its time.
   */
  #expire(): void {
    const now = monotonic();
    const late = now - this.#due;
    if (this.#left <= 0) {
      if (late < LATENESS) return this.fail('timed out');
      this.#left = Math.min(late, this.#timeout);
    }
    const part = Math.min(this.#left, this.#timeout / PARTS);
    this.#left -= part;
    this.#due = now + part;
    this.#timer = setTimer(() => this.#expire(), part);
  }

  #end(result: ProbeResult): void {
    if (this.#over) return;
    this.#over = true;
    this.#timer.cancel();
    this.release();
    if (this.#returned) this.#tell(result);
    else this.#timer = setTimer(() => this.#tell(result), 0);
  }

  #tell(result: ProbeResult): void {
    this.#forget(this);
    this.#done(result);
  }
}

/** What only an answer of the server, or of a firewall before it, can have been the reason for. */
const REFUSALS: ReadonlySet<string> = new Set(['connection refused', 'connection reset']);

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'not permitted',
  EADDRNOTAVAIL: 'address not available',
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EHOSTUNREACH: 'host unreachable',
  EMFILE: 'too many open files',
  ENETDOWN: 'device is down',
  ENETUNREACH: 'network unreachable',
  ENODEV: 'no such device',
  ENOENT: 'no such program',
  ENXIO: 'no such device',
  EPERM: 'not permitted',
  ETIMEDOUT: 'timed out',
};

/** A few words for what a call has thrown. */
export function reasonOf(error: unknown): string {
  const { code } = error as Partial<SystemError>;
  if (code !== undefined) return REASONS[code] ?? code;
  return error instanceof Error ? error.message : String(error);
}

/** What SO_ERROR of a connection may tell: numbers as on most architectures, then as on MIPS. */
const ERRNO_REASONS: readonly (readonly [string, ...number[]])[] = [
  ['not permitted', 1, 13],
  ['device is down', 100, 127],
  ['network unreachable', 101, 128],
  ['connection reset', 104, 131],
  ['timed out', 110, 145],
  ['connection refused', 111, 146],
  ['host unreachable', 113, 148],
];

/** A few words for an error number. */
export function errnoReason(errno: number): string {
  return ERRNO_REASONS.find(([, ...numbers]) => numbers.includes(errno))?.[0] ?? `error ${errno}`;
}
