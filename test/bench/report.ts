import type { Family } from '../../src/net/address.ts';
import type { Burst } from './bench-lab.ts';
import type { Contestant } from './contestant.ts';
import { formatInterval, markdownTable, overSetups, type MedianInterval } from './statistics.ts';

/** A contestant's bursts, one a round, by set-up. */
export interface Series {
  readonly contestant: Contestant;
  readonly setups: readonly (readonly Burst[])[];
}

export interface Result {
  readonly servers: number;
  readonly series: readonly Series[];
}

/** What is wanted of a ratio of packets per second. */
interface Wish {
  readonly of: string;
  readonly to: string;
  readonly atLeast: number;
}

const wishes: readonly Wish[] = [
  { of: 'oneip', to: 'plain', atLeast: 0.84 },
  { of: 'oneip', to: 'dnat', atLeast: 2.8 },
  { of: 'bystander', to: 'plain', atLeast: 0.99 },
  { of: 'bystander-ct', to: 'plain-ct', atLeast: 0.99 },
];

/** `open`: the rounds differ too much to say. */
type Verdict = 'held' | 'missed' | 'open';

export interface Comparison extends MedianInterval {
  readonly servers: number;
  readonly of: string;
  readonly to: string;
  readonly wanted?: number;
  readonly verdict?: Verdict;
}

/** An interval wider than this part of its median is too wide to conclude anything from. */
const widestInterval = 0.1;

/** Delivered packets, millions per second, burst by burst. */
function rates(bursts: readonly Burst[]): number[] {
  return bursts.map(({ delivered, seconds }) => delivered / seconds / 1e6);
}

function rate(series: Series): MedianInterval {
  return overSetups(series.setups.map(rates));
}

/** Of two contestants, round by round, so that what slows the machine for a while slows both. */
function byRound(of: Series, to: Series, combine: (of: number, to: number) => number): MedianInterval {
  return overSetups(
    of.setups.map((bursts, setup) => {
      const reference = rates(to.setups[setup] ?? []);
      return rates(bursts).map((rate, round) => combine(rate, reference[round] ?? NaN));
    }),
  );
}

function compare(of: Series, to: Series): MedianInterval {
  return byRound(of, to, (ofRate, toRate) => ofRate / toRate);
}

/** Every contestant against the first, and whatever else is wished for. */
export function comparisons({ servers, series }: Result): Comparison[] {
  const [first, ...others] = series;
  if (!first) return [];
  const pairs = others.map((other) => ({ of: other, to: first }));
  for (const wish of wishes) {
    const of = series.find(({ contestant }) => contestant.name === wish.of);
    const to = series.find(({ contestant }) => contestant.name === wish.to);
    if (of && to && !pairs.some((pair) => pair.of === of && pair.to === to)) pairs.push({ of, to });
  }
  return pairs.map(({ of, to }) => {
    const names = { of: of.contestant.name, to: to.contestant.name };
    const interval = compare(of, to);
    const wish = wishes.find((candidate) => candidate.of === names.of && candidate.to === names.to);
    return { servers, ...names, ...interval, ...(wish && { wanted: wish.atLeast, verdict: judge(interval, wish) }) };
  });
}

/** Nanoseconds that each packet cost the router, the sender's own left out; negative where noise is greater. */
function netCosts(of: Series, sender: Series): MedianInterval {
  return byRound(of, sender, (ofRate, alone) => 1e3 / ofRate - 1e3 / alone);
}

function judge({ low, high, confidence }: MedianInterval, { atLeast }: Wish): Verdict {
  if (confidence < 0.95) return 'open';
  if (low >= atLeast) return 'held';
  return high < atLeast ? 'missed' : 'open';
}

/** A table for people. */
export function formatResult(result: Result, family: Family): string {
  const setups = result.series[0]?.setups.length ?? 0;
  const rounds = result.series[0]?.setups[0]?.length ?? 0;
  const title = `${result.servers} servers, IPv${family}, ${setups} set-ups with ${rounds} rounds each: median (95 % interval)`;
  const sender = result.series.find(({ contestant }) => contestant.name === 'drop');
  const rows = result.series.map((series) => {
    const { name, description } = series.contestant;
    const cost = sender && series !== sender ? formatInterval(netCosts(series, sender), 0) : '';
    return [name, formatInterval(rate(series), 3), cost, `${description}${remarks(series)}`];
  });
  const ratios = comparisons(result).map((comparison) => {
    return [`${comparison.of} / ${comparison.to}`, formatInterval(comparison, 3), conclusion(comparison)];
  });
  return [
    `${title}\n\n`,
    markdownTable([['contestant', 'Mpps', 'ns without sender', 'what'], ...rows]),
    '\n',
    markdownTable([['ratio', 'median', 'conclusion'], ...ratios]),
    '\n',
  ].join('');
}

/** What may be concluded from a ratio, which is nothing where the spread is wider than the difference. */
function conclusion({ median, low, high, confidence, wanted, verdict }: Comparison): string {
  if (confidence < 0.95) return 'too few set-ups to conclude anything';
  const wish = wanted === undefined ? [] : [`wanted ≥ ${wanted}: ${verdictTexts[verdict ?? 'open']}`];
  // A limit that the whole interval lies on one side of is decided, however wide the interval.
  const tooWide = (high - low) / median > widestInterval && (verdict ?? 'open') === 'open';
  if (tooWide) return [...wish, 'the rounds differ too much to conclude from the figure'].join('; ');
  return [...wish, ...(low <= 1 && high >= 1 ? ['the rounds differ more than the two do'] : [])].join('; ');
}

const verdictTexts: Readonly<Record<Verdict, string>> = {
  held: 'held',
  missed: 'MISSED',
  open: 'cannot tell, the interval holds the limit',
};

/** Losses, and a look at whether every server has its share. */
function remarks({ setups }: Series): string {
  const bursts = setups.flat();
  const sent = bursts.reduce((sum, burst) => sum + burst.sent, 0);
  const delivered = bursts.reduce((sum, burst) => sum + burst.delivered, 0);
  const reached = new Set(
    bursts.flatMap(({ byServer }) => byServer.flatMap((count, index) => (count > 0 ? [index] : []))),
  );
  const loss = 1 - delivered / sent;
  return ` → ${reached.size} server${reached.size === 1 ? '' : 's'}${loss > 0.001 ? `, ${(loss * 100).toFixed(1)} % lost` : ''}`;
}
