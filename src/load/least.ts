// Placement by least load over weight (D8), as a law of control: what share of the new connections each server is to have next,
// made of the loads as they are now. Who picks is chance, so that routers which know nothing of each other do not all turn to
// the same server; and shares move by small steps, so that no look, however late, sends a crowd anywhere.

/** A server that may get new connections. */
export interface Candidate {
  /** As configured, above 0. */
  readonly weight: number;
  /** Live connections, or whatever else is to be even in proportion to the weights; 0 or more. */
  readonly load: number;
  /** What its share was made of, by the look before, in multiples of what its weight alone would give it; absent: it is new. */
  readonly factor: number | undefined;
}

/**
 * A server without any load gets this many times the share of its weight in the long run, and none ever gets more. It is also
 * how hard the law pulls: a server whose load is 1 % above the others' is to get 2 % less.
 */
export const LARGEST_FACTOR = 3;
/** Who has far too much still gets this part of its share: its connections may be dead ones that nobody has told us about. */
export const LEAST_FACTOR = 1 / 16;
/** Milliseconds in which a share would be where it is to be, if it went on as it begins. */
const TIME = 2000;
/** Part of the way that a share goes at a look, at most, however long ago the last one was. */
const LARGEST_STEP = 1 / 4;

/**
 * The factors that follow from these loads, `elapsed` milliseconds after the former ones. By what a server's load is of the
 * average, for its weight, it is to have a factor that falls in a straight line, from `LARGEST_FACTOR` without load over 1 at
 * the average; and its former one goes a part of the way there. Where all loads are even, all factors become 1.
 *
 * Each of the lines is convex, hence the average of all factors is never below 1 (Jensen), and a share that is made of a factor
 * never more than that many times the share of its weight.
 *
 * `grain` is the load that nobody can tell from none: that of one connection. It is counted as if everybody of average weight
 * had it already, so that a few connections make no great difference; 0: the load is a measure and not a number.
 */
export function nextFactors(candidates: readonly Candidate[], elapsed: number, grain: number): number[] {
  const weights = candidates.map(({ weight }) => weight);
  const all = sum(weights);
  const former = settled(candidates, weights);
  const common = (grain * candidates.length) / all;
  const average = sum(candidates.map(({ load }) => load)) / all + common;
  const step = Math.min(LARGEST_STEP, Math.max(elapsed, 0) / TIME);
  return candidates.map(({ weight, load }, index) => {
    const ratio = average > 0 ? (load / weight + common) / average : 1;
    const aim = Math.max(LEAST_FACTOR, LARGEST_FACTOR - (LARGEST_FACTOR - 1) * ratio);
    const from = former[index] ?? 1;
    return from + step * (aim - from);
  });
}

/** Shares of the new connections, together 1, that factors make of weights. */
export function sharesOf(weights: readonly number[], factors: readonly number[]): number[] {
  const pulls = weights.map((weight, index) => weight * (factors[index] ?? 1));
  const all = sum(pulls);
  return pulls.map((pull) => pull / all);
}

/**
 * Former factors, those of new servers 1. Where servers have come or gone, or have another weight, the average may be below 1:
 * then all go a part of the way to the largest one, which makes it 1 again and nobody's larger than that.
 */
function settled(candidates: readonly Candidate[], weights: readonly number[]): number[] {
  const factors = candidates.map(({ factor = 1 }) => factor);
  const average = sum(factors.map((factor, index) => factor * (weights[index] ?? 0))) / sum(weights);
  const part = average < 1 ? (1 - average) / (LARGEST_FACTOR - average) : 0;
  return factors.map((factor) => factor + part * (LARGEST_FACTOR - factor));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
