import type { Observation } from '../deployment/deployment.ts';

/** The router as it was last seen, until something about it changes. */
export class Sight {
  readonly #observe: () => Promise<Observation>;
  #seen: Observation | undefined;
  /** Number of times that something has changed. */
  #changes = 0;

  constructor(observe: () => Promise<Observation>) {
    this.#observe = observe;
  }

  /** `undefined`: it is not as it was. */
  get seen(): Observation | undefined {
    return this.#seen;
  }

  /** Something about the router is not as it was. */
  lookAgain(): void {
    this.#changes++;
    this.#seen = undefined;
  }

  async look(): Promise<Observation> {
    if (this.#seen) return this.#seen;
    const changes = this.#changes;
    const seen = await this.#observe();
    // What has changed while we looked may not be in what we saw.
    if (changes === this.#changes) this.#seen = seen;
    return seen;
  }
}
