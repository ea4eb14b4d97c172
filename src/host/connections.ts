import { littleEndian } from 'oneip:runtime';
import { isAmong } from '../deployment/translation.ts';
import type { TranslatedConnections } from '../deployment/translation.ts';
import {
  CONNTRACK_DELETE,
  CONNTRACK_GET,
  decodeTracked,
  encodeTrackedDeletion,
  encodeTrackedDump,
  encodeTrackedQuestion,
  isTracked,
} from '../netlink/conntrack.ts';
import type { TrackedConnection, Tuple } from '../netlink/conntrack.ts';
import { ENOENT, NetlinkError } from './netlink-channel.ts';
import type { NetlinkChannel } from './netlink-channel.ts';

/** Connections of services to their servers that the kernel tracks. Throws `NetlinkError`. */
export function readConnections(channel: NetlinkChannel, which: TranslatedConnections): TrackedConnection[] {
  const dump = encodeTrackedDump(which.ghost, which.address, littleEndian);
  return channel.dump(CONNTRACK_GET, dump, (message) => {
    if (!isTracked(message, which.ghost, which.address, littleEndian)) return undefined;
    const found = decodeTracked(message, littleEndian);
    return found && isAmong(which, found) ? found : undefined;
  });
}

/**
 * Has the kernel forget connections, so that their next packet is that of an unknown one; tells how many. What has ended by
 * itself meanwhile is none of them.
 */
export function forgetConnections(channel: NetlinkChannel, which: readonly TranslatedConnections[]): number {
  let forgotten = 0;
  for (const each of which) {
    const found = readConnections(channel, each).map((entry) => encodeTrackedDeletion(entry, littleEndian));
    forgotten += found.length - channel.requestEach(CONNTRACK_DELETE, found);
  }
  return forgotten;
}

/** The connection that began with such a packet, where there is one. */
export function findConnection(channel: NetlinkChannel, original: Required<Tuple>): TrackedConnection | undefined {
  try {
    return decodeTracked(channel.query(CONNTRACK_GET, encodeTrackedQuestion(original, littleEndian)), littleEndian);
  } catch (error) {
    if (error instanceof NetlinkError && error.errno === ENOENT) return undefined;
    throw error;
  }
}
