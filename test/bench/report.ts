import type { Family } from '../../src/net/address.ts';
import type { Burst, Load } from './bench-lab.ts';
import type { Contestant } from './contestant.ts';
import { conclusion, judge, type Verdict } from './conclusion.ts';
import { formatInterval, markdownTable, overSetups, type MedianInterval } from './statistics.ts';

/** A contestant's bursts, one a round, by set-up. */
export interface Series {
  readonly contestant: Contestant;
  readonly setups: readonly (readonly Burst[])[];
}

/** What the contestants had to do. */
export interface Course extends Load {
  readonly servers: number;
  readonly family: Family;
}

export interface Result extends Course {
  readonly series: readonly Series[];
}

/** What is wanted of a ratio of packets per second. */
interface Wish {
  readonly of: string;
  readonly to: string;
  readonly atLeast: number;
  /** With so many servers only; absent: with any number. */
  readonly servers?: number;
  /** With so many clients only; absent: with any number. */
  readonly clients?: number;
}

const wishes: readonly Wish[] = [
  { of: 'oneip', to: 'plain', atLeast: 1, servers: 4 },
  { of: 'oneip', to: 'plain', atLeast: 0.95, servers: 64 },
  { of: 'oneip', to: 'nftlb-direct', atLeast: 1.12, servers: 64 },
  { of: 'oneip', to: 'resilient', atLeast: 1.07, servers: 64 },
  { of: 'oneip', to: 'dnat', atLeast: 3.3, servers: 64, clients: 100_000 },
  { of: 'oneip-20', to: 'oneip', atLeast: 0.95 },
  { of: 'bystander', to: 'plain', atLeast: 0.99 },
  { of: 'bystander-ct', to: 'plain-ct', atLeast: 0.99 },
];

function wishFor({ servers, clients }: Course, of: string, to: string): Wish | undefined {
  return wishes.find(
    (wish) =>
      wish.of === of &&
      wish.to === to &&
      (wish.servers ?? servers) === servers &&
      (wish.clients ?? clients) === clients,
  );
}

export interface Comparison extends MedianInterval, Course {
  readonly of: string;
  readonly to: string;
  readonly wanted?: number;
  readonly verdict?: Verdict;
}

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

/** Every contestant against the first, and against those that are named beside it in a wish. */
export function comparisons(result: Result): Comparison[] {
  const { servers, family, clients, size, series } = result;
  const course: Course = { servers, family, clients, size };
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
    const wish = wishFor(course, names.of, names.to);
    return {
      ...course,
      ...names,
      ...interval,
      ...(wish && { wanted: wish.atLeast, verdict: judge(interval, wish.atLeast) }),
    };
  });
}

/** Nanoseconds that each packet cost the router, the sender's own left out; negative where noise is greater. */
function netCosts(of: Series, sender: Series): MedianInterval {
  return byRound(of, sender, (ofRate, alone) => 1e3 / ofRate - 1e3 / alone);
}

/** For people: `64 servers, IPv4, 100000 clients, frames of 64 bytes`. */
export function formatCourse({ servers, family, clients, size }: Course): string {
  return `${servers} servers, IPv${family}, ${clients} client${clients === 1 ? '' : 's'}, frames of ${size} bytes`;
}

/** All that was wanted, and what came of it; nothing where nothing was. */
export function formatWishes(results: readonly Result[]): string {
  const rows = results
    .flatMap(comparisons)
    .flatMap((comparison) =>
      comparison.wanted === undefined
        ? []
        : [
            [
              `${comparison.of} / ${comparison.to}`,
              formatCourse(comparison),
              formatInterval(comparison, 3),
              conclusion(comparison, comparison.wanted),
            ],
          ],
    );
  return rows.length === 0 ? '' : `${markdownTable([['ratio', 'with', 'median', 'conclusion'], ...rows])}\n`;
}

/** A table for people. */
export function formatResult(result: Result): string {
  const setups = result.series[0]?.setups.length ?? 0;
  const rounds = result.series[0]?.setups[0]?.length ?? 0;
  const title = `${formatCourse(result)}; ${setups} set-ups with ${rounds} rounds each: median (95 % interval)`;
  const sender = result.series.find(({ contestant }) => contestant.name === 'drop');
  const rows = result.series.map((series) => {
    const { name, description } = series.contestant;
    const cost = sender && series !== sender ? formatInterval(netCosts(series, sender), 0) : '';
    return [name, formatInterval(rate(series), 3), cost, `${description}${remarks(series)}`];
  });
  const ratios = comparisons(result).map((comparison) => {
    return [
      `${comparison.of} / ${comparison.to}`,
      formatInterval(comparison, 3),
      conclusion(comparison, comparison.wanted),
    ];
  });
  return [
    `${title}\n\n`,
    markdownTable([['contestant', 'Mpps', 'ns without sender', 'what'], ...rows]),
    '\n',
    markdownTable([['ratio', 'median', 'conclusion'], ...ratios]),
    '\n',
  ].join('');
}

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
