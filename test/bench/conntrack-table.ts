import { readFileSync, writeFileSync } from 'node:fs';
import { atExit } from '../lab/exit.ts';

const bucketsFile = '/sys/module/nf_conntrack/parameters/hashsize';
const entriesFile = '/proc/sys/net/netfilter/nf_conntrack_max';

/** Size of the kernel's connection table. */
export interface ConntrackTable {
  /** Of the one hash table that all network namespaces share. */
  readonly buckets: number;
  /** Most entries that each namespace may have. */
  readonly entries: number;
}

/** `undefined` where the kernel has no connection tracking loaded. */
export function conntrackTable(): ConntrackTable | undefined {
  try {
    const [buckets = NaN, entries = NaN] = [bucketsFile, entriesFile].map((file) => Number(readFileSync(file, 'utf8')));
    return { buckets, entries };
  } catch {
    return undefined;
  }
}

/**
 * Gives the table as many times its buckets as there are contestants that fill it. They share it, and would otherwise walk along
 * each other's entries, those first that were set up first. Returns what restores it, which is also done when we are ended.
 */
export function widenConntrackTable(contestants: number): () => void {
  const table = conntrackTable();
  if (!table || contestants < 2) return () => undefined;
  const restore = () => writeFileSync(bucketsFile, String(table.buckets));
  const disarm = atExit(restore);
  writeFileSync(bucketsFile, String(table.buckets * contestants));
  return () => {
    disarm();
    restore();
  };
}
