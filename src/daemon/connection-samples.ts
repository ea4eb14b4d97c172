import type { Service } from '../config/model.ts';
import type { Fleet } from '../membership/fleet.ts';
import { keptCounter, resetCounter, silenceCounter } from '../ruleset/transition.ts';
import { nextDeadline, observe } from '../transition/state.ts';
import type { KeptCounters } from '../transition/tally.ts';
import type { Count } from './router.ts';

/** Milliseconds between looks at the counters of old connections: a tenth of the idle time, within these bounds. */
const SHORTEST = 100;
const LONGEST = 10_000;

/** Looks at the counters of old connections now and then, while changes are under way. All times are milliseconds of one clock. */
export class ConnectionSamples {
  readonly #counters: () => ReadonlyMap<string, Count>;
  #taken = -Infinity;

  constructor(counters: () => ReadonlyMap<string, Count>) {
    this.#counters = counters;
  }

  /** A change begins, with counters that are 0. */
  begin(now: number): void {
    this.#taken = now;
  }

  /** When `take` is to be called again; `Infinity` = nothing is under way. */
  next(fleet: Fleet): number {
    return Math.min(
      ...[...fleet.values()].flatMap(({ transition, roster }) =>
        transition ? [nextDeadline(transition), this.#taken + intervalOf(roster.service)] : [],
      ),
    );
  }

  /** The fleet with what the counters tell, where it is time to ask them. */
  take(fleet: Fleet, now: number): Fleet {
    if (this.next(fleet) > now) return fleet;
    this.#taken = now;
    const counters = this.#counters();
    const sampled = new Map(fleet);
    for (const [name, { transition, ...rest }] of fleet) {
      if (!transition) continue;
      const observed = observe(transition, keptBy(name, counters), now);
      sampled.set(name, { ...rest, ...(observed ? { transition: observed } : {}) });
    }
    return sampled;
  }
}

/** The counters of old connections that the ruleset of a service has while a change is under way. */
function keptBy(service: string, counters: ReadonlyMap<string, Count>): KeptCounters {
  const prefix = keptCounter(service, '');
  const ofServers = [...counters].filter(([name]) => name.startsWith(prefix));
  return {
    kept: new Map(ofServers.map(([name, { packets }]) => [name.slice(prefix.length), packets])),
    reset: counters.get(resetCounter(service))?.packets ?? 0n,
    silence: counters.get(silenceCounter(service))?.packets ?? 0n,
  };
}

function intervalOf({ idleTimeout }: Service): number {
  return Math.min(Math.max(idleTimeout / 10, SHORTEST), LONGEST);
}
