import { littleEndian } from 'oneip:runtime';
import type { Count } from '../daemon/router.ts';
import { NFT_MSG_GETOBJ, decodeCounter, encodeCounterDump, nftablesType } from '../netlink/nftables.ts';
import { TABLE } from '../ruleset/ruleset.ts';
import type { NetlinkChannel } from './netlink-channel.ts';

/**
 * Our named counters, those of the same name in several tables added up; empty where the tables are gone. By netlink: to list
 * them libnftables reads everything else as well, a hundred times as long with 64 servers.
 */
export function readCounters(channel: NetlinkChannel): Map<string, Count> {
  const counts = new Map<string, Count>();
  const found = channel.dump(nftablesType(NFT_MSG_GETOBJ), encodeCounterDump(TABLE, littleEndian), (message) =>
    decodeCounter(message, TABLE, littleEndian),
  );
  for (const { name, packets, bytes } of found) {
    const sum = counts.get(name) ?? { packets: 0n, bytes: 0n };
    counts.set(name, { packets: sum.packets + packets, bytes: sum.bytes + bytes });
  }
  return counts;
}
