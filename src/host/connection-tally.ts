import { tally } from 'oneip:runtime';
import { encodePlan, encodeRanges } from '../netlink/tally.ts';
import type { TallyQuestion } from '../netlink/tally.ts';
import { NETLINK_NETFILTER, NetlinkChannel } from './netlink-channel.ts';

/** Counts connections in tables of the kernel, on a channel of its own, since others have their turn in between. */
export class ConnectionTally {
  #channel: NetlinkChannel | undefined;

  /** How many entries of the dump are in each range of keys. Each `yield` is a place where others may run. Throws `NetlinkError`. */
  *count({ type, payload, plan, ranges }: TallyQuestion): Generator<void, Uint32Array> {
    const channel = (this.#channel ??= new NetlinkChannel(NETLINK_NETFILTER));
    const counts = new Uint32Array(ranges.length);
    const [how, keys, into] = [encodePlan(plan), encodeRanges(ranges), new Uint8Array(counts.buffer)];
    let ended = false;
    try {
      yield* channel.datagrams(type, payload, (datagram, sequence) => tally(datagram, sequence, how, keys, into));
      ended = true;
      return counts;
    } finally {
      // The kernel takes no other question while it has not answered this one.
      if (!ended) this.close();
    }
  }

  /** Idempotent. */
  close(): void {
    this.#channel?.close();
    this.#channel = undefined;
  }
}
