import { littleEndian, setTimer } from 'oneip:runtime';
import type { Timer } from 'oneip:runtime';
import { egressKey } from '../egress/egress.ts';
import type { Egresses } from '../egress/egress.ts';
import { EgressFollower } from '../egress/follower.ts';
import type { FollowedHost } from '../egress/follower.ts';
import { decodeBridgeLink } from '../netlink/bridge.ts';
import type { BridgeLink, PortState } from '../netlink/bridge.ts';
import { decodeForwarding, encodeForwardingDump } from '../netlink/forwarding.ts';
import type { ForwardingEntry } from '../netlink/forwarding.ts';
import { RTM_GETLINK, encodeLinkDump } from '../netlink/link.ts';
import { RTM_GETNEIGH } from '../netlink/neighbour.ts';
import type { Neighbour } from '../netlink/neighbour.ts';
import type { NetworkChange } from '../network/diff.ts';
import { steadyTime } from './clock.ts';
import type { NetlinkChannel } from './netlink-channel.ts';
import { readNeighbours } from './rtnetlink.ts';

/**
 * Milliseconds for which packets still go to a port that has lost its carrier. The bridge would not deliver them either, and the
 * watchdog, which hears of it at the same time, has slots to move.
 */
const PATIENCE = 40;
/** Timers go no further; a later time is looked for again then. */
const LONGEST_TIMER = 3_600_000;

/** Follows by which ports of their bridges servers are reached: by events, which somebody else receives, and dumps. */
export class EgressWatch {
  readonly #follower = new EgressFollower();
  readonly #channel: NetlinkChannel;
  readonly #changed: () => void;
  #hosts: readonly FollowedHost[] = [];
  #followed = '';
  #told: Egresses;
  /** For when time alone changes something. */
  #turn: Timer | undefined;
  /** Behind the events that wait already. */
  #looking: Timer | undefined;

  /** `changed` is called when `egresses` has become another object, once for many events. */
  constructor(channel: NetlinkChannel, changed: () => void) {
    this.#channel = channel;
    this.#changed = changed;
    this.#told = this.egresses;
  }

  /** Where packets leave now; the same object as long as nothing changes. */
  get egresses(): Egresses {
    return this.#follower.egresses(steadyTime());
  }

  /** Follows these hosts instead of others. */
  follow(hosts: readonly FollowedHost[]): void {
    const followed = hosts.map(({ ifindex, address }) => `${ifindex} ${address.text}`).join();
    if (followed === this.#followed) return;
    this.#followed = followed;
    this.#hosts = hosts;
    this.#follower.follow(hosts);
    this.reset();
  }

  /** The kernel does not take a change. True where that is an entry on a port, which is not counted on from now on. */
  refuse(change: NetworkChange): boolean {
    if (change.kind !== 'neighbour' || change.entry.kind !== 'permanent') return false;
    const { address, device } = change.entry;
    const { egresses } = this;
    const hosts = this.#hosts.filter(
      (host) =>
        host.address.text === address.text && egresses.get(egressKey(host, address))?.port.ifindex === device.ifindex,
    );
    for (const host of hosts) this.#follower.refuse(host);
    return hosts.length > 0;
  }

  /** Reads everything again. */
  reset(): void {
    this.#follower.reset(...readBridges(this.#channel), readNeighbours(this.#channel, 'hosts'), steadyTime());
    this.#lookSoon();
  }

  link(link: BridgeLink, gone: boolean): void {
    this.#follower.link(link, gone);
    this.#lookSoon(gone || link.carrier ? 0 : PATIENCE);
  }

  port(port: PortState, gone: boolean): void {
    this.#follower.port(port, gone);
    this.#lookSoon();
  }

  forwarding(entry: ForwardingEntry, gone: boolean): void {
    this.#follower.forwarding(entry, gone, steadyTime());
    this.#lookSoon();
  }

  neighbour(neighbour: Neighbour, gone: boolean): void {
    this.#follower.neighbour(neighbour, gone);
    this.#lookSoon();
  }

  /** Idempotent. */
  close(): void {
    this.#followed = '';
    this.#follower.follow([]);
    this.#looking?.cancel();
    this.#turn?.cancel();
  }

  /** In so many milliseconds, even where it was to be sooner. */
  #lookSoon(patience = 0): void {
    if (this.#followed === '') return;
    if (patience > 0) {
      this.#looking?.cancel();
      this.#looking = undefined;
    }
    this.#looking ??= setTimer(() => this.#look(), patience);
  }

  #look(): void {
    this.#looking = undefined;
    this.#turn?.cancel();
    const now = steadyTime();
    const delay = this.#follower.next(now) - now;
    if (delay < Infinity)
      this.#turn = setTimer(() => this.#look(), Math.min(Math.max(Math.ceil(delay), 1), LONGEST_TIMER));
    const egresses = this.#follower.egresses(now);
    if (egresses === this.#told) return;
    this.#told = egresses;
    this.#changed();
  }
}

/** Where the hosts that the kernel knows now leave their bridges, for who looks once. */
export function readEgresses(channel: NetlinkChannel): Egresses {
  const neighbours = readNeighbours(channel, 'hosts');
  const follower = new EgressFollower();
  follower.follow(neighbours);
  follower.reset(...readBridges(channel), neighbours, steadyTime());
  return follower.egresses(steadyTime());
}

function readBridges(channel: NetlinkChannel): [BridgeLink[], ForwardingEntry[]] {
  return [
    channel.dump(RTM_GETLINK, encodeLinkDump(littleEndian), (message) => decodeBridgeLink(message, littleEndian)),
    channel.dump(RTM_GETNEIGH, encodeForwardingDump(littleEndian), (message) =>
      decodeForwarding(message, littleEndian),
    ),
  ];
}
