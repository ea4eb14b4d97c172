import { LEAST, MOST } from './factors.ts';
import type { Factors } from './factors.ts';
import { pressure } from './loads.ts';
import type { LoadKind, ServiceLoads } from './loads.ts';

/** Milliseconds over which loads are averaged: what is shorter moves nothing. */
export const SMOOTHING = 300_000;
/** No server is moved whose load is within this part of the average of all. */
const BAND = 0.1;
/** … nor within so many standard errors of its own: that much is chance. */
const ERRORS = 4;
/** Milliseconds in which what was learnt from a turn back is half forgotten. */
const FORGETTING = 14_400_000;
/** Below this use of their processors servers have nothing to share out. */
const IDLE_PROCESSOR = 0.1;

/** A server whose load is shaped, with its configured weight, above 0. */
export interface Weighed {
  readonly name: string;
  readonly weight: number;
}

/** What is known of a server: how hard a factor of 1 would have it, on average, so that it holds whatever the factor is. */
interface Estimate {
  readonly mean: number;
  readonly variance: number;
  /** Standard error of the average. */
  readonly error: number;
  /** Milliseconds that are in the average, up to `SMOOTHING`. */
  readonly span: number;
}

/** What is known of the loads of a service. Values are never changed. All times are milliseconds of one clock. */
export interface Adaptation {
  readonly kind: LoadKind | undefined;
  readonly estimates: ReadonlyMap<string, Estimate>;
  /** Which way a server's factor went last: 1 up, -1 down. */
  readonly directions: ReadonlyMap<string, number>;
  /** By what the band is multiplied: doubled by each turn back, as where a single client is too heavy for any server. */
  readonly caution: number;
  readonly at: number;
}

export const NOTHING_KNOWN: Adaptation = {
  kind: undefined,
  estimates: new Map(),
  directions: new Map(),
  caution: 1,
  at: 0,
};

/**
 * Takes a sample of the loads, as they are under these factors. `elapsed`: milliseconds for which it stands. Another kind of load
 * begins anew.
 */
export function observe(
  known: Adaptation,
  { kind, loads }: ServiceLoads,
  servers: readonly Weighed[],
  factors: Factors,
  { now, elapsed }: { readonly now: number; readonly elapsed: number },
): Adaptation {
  const before = known.kind === kind ? known.estimates : new Map<string, Estimate>();
  const estimates = new Map<string, Estimate>();
  for (const { name, weight } of servers) {
    const load = loads.get(name);
    if (load === undefined) continue;
    const value = pressure(kind, load, weight) / (factors.get(name) ?? 1);
    const { mean = value, variance: spread = 0, span = 0 } = before.get(name) ?? {};
    const longer = Math.min(span + elapsed, SMOOTHING);
    const part = Math.min(elapsed / longer, 1);
    const off = value - mean;
    const variance = (1 - part) * (spread + part * off * off);
    estimates.set(name, { mean: mean + part * off, variance, error: Math.sqrt(variance * part), span: longer });
  }
  const caution = Math.max(1, known.caution * 2 ** -(Math.max(now - known.at, 0) / FORGETTING));
  return { kind, estimates, directions: known.directions, caution, at: now };
}

/**
 * The factors with which all servers would have it equally hard; `undefined` where they have, as far as can be told, or not enough is
 * known. A server within the band keeps its place beside the others.
 */
export function target(known: Adaptation, servers: readonly Weighed[], factors: Factors): Factors | undefined {
  const { kind, estimates, caution } = known;
  const total = servers.reduce((sum, { weight }) => sum + weight, 0);
  const pressures = servers.map(({ name, weight }) => {
    const { mean = 0, error = 0, span = 0 } = estimates.get(name) ?? {};
    const factor = factors.get(name) ?? 1;
    return { name, weight, factor, value: mean * factor, error: error * factor, isKnown: span >= SMOOTHING };
  });
  const average = pressures.reduce((sum, { weight, value }) => sum + weight * value, 0) / total;
  if (servers.length < 2 || !(average > 0) || pressures.some(({ isKnown }) => !isKnown)) return undefined;
  if (kind === 'processor' && average < IDLE_PROCESSOR) return undefined;
  const wanted = new Map(
    pressures.map(({ name, factor, value, error }) => {
      const isOff = Math.abs(value - average) > Math.max(BAND * caution * average, ERRORS * error);
      return [name, isOff ? factor * (value > 0 ? average / value : MOST / LEAST) : factor];
    }),
  );
  const found = balanced(servers, wanted);
  // Where bounds leave next to nothing of it, only chance would be followed.
  return servers.some(({ name }) => isStep(factors, found, name)) ? found : undefined;
}

/** Whether a server's factor becomes another by more than it may for the sake of others. */
function isStep(before: Factors, after: Factors, name: string): boolean {
  return Math.abs(Math.log((after.get(name) ?? 1) / (before.get(name) ?? 1))) >= BAND / 2;
}

/** The way from one set of factors to another, `part` of it, 0–1. */
export function partOfTheWay(servers: readonly Weighed[], from: Factors, to: Factors, part: number): Factors {
  const between = servers.map(({ name }): [string, number] => {
    const start = from.get(name) ?? 1;
    return [name, start * ((to.get(name) ?? 1) / start) ** part];
  });
  return balanced(servers, new Map(between));
}

/** What is known once factors have been changed on the way to `wanted`: who turns back makes it more careful. */
export function turned(known: Adaptation, before: Factors, wanted: Factors): Adaptation {
  const directions = new Map(known.directions);
  let hasTurned = false;
  for (const [name, factor] of wanted) {
    if (!isStep(before, wanted, name)) continue;
    const direction = factor > (before.get(name) ?? 1) ? 1 : -1;
    if (direction === -(directions.get(name) ?? 0)) hasTurned = true;
    directions.set(name, direction);
  }
  return { ...known, directions, caution: known.caution * (hasTurned ? 2 : 1) };
}

/** Factors within their bounds, in the same proportions as far as these allow, and 1 on average over the weights. */
function balanced(servers: readonly Weighed[], factors: Factors): Factors {
  const total = servers.reduce((sum, { weight }) => sum + weight, 0);
  const under = (scale: number) =>
    servers.map(({ name }) => Math.min(Math.max((factors.get(name) ?? 1) * scale, LEAST), MOST));
  const sum = (list: readonly number[]) =>
    list.reduce((all, factor, at) => all + factor * (servers[at]?.weight ?? 0), 0);
  let [low, high] = [2 ** -12, 2 ** 12];
  for (let halvings = 0; halvings < 50; halvings++) {
    const middle = Math.sqrt(low * high);
    if (sum(under(middle)) > total) high = middle;
    else low = middle;
  }
  const found = under(low);
  return new Map(servers.map(({ name }, at) => [name, found[at] ?? 1]));
}
