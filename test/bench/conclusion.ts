import type { MedianInterval } from './statistics.ts';

/** `open`: the rounds differ too much to say. */
export type Verdict = 'held' | 'missed' | 'open';

/** An interval wider than this part of its median is too wide to conclude anything from. */
const widestInterval = 0.1;

/** Of an interval of 95 %, and the least that is wanted. */
export function judge({ low, high, confidence }: MedianInterval, atLeast: number): Verdict {
  if (confidence < 0.95) return 'open';
  if (low >= atLeast) return 'held';
  return high < atLeast ? 'missed' : 'open';
}

/** What may be concluded from a ratio, which is nothing where the spread is wider than the difference. */
export function conclusion({ median, low, high, confidence }: MedianInterval, wanted?: number): string {
  if (confidence < 0.95) return 'too few set-ups to conclude anything';
  const verdict = wanted === undefined ? 'open' : judge({ median, low, high, confidence }, wanted);
  const wish = wanted === undefined ? [] : [`wanted ≥ ${wanted}: ${verdictTexts[verdict]}`];
  // A limit that the whole interval lies on one side of is decided, however wide the interval.
  const tooWide = (high - low) / median > widestInterval && verdict === 'open';
  if (tooWide) return [...wish, 'the rounds differ too much to conclude from the figure'].join('; ');
  return [...wish, ...(low <= 1 && high >= 1 ? ['the rounds differ more than the two do'] : [])].join('; ');
}

const verdictTexts: Readonly<Record<Verdict, string>> = {
  held: 'held',
  missed: 'MISSED',
  open: 'cannot tell, the interval holds the limit',
};
