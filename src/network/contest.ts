/** Milliseconds until a route is taken back from somebody who has taken it a second time; doubled each time. */
const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 60_000;

/** How long to wait before something that two want is taken back, so that they do not fight for ever. Pure but for what it remembers. */
export class Contest {
  readonly #rounds = new Map<string, { readonly at: number; readonly pause: number }>();

  /**
   * Milliseconds to wait now that somebody else has taken what is known by this key; 0 the first time, and again when it has
   * been quiet for long. `now`: milliseconds of a clock that never goes back.
   */
  pause(key: string, now: number): number {
    const last = this.#rounds.get(key);
    const isOver = !last || now - last.at > last.pause + LONGEST_PAUSE;
    const pause = isOver ? 0 : Math.min(Math.max(last.pause * 2, FIRST_PAUSE), LONGEST_PAUSE);
    this.#rounds.set(key, { at: now, pause });
    return pause;
  }
}
