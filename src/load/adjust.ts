// Shares as entries of a table of which chance picks one: a change is one of a few entries, and which these are does not matter.

/** Owners of a table's entries, and how many of them each is to have. */
export interface Wanted {
  readonly owner: number;
  /** Of all entries, 0–1. */
  readonly share: number;
}

/** Part of a table's entries below which it is left as it is. */
const NEGLIGIBLE = 1 / 256;

/**
 * How many entries each is to have: its share, rounded so that all have been given, and one at least where there are enough. Of
 * equal remainders the first is rounded up.
 */
export function entriesOf(shares: readonly number[], entries: number): number[] {
  const least = entries >= shares.length ? 1 : 0;
  const counts = shares.map((share) => Math.max(least, Math.floor(share * entries)));
  let left = entries - counts.reduce((total, count) => total + count, 0);
  const excess = (index: number): number => (shares[index] ?? 0) * entries - (counts[index] ?? 0);
  const byRemainder = [...counts.keys()].sort((one, other) => excess(other) - excess(one) || one - other);
  for (const index of byRemainder.slice(0, Math.max(left, 0))) counts[index] = (counts[index] ?? 0) + 1;
  // What the smallest have got beyond their shares, the largest give.
  for (; left < 0; left++) {
    const largest = counts.indexOf(Math.max(...counts));
    counts[largest] = (counts[largest] ?? 0) - 1;
  }
  return counts;
}

/**
 * The table with as few other entries as give everybody its share: whoever has too many, or shall have none, loses its last
 * ones, which go to the others in the order of the list. The same object where nearly everybody has its share already.
 */
export function adjust(table: Uint16Array, wanted: readonly Wanted[]): Uint16Array {
  const counts = entriesOf(
    wanted.map(({ share }) => share),
    table.length,
  );
  const room = new Int32Array(1 + wanted.reduce((most, { owner }) => Math.max(most, owner), 0)).fill(-1);
  wanted.forEach(({ owner }, index) => (room[owner] = counts[index] ?? 0));
  const free: number[] = [];
  let hasStrays = false;
  // From the front, so that it is the last ones for which there is no room.
  for (let entry = 0; entry < table.length; entry++) {
    const owner = table[entry] ?? 0;
    const left = room[owner] ?? -1;
    if (left > 0) room[owner] = left - 1;
    else free.push(entry);
    if (left < 0) hasStrays = true;
  }
  const isLacking = wanted.some(({ owner }, index) => (counts[index] ?? 0) > 0 && room[owner] === counts[index]);
  if (!hasStrays && !isLacking && free.length <= table.length * NEGLIGIBLE) return table;
  const adjusted = table.slice();
  let next = 0;
  for (const { owner } of wanted) {
    for (let left = room[owner] ?? 0; left > 0; left--) adjusted[free[next++] ?? 0] = owner;
  }
  return adjusted;
}
