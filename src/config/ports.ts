import type { PortRange } from './model.ts';

/** `80`, `8000-8010`. */
export function formatPortRange({ first, last }: PortRange): string {
  return first === last ? String(first) : `${first}-${last}`;
}

/** The same ports as sorted, disjoint ranges; neighbours stay apart, since a single port is looked up faster than a range. */
export function mergePorts(ranges: readonly PortRange[]): PortRange[] {
  const merged: PortRange[] = [];
  for (const range of [...ranges].sort((a, b) => a.first - b.first)) {
    const previous = merged.at(-1);
    if (!previous || range.first > previous.last) merged.push({ first: range.first, last: range.last });
    else merged[merged.length - 1] = { first: previous.first, last: Math.max(previous.last, range.last) };
  }
  return merged;
}

/** Ports that two sets of disjoint ranges have in common. */
export function commonPorts(some: readonly PortRange[], others: readonly PortRange[]): PortRange[] {
  return some.flatMap((a) =>
    others
      .map((b) => ({ first: Math.max(a.first, b.first), last: Math.min(a.last, b.last) }))
      .filter(({ first, last }) => first <= last),
  );
}
