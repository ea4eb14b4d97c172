import type { Address } from '../net/address.ts';
import type { BridgeLink, PortState } from '../netlink/bridge.ts';
import type { ForwardingEntry } from '../netlink/forwarding.ts';
import type { Neighbour } from '../netlink/neighbour.ts';
import { areSameEgresses, egressKey, isSameEgress } from './egress.ts';
import type { Egress, Egresses } from './egress.ts';

/**
 * Milliseconds for which a bridge's knowledge of a host is not relied on after the host has changed its port or been forgotten.
 * A loop or a bond that sprays repeats such changes within milliseconds, a virtual machine that moves announces itself for about
 * a second, and after a change of its topology a bridge mistrusts its own database for the forward delay (IEEE 802.1D, 15 s by
 * default). Until then the bridge itself decides, which costs nothing but speed.
 */
export const MISTRUST = 15_000;

/** Where a bridge has learned a MAC address. */
interface Place {
  /** Number of the port; absent: forgotten. */
  readonly port?: number;
  /** When it became another place, or none; `-Infinity` where it has been this one as long as we know. */
  readonly changed: number;
}

/** A server's address on a device. */
export interface FollowedHost {
  readonly address: Address;
  /** Number of the device. */
  readonly ifindex: number;
}

/** Why the bridge decides. */
export interface Doubt {
  readonly doubt: string;
  /** When time alone ends it; absent: it does not. */
  readonly until?: number;
}

/**
 * Tells for each server by which port of its bridge packets reach it, as long as nothing speaks against it. Fed with what the
 * kernel tells of links, ports, forwarding databases and neighbours; times are of one clock, in milliseconds. Does no I/O.
 */
export class EgressFollower {
  #hosts = new Map<string, FollowedHost>();
  /** Numbers of the hosts' devices. */
  #bridges = new Set<number>();
  /** MAC addresses by host, of those that the kernel can send to. */
  #hardware = new Map<string, string>();
  /** Keys of the places that matter; `undefined`: to be found out. */
  #wanted: Set<string> | undefined;
  #links = new Map<number, BridgeLink>();
  /** By bridge and MAC address; of the hosts' bridges. */
  #places = new Map<string, Place>();
  #egresses: Egresses = new Map();
  /** Ways that the kernel did not take, by host. */
  #refused = new Map<string, Egress>();

  /** Follows these hosts instead of others. What is known of new ones comes with the next `reset`. */
  follow(hosts: readonly FollowedHost[]): void {
    this.#hosts = new Map(hosts.map((host) => [egressKey(host, host.address), host]));
    this.#bridges = new Set(hosts.map(({ ifindex }) => ifindex));
    this.#wanted = undefined;
  }

  /** Takes over what dumps have found: what is new was always there, as far as we know, and what differs has changed now. */
  reset(
    links: readonly BridgeLink[],
    entries: readonly ForwardingEntry[],
    neighbours: readonly Neighbour[],
    now: number,
  ): void {
    this.#links = new Map(links.map((link) => [link.ifindex, link]));
    this.#hardware.clear();
    this.#wanted = undefined;
    for (const neighbour of neighbours) this.neighbour(neighbour, false);
    const found = new Set(entries.filter(isPlace).map(placeKey));
    for (const [key, place] of this.#places) if (!found.has(key)) this.#forget(key, place, now);
    for (const entry of entries) this.forwarding(entry, false, now);
  }

  link(link: BridgeLink, gone: boolean): void {
    if (gone) this.#links.delete(link.ifindex);
    else this.#links.set(link.ifindex, link);
  }

  /** A bridge tells of one of its ports; `gone`: the device has left it. */
  port({ ifindex, bridge, forwards }: PortState, gone: boolean): void {
    const link = this.#links.get(ifindex);
    if (link?.masterIndex === bridge) this.#links.set(ifindex, { ...link, forwards: forwards && !gone });
  }

  forwarding(entry: ForwardingEntry, gone: boolean, now: number): void {
    if (entry.vlan !== undefined || !this.#bridges.has(entry.bridge)) return;
    const key = placeKey(entry);
    const before = this.#places.get(key);
    if (gone || !isPlace(entry)) {
      if (before) this.#forget(key, before, now);
    } else if (before?.port !== entry.port) {
      this.#places.set(key, { port: entry.port, changed: before ? now : -Infinity });
    }
  }

  neighbour({ ifindex, address, hardware, valid, proxy }: Neighbour, gone: boolean): void {
    const key = egressKey({ ifindex }, address);
    if (proxy || !this.#hosts.has(key)) return;
    this.#wanted = undefined;
    if (gone || !valid || hardware === undefined) this.#hardware.delete(key);
    else this.#hardware.set(key, hardware);
  }

  /** The kernel does not take the way that a host has now: it is not named again, unless it becomes another one. */
  refuse({ ifindex, address }: FollowedHost): void {
    const key = egressKey({ ifindex }, address);
    const egress = this.#egresses.get(key);
    if (egress) this.#refused.set(key, egress);
  }

  /** Where packets leave now; the same object as long as nothing changes. */
  egresses(now: number): Egresses {
    const found = new Map<string, Egress>();
    for (const [key, { ifindex }] of this.#hosts) {
      const finding = this.#find(key, ifindex, now);
      if (!('doubt' in finding)) found.set(key, finding);
    }
    if (!areSameEgresses(this.#egresses, found)) this.#egresses = found;
    return this.#egresses;
  }

  /** When the passing of time alone changes what `egresses` tells; `Infinity`: never. */
  next(now: number): number {
    let next = Infinity;
    for (const [key, { ifindex }] of this.#hosts) {
      const finding = this.#find(key, ifindex, now);
      if ('doubt' in finding) next = Math.min(next, finding.until ?? Infinity);
    }
    return next;
  }

  /** Why the bridge decides about a host, in a few words; `undefined` where it does not. */
  doubt({ ifindex, address }: FollowedHost, now: number): string | undefined {
    const finding = this.#find(egressKey({ ifindex }, address), ifindex, now);
    return 'doubt' in finding ? finding.doubt : undefined;
  }

  #find(key: string, ifindex: number, now: number): Egress | Doubt {
    const bridge = this.#links.get(ifindex);
    if (bridge?.kind !== 'bridge') return { doubt: 'not on a bridge' };
    if (!bridge.up) return { doubt: `${bridge.name} is down` };
    if (bridge.filtersVlans) return { doubt: `${bridge.name} filters VLANs` };
    const hardware = this.#hardware.get(key);
    if (hardware === undefined) return { doubt: 'its MAC address is not known' };
    const place = this.#places.get(`${ifindex} ${hardware}`);
    if (place?.port === undefined) return { doubt: `${bridge.name} has not learned its port` };
    const port = this.#links.get(place.port);
    if (port?.masterIndex !== ifindex) return { doubt: `its port has left ${bridge.name}` };
    const { name } = port;
    if (!port.up || !port.carrier) return { doubt: `${name} is down` };
    if (!port.forwards) return { doubt: `${name} does not forward` };
    if (port.mtu < bridge.mtu) return { doubt: `${name} has a smaller MTU` };
    const until = place.changed + MISTRUST;
    if (now < until) return { doubt: 'its port has changed lately', until };
    const egress = { port: { name, ifindex: place.port }, hardware };
    return isSameEgress(egress, this.#refused.get(key)) ? { doubt: `the kernel does not take ${name}` } : egress;
  }

  /** Hosts that are no servers are many, and nothing has to be known of their past. */
  #forget(key: string, { port }: Place, now: number): void {
    this.#wanted ??= new Set(
      [...this.#hosts].map(([host, { ifindex }]) => `${ifindex} ${this.#hardware.get(host) ?? ''}`),
    );
    if (!this.#wanted.has(key)) this.#places.delete(key);
    else if (port !== undefined) this.#places.set(key, { changed: now });
  }
}

/** True for an entry that says behind which port a host is: not for addresses of the bridge's own, nor for those in a VLAN. */
function isPlace({ local, vlan }: ForwardingEntry): boolean {
  return !local && vlan === undefined;
}

function placeKey({ bridge, hardware }: Pick<ForwardingEntry, 'bridge' | 'hardware'>): string {
  return `${bridge} ${hardware}`;
}
