/** Milliseconds between two lines, in the long run. */
const INTERVAL = 1000;

/**
 * Lines for the log that others can cause as often as they like: so many in a burst, and one a second in the long run. What
 * falls in between is counted, and the next line says how many.
 */
export class Complaints {
  readonly #log: (line: string) => void;
  readonly #now: () => number;
  readonly #burst: number;
  /** Until then lines have been used up, at one a second. */
  #usedUntil = -Infinity;
  #suppressed = 0;

  /** `now`: milliseconds of a clock that never goes back. `burst`: lines that may come at once. */
  constructor(log: (line: string) => void, now: () => number, burst = 1) {
    this.#log = log;
    this.#now = now;
    this.#burst = burst;
  }

  add(line: string): void {
    const now = this.#now();
    const used = Math.max(this.#usedUntil, now) + INTERVAL;
    if (used > now + this.#burst * INTERVAL) {
      this.#suppressed++;
      return;
    }
    this.#log(this.#suppressed === 0 ? line : `${line} (and ${this.#suppressed} like it before)`);
    this.#suppressed = 0;
    this.#usedUntil = used;
  }
}
