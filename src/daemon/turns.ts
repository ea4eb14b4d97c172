/** Does one thing at a time; what is asked for while it is being done becomes one more time of it. */
export class Turns {
  readonly #job: () => Promise<void>;
  #running: Promise<void> | undefined;
  #again: Promise<void> | undefined;

  constructor(job: () => Promise<void>) {
    this.#job = job;
  }

  /** What is being done. */
  get running(): Promise<void> | undefined {
    return this.#running;
  }

  /** Resolves when it has been done from beginning to end after this call; rejects as that time of it does. */
  take(): Promise<void> {
    if (!this.#running) return this.begin(this.#job);
    const next = (): Promise<void> => {
      this.#again = undefined;
      return this.take();
    };
    this.#again ??= this.#running.then(next, next);
    return this.#again;
  }

  /** Does something else in its place. Only while nothing is being done. */
  begin(job: () => Promise<void>): Promise<void> {
    this.#running = job().finally(() => (this.#running = undefined));
    return this.#running;
  }

  /** Resolves when nothing is being done any more of what has been asked for until now. */
  async end(): Promise<void> {
    await Promise.allSettled([this.#running, this.#again]);
  }
}
