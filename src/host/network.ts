import { type Environment, type Listener } from '../config/environment.ts';
import { describeNetworkChange } from '../network/describe.ts';
import { type NetworkChange, diffNetworkState, isRemoval } from '../network/diff.ts';
import {
  type AddressEntry,
  EMPTY_NETWORK,
  type NetworkState,
  ROUTE_PROTOCOL,
  addressKey,
  routeKey,
} from '../network/state.ts';
import {
  forgetAddress,
  forgetAdopted,
  forgetSysctl,
  originalSysctls,
  recordAddress,
  recordAdopted,
  recordSysctl,
  wasAdopted,
} from '../network/undo.ts';
import type { Journal } from './journal.ts';
import { NETLINK_ROUTE, NetlinkChannel } from './netlink-channel.ts';
import { type Adoption, applyChange, removeSurplusLocal, refreshNeighbour, verifyNeighbour } from './network-change.ts';
import { readNetworkState } from './network-state.ts';
import { readAddresses, readEnvironment, readNeighbours } from './rtnetlink.ts';
import { readSysctl } from './sysctl.ts';

/** A change that could not be made. */
export interface NetworkFailure {
  readonly change: NetworkChange;
  /** The change as a command, and the kernel's reason. */
  readonly message: string;
}

/** What a call has done; the changes behind a failed one were tried too. */
export interface NetworkOutcome {
  readonly done: readonly NetworkChange[];
  readonly failures: readonly NetworkFailure[];
  /** What can be done without, and was not done since it could not have been undone; each once. */
  readonly omitted?: readonly NetworkChange[];
}

/** The router's network outside nftables: reads it, brings it to a wanted state, and puts it back as it was. */
export class Network {
  readonly channel = new NetlinkChannel(NETLINK_ROUTE);
  readonly #journal: Journal;
  /** Routes that are ours, by key: made here, or found as an earlier run has left them. */
  readonly #made = new Set<string>();
  /** What was left out the last time. */
  #omitted: readonly NetworkChange[] = [];

  constructor(journal: Journal) {
    this.#journal = journal;
  }

  /** The router as a configuration is checked against it. */
  readEnvironment(interfaces?: ReadonlyMap<string, string>, listeners?: readonly Listener[]): Environment {
    return readEnvironment(this.channel, interfaces, listeners);
  }

  /** MAC address by address of the neighbours that packets can be sent to now. What we have set ourselves tells nothing. */
  readHardware(): Map<string, string> {
    const hosts = readNeighbours(this.channel, 'hosts').filter(
      ({ permanent, protocol }) => !permanent || protocol !== ROUTE_PROTOCOL,
    );
    return new Map(
      hosts.flatMap(({ address, hardware }) => (hardware === undefined ? [] : [[address.text, hardware]])),
    );
  }

  /**
   * Of these devices, those on which strict reverse path filtering (RFC 3704 §2.2) is in force, but for what we have changed
   * about it: the larger of `all` and the device's own value is 1.
   */
  readStrictReversePath(devices: Iterable<string>): Set<string> {
    const all = this.foundSysctl('net/ipv4/conf/all/rp_filter');
    const isStrict = (name: string) => Math.max(all, this.foundSysctl(`net/ipv4/conf/${name}/rp_filter`)) === 1;
    return new Set([...devices].filter(isStrict));
  }

  /** A number that a sysctl has, or had before we changed it; 0 where there is none of that name. */
  foundSysctl(key: string): number {
    const value = readSysctl(key);
    const entry = this.#journal.entries.find((undo) => undo.kind === 'sysctl' && undo.key === key);
    const ours = entry?.kind === 'sysctl' && value !== undefined && entry.ours.includes(value);
    return Number((ours ? entry.original : value) ?? 0);
  }

  /** What would have to be changed, in order. Changes nothing. */
  plan(wanted: NetworkState): NetworkChange[] {
    const undo = this.#journal.entries;
    const current = readNetworkState(this.channel, wanted, undo);
    for (const route of current.routes) if (!route.foreign) this.#made.add(routeKey(route));
    return diffNetworkState(current, wanted, originalSysctls(undo, current.sysctls));
  }

  /** Makes and alters what is wanted; takes nothing away. Without a difference nothing is written. */
  establish(wanted: NetworkState): NetworkOutcome {
    const changes = this.plan(wanted)
      .filter((change) => !isRemoval(change))
      .map((change) => this.#takingBack(change));
    const dispensable = new Set(wanted.sysctls.filter((entry) => entry.dispensable).map(({ key }) => key));
    const needed = changes.filter((change) => change.kind !== 'sysctl' || !dispensable.has(change.key));
    try {
      this.#recordBefore(changes);
    } catch (error) {
      if (needed.length === changes.length) throw error;
      const omitted = changes.filter((change) => !needed.includes(change));
      const isTold = new Set(this.#omitted.map(describeNetworkChange));
      this.#omitted = omitted;
      return {
        ...this.#apply(needed),
        omitted: omitted.filter((change) => !isTold.has(describeNetworkChange(change))),
      };
    }
    this.#omitted = [];
    return this.#apply(changes);
  }

  /** Takes away what is ours and not wanted, and gives sysctls that are wanted no more their original values. */
  prune(wanted: NetworkState): NetworkOutcome {
    const outcome = this.#apply(this.plan(wanted).filter(isRemoval));
    this.#forgetForeign(wanted);
    return outcome;
  }

  /** Takes the addresses away that we have added: before what keeps strangers' packets from them. */
  withdrawAddresses(): NetworkOutcome {
    return this.#apply(this.plan(EMPTY_NETWORK).filter(({ kind }) => kind === 'address'));
  }

  /** Puts everything back as it was before us, whoever of us made it; the journal is gone then, unless something failed. */
  restore(): NetworkOutcome {
    const outcome = this.prune(EMPTY_NETWORK);
    for (const family of [4, 6] as const) removeSurplusLocal(this.channel, family);
    if (outcome.failures.length === 0) this.#journal.write([]);
    return outcome;
  }

  /**
   * For kernels before 5.16, which do not manage neighbour entries by themselves: refreshes the wanted ones as packets would
   * and tells how many those were. 0 = the kernel does it all.
   */
  refreshNeighbours({ neighbours }: NetworkState): number {
    const kept = readNeighbours(this.channel, 'hosts').filter(({ managed, permanent }) => managed || permanent);
    const keys = new Set(kept.map(({ ifindex, address }) => `${ifindex} ${address.text}`));
    const stale = neighbours.filter(
      ({ kind, device, address }) => kind === 'managed' && !keys.has(`${device.ifindex} ${address.text}`),
    );
    for (const entry of stale) refreshNeighbour(this.channel, entry);
    return stale.length;
  }

  /**
   * Asks the wanted neighbours now whether their MAC still holds. The kernel by itself takes up to a minute to notice that
   * a host has another one and is silent; after this it takes 3 s, or 5 s where it has to ask by broadcast.
   */
  verifyNeighbours({ neighbours }: NetworkState): void {
    const wanted = new Set(neighbours.map(({ device, address }) => `${device.ifindex} ${address.text}`));
    for (const host of readNeighbours(this.channel, 'hosts')) {
      if (host.managed && wanted.has(`${host.ifindex} ${host.address.text}`)) verifyNeighbour(this.channel, host);
    }
  }

  /** Idempotent. */
  close(): void {
    this.channel.close();
  }

  #apply(changes: readonly NetworkChange[]): NetworkOutcome {
    if (changes.length === 0) return { done: [], failures: [] };
    this.#recordBefore(changes);
    const done: NetworkChange[] = [];
    const failures: NetworkFailure[] = [];
    for (const change of changes) {
      try {
        applyChange(this.channel, change, this.#adoption(change));
        done.push(change);
        if (change.kind !== 'route') continue;
        if (change.action === 'delete') this.#made.delete(routeKey(change.entry));
        else this.#made.add(routeKey(change.entry));
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        failures.push({ change, message: `${describeNetworkChange(change)}: ${reason}` });
      }
    }
    this.#forgetUndone(done);
    return { done, failures };
  }

  /** A route that we have made already takes its place back from whoever has it; one that was there before us is left. */
  #takingBack(change: NetworkChange): NetworkChange {
    if (change.kind !== 'route' || change.action !== 'add' || !this.#made.has(routeKey(change.entry))) return change;
    return { ...change, action: 'replace' };
  }

  #adoption(change: NetworkChange): Adoption {
    if (change.kind !== 'neighbour') return 'created';
    const { address, device } = change.entry;
    return wasAdopted(this.#journal.entries, address, device.ifindex) ? 'adopted' : 'created';
  }

  #recordBefore(changes: readonly NetworkChange[]): void {
    let undo = this.#journal.entries;
    const adding = changes.some((change) => change.kind === 'neighbour' && change.action === 'add');
    const hosts = adding ? readNeighbours(this.channel, 'hosts') : [];
    for (const change of changes) {
      if (change.kind === 'sysctl' && change.action === 'set') undo = recordSysctl(undo, change);
      if (change.kind === 'address' && change.action === 'add') undo = recordAddress(undo, change.entry);
      if (change.kind !== 'neighbour' || change.action !== 'add' || change.entry.kind !== 'managed') continue;
      const { address, device } = change.entry;
      const learned = hosts.find((host) => host.ifindex === device.ifindex && host.address.text === address.text);
      if (learned && learned.protocol !== ROUTE_PROTOCOL) undo = recordAdopted(undo, address, device.ifindex);
      else undo = forgetAdopted(undo, address, device.ifindex);
    }
    this.#journal.write([...undo]);
  }

  #forgetUndone(done: readonly NetworkChange[]): void {
    let undo = this.#journal.entries;
    for (const change of done) {
      if (change.kind === 'sysctl' && change.action === 'restore') undo = forgetSysctl(undo, change.key);
      if (change.kind === 'address' && change.action === 'delete') undo = forgetAddress(undo, change.entry);
      if (change.kind !== 'neighbour' || change.action !== 'delete') continue;
      undo = forgetAdopted(undo, change.entry.address, change.entry.device.ifindex);
    }
    this.#journal.write(undo);
  }

  /**
   * Sysctls that are not wanted and not as we set them: somebody else has them now, or their device has gone. Likewise
   * addresses that are not wanted and not there: whoever adds them again does so for himself.
   */
  #forgetForeign({ sysctls, addresses = [] }: NetworkState): void {
    const undo = this.#journal.entries;
    const wanted = new Set([...sysctls.map(({ key }) => key), ...addresses.map(addressKey)]);
    const present = undo.some(({ kind }) => kind === 'address') ? readAddresses(this.channel).map(keyOfState) : [];
    const kept = undo.filter((entry) => {
      if (entry.kind === 'adopted') return true;
      if (entry.kind === 'sysctl') return wanted.has(entry.key) || entry.ours.includes(readSysctl(entry.key) ?? '');
      return wanted.has(keyOfState(entry)) || present.includes(keyOfState(entry));
    });
    this.#journal.write(kept);
  }
}

function keyOfState({
  ifindex,
  ...rest
}: Pick<AddressEntry, 'address' | 'prefixLength'> & { ifindex: number }): string {
  return addressKey({ ...rest, device: { ifindex } });
}
