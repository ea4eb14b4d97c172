import type { Refusals } from '../channel/freshness.ts';
import { channelsOf } from '../channel/place.ts';
import type { Reporter } from '../channel/router-end.ts';
import type { Announcer, InForce } from './announcer.ts';

/** An announcer that is loaded when a configuration first wants a channel: most routers have none. */
export class AnnouncerOnDemand {
  readonly #load: () => Promise<Announcer>;
  readonly #log: (line: string) => void;
  #announcer: Announcer | undefined;
  #inForce: InForce | undefined;
  #isLoading = false;
  #failure: string | undefined;
  #isClosed = false;

  constructor(load: () => Promise<Announcer>, log: (line: string) => void) {
    this.#load = load;
    this.#log = log;
  }

  /** Takes what is in force now. Where it could not be loaded before, this tries again. */
  update(inForce: InForce): void {
    this.#inForce = inForce;
    if (this.#announcer) this.#announcer.update(inForce);
    else if (channelsOf(inForce.model).size === 0) this.#failure = undefined;
    else if (!this.#isLoading) void this.#begin();
  }

  /** Why there is no channel although one is wanted, where that is so. */
  failure(): string | undefined {
    return this.#failure;
  }

  /** What a server has told, if it has. */
  reporter(server: string): Reporter | undefined {
    return this.#announcer?.reporter(server);
  }

  /** Datagrams refused so far; `undefined` where there is no channel. */
  refusals(): Refusals | undefined {
    return this.#announcer?.refusals();
  }

  /** Idempotent. */
  close(): void {
    this.#isClosed = true;
    this.#announcer?.close();
  }

  async #begin(): Promise<void> {
    this.#isLoading = true;
    try {
      const announcer = await this.#load();
      if (this.#isClosed || !this.#inForce) return;
      this.#failure = undefined;
      this.#announcer = announcer;
      announcer.update(this.#inForce);
    } catch (error) {
      const failure = error instanceof Error ? error.message : String(error);
      if (failure !== this.#failure) this.#log(failure);
      this.#failure = failure;
    } finally {
      this.#isLoading = false;
    }
  }
}
