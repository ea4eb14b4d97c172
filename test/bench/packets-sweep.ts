/** Where all contestants are built: sites differ in what a lab has to be built anew for. */
export interface Site {
  readonly name: string;
}

/** What a sweep is told. */
export interface SweepOptions {
  /** Most visits of each site. */
  readonly setups: number;
  /** After which no sweep begins that would not be through by then, by the one before; the first is always made. */
  readonly minutes: number;
  /** Milliseconds, of any clock that does not leap. */
  readonly now: () => number;
  /** Hears of every visit before it begins, with the minutes that are left, as soon as something is known of them. */
  readonly onProgress: (site: Site, setup: number, minutesLeft: number | undefined) => void;
}

export interface Swept<Place extends Site, Outcome> {
  readonly outcomes: ReadonlyMap<Place, readonly Outcome[]>;
  readonly failure?: unknown;
}

/**
 * Visits all sites in turn, again and again, so that each of them has had as many visits as the others when time is up. Resolves
 * with what the visits gave, by site, and with what has ended it before, if each site had been visited by then; else rejects with that.
 */
export async function sweep<Place extends Site, Outcome>(
  sites: readonly Place[],
  visit: (site: Place, setup: number) => Promise<Outcome>,
  { setups, minutes, now, onProgress }: SweepOptions,
): Promise<Swept<Place, Outcome>> {
  const outcomes = new Map(sites.map((site) => [site, [] as Outcome[]]));
  const spent = new Map<Place, number>();
  const begin = now();
  const lengthOf = (place: Place) => spent.get(place) ?? mean([...spent.values()]);
  const passed = () => (now() - begin) / 60_000;
  let sweepLength = 0;
  for (let setup = 0; setup < setups; setup += 1) {
    if (setup > 0 && passed() + sweepLength > minutes) break;
    const before = passed();
    for (const [index, site] of sites.entries()) {
      onProgress(site, setup, left(sites, index, setup));
      const start = passed();
      try {
        outcomes.get(site)?.push(await visit(site, setup));
      } catch (failure) {
        if (setup === 0) throw failure;
        return { outcomes, failure };
      }
      spent.set(site, passed() - start);
    }
    sweepLength = passed() - before;
  }
  return { outcomes };

  /** Of the sweeps that still fit. */
  function left(places: readonly Place[], index: number, setup: number): number | undefined {
    if (spent.size === 0) return undefined;
    const whole = sum(places.map(lengthOf));
    const rest = sum(places.slice(index).map(lengthOf));
    const more = Math.min(setups - 1 - setup, Math.floor(Math.max(0, minutes - passed() - rest) / whole));
    return rest + more * whole;
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function mean(values: readonly number[]): number {
  return sum(values) / values.length;
}
