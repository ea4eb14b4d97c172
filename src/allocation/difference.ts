/**
 * Slots of two tables of the same size that have different entries, ascending. Most are the same, and who waits for a dead
 * server's slots to move waits for this, many times: entries are compared two at a time.
 */
export function differingSlots(one: Uint16Array, other: Uint16Array): number[] {
  const found: number[] = [];
  const [pairs, otherPairs] = [pairsOf(one), pairsOf(other)];
  const count = pairs.length;
  for (let pair = 0; pair < count; pair++) {
    if (pairs[pair] === otherPairs[pair]) continue;
    const slot = 2 * pair;
    if (one[slot] !== other[slot]) found.push(slot);
    if (one[slot + 1] !== other[slot + 1]) found.push(slot + 1);
  }
  const last = one.length - 1;
  if (last === 2 * count && one[last] !== other[last]) found.push(last);
  return found;
}

/** True where two tables are of the same size and have no different entries. */
export function isSameTable(one: Uint16Array, other: Uint16Array): boolean {
  if (one === other) return true;
  if (one.length !== other.length || one.at(-1) !== other.at(-1)) return false;
  const [pairs, otherPairs] = [pairsOf(one), pairsOf(other)];
  const count = pairs.length;
  for (let pair = 0; pair < count; pair++) if (pairs[pair] !== otherPairs[pair]) return false;
  return true;
}

/** The entries as numbers of twice the size, without the last one where there is an odd number of them. */
function pairsOf(table: Uint16Array): Int32Array {
  const { buffer, byteOffset, length } = table.byteOffset % 4 === 0 ? table : table.slice();
  return new Int32Array(buffer, byteOffset, length >> 1);
}
