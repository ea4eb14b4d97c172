import type { Service } from '../config/model.ts';
import { noRoomCounter } from '../ruleset/placed.ts';
import type { Count } from './router.ts';

/** Milliseconds between two looks at the counters. */
const INTERVAL = 2000;

export interface OverflowWatchOptions {
  readonly counters: () => ReadonlyMap<string, Count>;
  readonly startTimer: (callback: () => void, delay: number) => { cancel(): void };
  /** There was no room for connections of a service: so many packets began one since the last look. */
  readonly full: (service: string, packets: bigint) => void;
  /** All have found room since the last look. */
  readonly relieved: (service: string) => void;
}

/**
 * Looks whether the tables of services whose connections are placed one by one have room. Each time that one overflows is told
 * once, however long it lasts. While there is no such service, nobody looks.
 */
export class OverflowWatch {
  readonly #options: OverflowWatchOptions;
  #services: readonly string[] = [];
  #seen = new Map<string, bigint>();
  #full = new Set<string>();
  #timer: { cancel(): void } | undefined;

  constructor(options: OverflowWatchOptions) {
    this.#options = options;
  }

  follow(services: readonly Service[]): void {
    this.#services = services.flatMap(({ name, placement }) => (placement ? [name] : []));
    this.#full = new Set([...this.#full].filter((name) => this.#services.includes(name)));
    if (this.#services.length === 0) this.close();
    else this.#timer ??= this.#options.startTimer(() => this.#look(), INTERVAL);
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #look(): void {
    this.#timer = this.#options.startTimer(() => this.#look(), INTERVAL);
    const counters = this.#options.counters();
    for (const service of this.#services) {
      const packets = counters.get(noRoomCounter(service))?.packets ?? 0n;
      // A table that has been loaded anew counts from 0.
      const seen = this.#seen.get(service) ?? 0n;
      const more = packets >= seen ? packets - seen : packets;
      this.#seen.set(service, packets);
      const wasFull = this.#full.has(service);
      if (more > 0n) this.#full.add(service);
      else this.#full.delete(service);
      if (more > 0n && !wasFull) this.#options.full(service, more);
      if (more === 0n && wasFull) this.#options.relieved(service);
    }
  }
}
