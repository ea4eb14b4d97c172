/**
 * The same entries in another order, in which each owner's stand as evenly apart as their number allows: who takes them in turn
 * gives no owner several at once. Of n entries of an owner the k-th stands where (2k + 1) / 2n of the table is over; owners
 * that would stand at one place follow each other by their numbers.
 */
export function interleave(table: Uint16Array): Uint16Array {
  const counts = new Map<number, number>();
  for (const owner of table) counts.set(owner, (counts.get(owner) ?? 0) + 1);
  const seen = new Map<number, number>();
  const places = Array.from(table, (owner) => {
    const turn = seen.get(owner) ?? 0;
    seen.set(owner, turn + 1);
    return { owner, at: (2 * turn + 1) / (counts.get(owner) ?? 1) };
  });
  places.sort((a, b) => a.at - b.at || a.owner - b.owner);
  return Uint16Array.from(places, ({ owner }) => owner);
}
