/** Milliseconds between two lines. */
const INTERVAL = 1000;

/**
 * Lines for the log that others can cause as often as they like: one a second at most. What falls in between is counted,
 * and the next line says how many.
 */
export class Complaints {
  readonly #log: (line: string) => void;
  readonly #now: () => number;
  #quietUntil = -Infinity;
  #suppressed = 0;

  /** `now`: milliseconds of a clock that never goes back. */
  constructor(log: (line: string) => void, now: () => number) {
    this.#log = log;
    this.#now = now;
  }

  add(line: string): void {
    const now = this.#now();
    if (now < this.#quietUntil) {
      this.#suppressed++;
      return;
    }
    this.#log(this.#suppressed === 0 ? line : `${line} (and ${this.#suppressed} like it before)`);
    this.#suppressed = 0;
    this.#quietUntil = now + INTERVAL;
  }
}
