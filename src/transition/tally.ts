import type { Past, Refusal } from './past.ts';

/** Counters of a service's packets of old connections, as the kernel holds them now; what is absent is 0. */
export interface KeptCounters {
  /** `SERVICE/kept/SERVER` by server. */
  readonly kept: ReadonlyMap<string, bigint>;
  /** `SERVICE/reset`: segments that got a RST. */
  readonly reset: bigint;
  /** `SERVICE/silence`: segments that got no answer. */
  readonly silence: bigint;
}

/** What is known of the packets of old connections of one server, or that got one answer. */
export interface Tally {
  /** Counter when it was read last. */
  readonly seen: bigint;
  /** Packets since the beginning. */
  readonly packets: bigint;
  /** Clock when packets were noticed last, or connections began to be kept. */
  readonly active: number;
}

export interface Tallies extends Readonly<Partial<Record<Refusal['answer'], Tally>>> {
  readonly kept: ReadonlyMap<string, Tally>;
}

/** The tallies after a look at the counters. */
export function readTallies(tallies: Tallies, counters: KeptCounters, now: number): Tallies {
  const kept = [...tallies.kept].map(
    ([server, tally]) => [server, read(tally, counters.kept.get(server), now)] as const,
  );
  const { reset, drop } = tallies;
  if (
    kept.every(([server, tally]) => tally === tallies.kept.get(server)) &&
    (!reset || read(reset, counters.reset, now) === reset) &&
    (!drop || read(drop, counters.silence, now) === drop)
  ) {
    return tallies;
  }
  return {
    kept: new Map(kept),
    ...(reset ? { reset: read(reset, counters.reset, now) } : {}),
    ...(drop ? { drop: read(drop, counters.silence, now) } : {}),
  };
}

/**
 * Tallies for the counters that the pasts ask for, and those that there were: the counters stay as long as something is under
 * way. The same object if nothing changes.
 */
export function renewTallies(before: Tallies | undefined, pasts: readonly Past[], now: number): Tallies {
  const taken = new Map<string, number>();
  const answered: Partial<Record<Refusal['answer'], number>> = {};
  for (const { current, unknown, visited } of pasts) {
    taken.set(current, taken.get(current) ?? -Infinity);
    for (const { server, since } of visited) taken.set(server, Math.max(since, taken.get(server) ?? -Infinity));
    if ('answer' in unknown) answered[unknown.answer] = Math.max(unknown.since, answered[unknown.answer] ?? -Infinity);
  }
  const kept = new Map(before?.kept);
  for (const [server, since] of taken) kept.set(server, renew(kept.get(server), since, now));
  const reset = answered.reset === undefined ? before?.reset : renew(before?.reset, answered.reset, now);
  const drop = answered.drop === undefined ? before?.drop : renew(before?.drop, answered.drop, now);
  if (
    before?.reset === reset &&
    before?.drop === drop &&
    before?.kept.size === kept.size &&
    [...kept].every(([server, tally]) => tally === before.kept.get(server))
  ) {
    return before;
  }
  return { kept, ...(reset ? { reset } : {}), ...(drop ? { drop } : {}) };
}

/** True where connections are kept, and none of them has been heard of for so long. */
export function isIdle(tally: Tally | undefined, idleTimeout: number, now: number): boolean {
  return tally !== undefined && now >= tally.active + idleTimeout;
}

/** A counter that is lower than it was has been made anew. */
function read(tally: Tally, counter = 0n, now: number): Tally {
  const { seen, packets } = tally;
  if (counter === seen) return tally;
  const fresh = counter > seen ? counter - seen : counter;
  return { seen: counter, packets: packets + fresh, active: fresh > 0n ? now : tally.active };
}

/** `since`: when the last connections began to be kept; `-Infinity` where none are. */
function renew(tally: Tally | undefined, since: number, now: number): Tally {
  if (!tally) return { seen: 0n, packets: 0n, active: Math.max(since, now) };
  return tally.active >= since ? tally : { ...tally, active: since };
}
