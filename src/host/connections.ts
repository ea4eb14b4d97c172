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
import type { Ends, TrackedConnection, Tuple } from '../netlink/conntrack.ts';
import { ENOENT, NetlinkError } from './netlink-channel.ts';
import type { NetlinkChannel } from './netlink-channel.ts';

/** Connections of services to their servers that the kernel tracks. Throws `NetlinkError`. */
export function readConnections(channel: NetlinkChannel, which: readonly TranslatedConnections[]): TrackedConnection[] {
  const [v4, v6] = ([4, 6] as const).map((family) => which.filter(({ ghost }) => ghost.family === family));
  // Of IPv6 a dump gives all, whatever is asked for.
  const dumps = [...(v4 ?? []).map((each) => [each]), ...(v6 && v6.length > 0 ? [v6] : [])];
  return dumps.flatMap((wanted) => {
    const between = wanted.map(({ ghost, address }): Ends => ({ destination: ghost, answering: address }));
    const [first] = between;
    if (!first) return [];
    return channel.dump(CONNTRACK_GET, encodeTrackedDump(first, littleEndian), (message) => {
      if (!isTracked(message, between, littleEndian)) return undefined;
      const found = decodeTracked(message, littleEndian);
      return found && wanted.some((each) => isAmong(each, found)) ? found : undefined;
    });
  });
}

/**
 * Has the kernel forget connections, so that their next packet is that of an unknown one; tells how many. What has ended by
 * itself meanwhile is none of them.
 */
export function forgetConnections(channel: NetlinkChannel, which: readonly TranslatedConnections[]): number {
  const found = readConnections(channel, which).map((entry) => encodeTrackedDeletion(entry, littleEndian));
  return found.length - channel.requestEach(CONNTRACK_DELETE, found);
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
