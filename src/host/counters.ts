import type { Count } from '../daemon/router.ts';
import { TABLE } from '../ruleset/ruleset.ts';
import { nftRun, throwIfRefused } from './nft.ts';

interface ListedCounter {
  readonly table: string;
  readonly name: string;
  readonly packets: number;
  readonly bytes: number;
}

/** Our named counters, those of the same name in several tables added up; empty where the tables are gone. */
export function readCounters(): Map<string, Count> {
  const listed = nftRun('{"nftables":[{"list":{"counters":null}}]}');
  throwIfRefused(listed);
  const { nftables } = JSON.parse(listed.json) as { nftables: { counter?: ListedCounter }[] };
  const counts = new Map<string, Count>();
  for (const { counter } of nftables) {
    if (counter?.table !== TABLE) continue;
    const { packets, bytes } = counts.get(counter.name) ?? { packets: 0n, bytes: 0n };
    counts.set(counter.name, { packets: packets + BigInt(counter.packets), bytes: bytes + BigInt(counter.bytes) });
  }
  return counts;
}
