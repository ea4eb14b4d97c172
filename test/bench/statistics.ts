/** The middle of a sample, and between which values the true median lies with at least 95 % confidence. */
export interface MedianInterval {
  readonly median: number;
  readonly low: number;
  readonly high: number;
  /** Probability that the true median lies between `low` and `high`; below 0.95 where there are fewer than 6 values. */
  readonly confidence: number;
}

/**
 * Median with its distribution-free confidence interval: between the k-th smallest and the k-th largest value for the
 * greatest k that keeps 95 % (the sign test's interval; e.g. Conover, Practical Nonparametric Statistics, 3.2). It assumes
 * nothing about how a shared machine's disturbances are distributed, only that rounds are independent.
 */
export function medianInterval(values: readonly number[]): MedianInterval {
  const sorted = [...values].sort((a, b) => a - b);
  const count = sorted.length;
  let rank = 1;
  while (rank < count / 2 && coverage(count, rank + 1) >= 0.95) rank += 1;
  return {
    median: (at(sorted, Math.floor((count - 1) / 2)) + at(sorted, Math.ceil((count - 1) / 2))) / 2,
    low: at(sorted, rank - 1),
    high: at(sorted, count - rank),
    confidence: coverage(count, rank),
  };
}

/** Probability that the median lies between the `rank`-th smallest and the `rank`-th largest of `count` values. */
function coverage(count: number, rank: number): number {
  let tail = 0;
  let probability = 0.5 ** count;
  for (let below = 0; below < rank; below += 1) {
    tail += probability;
    probability = (probability * (count - below)) / (below + 1);
  }
  return 1 - 2 * tail;
}

function at(values: readonly number[], index: number): number {
  const value = values[index];
  if (value === undefined) throw new RangeError('no values, no median');
  return value;
}

/**
 * Over set-ups, each given by what its rounds gave, the medians of their rounds. What a connection table costs depends on where
 * its memory happens to lie, and that is the same in all rounds of a set-up; so rounds are not independent, and only set-ups count.
 */
export function overSetups(setups: readonly (readonly number[])[]): MedianInterval {
  return medianInterval(setups.map((rounds) => medianInterval(rounds).median));
}

/** For people: `1.23 (1.20–1.31)`. */
export function formatInterval(
  { median, low, high }: Pick<MedianInterval, 'median' | 'low' | 'high'>,
  digits: number,
): string {
  return `${median.toFixed(digits)} (${low.toFixed(digits)}–${high.toFixed(digits)})`;
}

/** A table in Markdown, whose first row is its head. */
export function markdownTable(rows: readonly (readonly string[])[]): string {
  const [head = [], ...others] = rows;
  return [head, head.map(() => '---'), ...others].map((cells) => `| ${cells.join(' | ')} |\n`).join('');
}
