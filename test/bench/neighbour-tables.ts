import { readFileSync, writeFileSync } from 'node:fs';
import { atExit } from '../lab/exit.ts';

/** Most entries that are not permanent; above the second for 5 s, or the first for longer, unused ones go. */
const files = [4, 6].flatMap((family) =>
  [1, 2, 3].map((number) => `/proc/sys/net/ipv${family}/neigh/default/gc_thresh${number}`),
);

/**
 * Gives all network namespaces together, which share one table for each family, room for so many neighbours, where they have
 * less. Returns what restores it, which is also done when we are ended.
 */
export function widenNeighbourTables(entries: number): () => void {
  const narrow = files
    .map((file) => ({ file, limit: Number(readFileSync(file, 'utf8')) }))
    .filter(({ limit }) => limit < entries);
  const restore = () => {
    for (const { file, limit } of narrow) writeFileSync(file, String(limit));
  };
  const disarm = atExit(restore);
  for (const { file } of narrow) writeFileSync(file, String(entries));
  return () => {
    disarm();
    restore();
  };
}
