import { formatInterval, markdownTable, type MedianInterval } from './statistics.ts';

/** What one contestant took. */
export interface Result {
  readonly servers: number;
  readonly services: number;
  readonly contestant: string;
  /** By what was measured, with its unit behind a comma: `ms`, `KiB` or `bytes`. In the order in which they are to be shown. */
  readonly figures: Readonly<Record<string, MedianInterval>>;
}

/** A table for each number of servers and services, of what any of the contestants has figures for. */
export function formatControl(results: readonly Result[]): string {
  return [...new Set(results.map(titleOf))]
    .map((title) => {
      const here = results.filter((result) => titleOf(result) === title);
      const names = here.map(({ contestant }) => contestant);
      const figures = [...new Set(here.flatMap((result) => Object.keys(result.figures)))];
      const rows = figures.map((what) => [
        what,
        ...here.map((result) => cell(result.figures[what], what)),
        ...(here.length > 1 ? [leastOf(here, what)] : []),
      ]);
      return markdownTable([[title, ...names, ...(here.length > 1 ? ['who needs less'] : [])], ...rows]);
    })
    .join('\n');
}

function titleOf({ servers, services }: Result): string {
  return `${servers} servers, ${services} service${services === 1 ? '' : 's'}`;
}

function cell(interval: MedianInterval | undefined, what: string): string {
  if (!interval) return '–';
  return formatInterval(interval, what.endsWith(' ms') ? 1 : 0);
}

/** Nobody, where the spread is wider than the difference, or where only one has such a thing. */
function leastOf(results: readonly Result[], what: string): string {
  const known = results.flatMap(({ contestant, figures }) => {
    const interval = figures[what];
    return interval ? [{ contestant, ...interval }] : [];
  });
  if (known.length < results.length) return '';
  if (known.some(({ confidence }) => confidence < 0.95)) return 'too few rounds';
  const least = known.find((one) => known.every((other) => other === one || one.high < other.low));
  return least?.contestant ?? 'cannot tell';
}
