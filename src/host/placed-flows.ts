import { littleEndian } from 'oneip:runtime';
import type { PlacedFlows } from '../deployment/placement.ts';
import {
  NFT_MSG_GETSETELEM,
  encodeFlowDeletion,
  encodeFlowQuestion,
  encodeFlowReturn,
  keepFlows,
  readFlows,
} from '../netlink/flow-elements.ts';
import { nftablesType } from '../netlink/nftables.ts';
import type { Batch, Place } from '../netlink/slot-elements.ts';
import { TABLE } from '../ruleset/ruleset.ts';
import { ENOENT, NetlinkError } from './netlink-channel.ts';
import type { NetlinkChannel } from './netlink-channel.ts';

/** Attempts at a deletion, which fails as a whole where one of its flows has ended meanwhile. */
const ATTEMPTS = 4;
/** Milliseconds that a flow must have left to be deleted, at the first attempt, and times as many at each further one. */
const SOON = 500;

/** Pieces of a dump, 32 KiB each, that are put back at once. */
const PIECES = 32;

function placeOf(map: string): Place {
  return { family: 'netdev', table: TABLE, set: map };
}

/** Calls `take` with each piece of all that a map holds. */
function dump(channel: NetlinkChannel, map: string, take: (payload: Uint8Array) => void): void {
  const question = encodeFlowQuestion(placeOf(map), undefined, littleEndian);
  channel.each(nftablesType(NFT_MSG_GETSETELEM), question, ({ payload }) => take(payload));
}

/** How many flows are remembered of a server. Throws `NetlinkError`. */
export function countFlows(channel: NetlinkChannel, { maps, mark }: PlacedFlows): number {
  let count = 0;
  for (const map of maps) {
    dump(channel, map, (payload) => readFlows(payload, littleEndian, (found) => (count += found === mark ? 1 : 0)));
  }
  return count;
}

/** The mark that a map has for a flow; `undefined` where it is not known. Throws `NetlinkError`. */
export function findFlow(channel: NetlinkChannel, map: string, key: Uint8Array): number | undefined {
  let mark: number | undefined;
  try {
    const answer = channel.query(nftablesType(NFT_MSG_GETSETELEM), encodeFlowQuestion(placeOf(map), key, littleEndian));
    readFlows(answer.payload, littleEndian, (found) => (mark = found));
  } catch (error) {
    if (!(error instanceof NetlinkError) || error.errno !== ENOENT) throw error;
  }
  return mark;
}

/**
 * Has the kernel forget the flows of a server; tells how many. `commit` runs a transaction. What ends by itself within a moment
 * may be left.
 */
export function forgetFlows(
  channel: NetlinkChannel,
  { maps, mark }: PlacedFlows,
  commit: (batch: Batch) => void,
): number {
  return maps.reduce((sum, map) => {
    for (let attempt = 1; ; attempt++) {
      const keys: Uint8Array[] = [];
      dump(channel, map, (payload) =>
        readFlows(payload, littleEndian, (found, left, from, to) => {
          // A copy, since a piece of the dump is not kept for the sake of a key.
          if (found === mark && left > SOON * attempt * attempt) keys.push(payload.slice(from, to));
        }),
      );
      if (keys.length === 0) return sum;
      try {
        commit(encodeFlowDeletion(placeOf(map), keys, littleEndian));
        return sum + keys.length;
      } catch (error) {
        if (attempt === ATTEMPTS) throw error;
      }
    }
  }, 0);
}

/** All that the maps hold, for as long as they are replaced; nothing of those that are not there. Throws `NetlinkError`. */
export function saveFlows(channel: NetlinkChannel, maps: readonly string[]): Uint8Array[] {
  const kept: Uint8Array[] = [];
  for (const map of maps) {
    try {
      dump(channel, map, (payload) => kept.push(keepFlows(payload, littleEndian)));
    } catch (error) {
      if (!(error instanceof NetlinkError) || error.errno !== ENOENT) throw error;
    }
  }
  return kept;
}

/** Puts them back. */
export function restoreFlows(kept: readonly Uint8Array[], commit: (batch: Batch) => void): void {
  for (let first = 0; first < kept.length; first += PIECES) {
    commit(encodeFlowReturn(kept.slice(first, first + PIECES), littleEndian));
  }
}
