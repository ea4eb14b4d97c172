import { awaitGracePeriod, fileStatus, setTimer } from 'oneip:runtime';
import type { Timer } from 'oneip:runtime';
import type { Count, Router } from '../daemon/router.ts';
import type { Claim, Observation } from '../deployment/deployment.ts';
import { Contest } from '../network/contest.ts';
import { describeNetworkChange } from '../network/describe.ts';
import { EMPTY_NETWORK, ROUTE_PROTOCOL, routeKey, routeTarget } from '../network/state.ts';
import type { Egresses } from '../egress/egress.ts';
import type { PlacedFlows } from '../deployment/placement.ts';
import type { TranslatedConnections } from '../deployment/translation.ts';
import type { NetworkState, SysctlEntry } from '../network/state.ts';
import type { TrackedConnection, Tuple } from '../netlink/conntrack.ts';
import type { Neighbour } from '../netlink/neighbour.ts';
import type { Route } from '../netlink/route.ts';
import type { SlotChange } from '../netlink/slot-elements.ts';
import type { NftablesEvent } from '../netlink/nftables.ts';
import { TABLE } from '../ruleset/ruleset.ts';
import type { Chain } from '../ruleset/ruleset.ts';
import type { LinkState } from '../config/environment.ts';
import { UbusClient } from '../ubus/client.ts';
import { AddressClaims } from './address-claims.ts';
import { leave } from './cleanup.ts';
import { findConnection, forgetConnections, readConnections } from './connections.ts';
import { readCounters } from './counters.ts';
import { steadyTime } from './clock.ts';
import { EgressWatch, readEgresses } from './egress-watch.ts';
import { writeText } from './files.ts';
import { Journal } from './journal.ts';
import { LogicalInterfaces } from './logical-interfaces.ts';
import { Network } from './network.ts';
import { countFlows, findFlow, forgetFlows, restoreFlows, saveFlows } from './placed-flows.ts';
import { outcomeLines } from './network-outcome.ts';
import { routeEntry } from './network-state.ts';
import { NetworkWatch } from './network-watch.ts';
import { nftRun, throwIfRefused } from './nft.ts';
import { TableWatch } from './nft-events.ts';
import { readListeners } from './listeners.ts';
import { readSysctl } from './sysctl.ts';
import { connectUnix } from './ubus-transport.ts';

/** Milliseconds between questions to the servers whether their MAC addresses still hold: one ARP request each. */
const REFRESH_INTERVAL = 5_000;
/** Milliseconds that neighbours may take to tell their MAC addresses before the ruleset is loaded without. */
const NEIGHBOUR_PATIENCE = 250;
/** Milliseconds that netifd may take to tell its interfaces before we start without. */
const NETIFD_PATIENCE = 1000;
/** Milliseconds that it may take later, before we go on with what it has told last. */
const NETIFD_DELAY = 500;

export interface RouterListener {
  /** One line for the log. */
  readonly log: (line: string) => void;
  /** Something about the router is not as it was. */
  readonly changed: () => void;
  /** Packets for a server have to leave by another device. */
  readonly rerouted: () => void;
  /** Our tables may not be what we loaded, for the reason given. */
  readonly distrusted: (reason: string) => void;
}

/** The router that we run on. */
export class HostRouter implements Router {
  readonly #state: string;
  readonly #listener: RouterListener;
  readonly #network: Network;
  readonly #ubus: UbusClient;
  readonly #ubusPath: string;
  readonly #interfaces: LogicalInterfaces;
  #watches: { close(): void }[] = [];
  #tables: TableWatch | undefined;
  /** What was last seen and wanted: an event that tells nothing new is none. */
  #observed: Observation | undefined;
  #wanted: NetworkState = EMPTY_NETWORK;
  #refresh: Timer | undefined;
  readonly #claims: AddressClaims;
  readonly #egress: EgressWatch;
  readonly #contests = new Contest();
  readonly #repairs = new Map<string, Timer>();
  /** Neighbours that have been asked for their MAC address just now. */
  #asked: Set<string> = new Set();
  #allAnswered: () => void = () => undefined;

  constructor(state: string, ubus: string, listener: RouterListener) {
    this.#state = state;
    this.#listener = listener;
    this.#network = new Network(new Journal(`${state}/undo.json`, listener.log));
    this.#claims = new AddressClaims(({ address, device }) => {
      listener.log(
        `somebody else has ${address.text} on ${device.name} now, so that another second ghost address is chosen`,
      );
      listener.changed();
    });
    this.#egress = new EgressWatch(this.#network.channel, () => listener.rerouted());
    this.#ubusPath = ubus;
    this.#ubus = new UbusClient({ open: connectUnix(ubus), setTimer, report: listener.log });
    this.#interfaces = new LogicalInterfaces(this.#ubus, setTimer, () => listener.changed());
  }

  /** Begins to follow the router. Where there is a bus, waits a moment for netifd's interfaces. */
  async open(): Promise<void> {
    this.#tables = new TableWatch(TABLE, ({ events, unheard }) =>
      this.#listener.distrusted(unheard ? 'the ruleset may have been changed' : describeEvents(events)),
    );
    const { changed } = this.#listener;
    const network = new NetworkWatch(
      {
        link: (link, gone) => void (this.#isNewLink(link, gone) && changed()),
        address: () => {
          this.#interfaces.refresh();
          changed();
        },
        neighbour: (neighbour, gone) => {
          this.#egress.neighbour(neighbour, gone);
          if (!this.#isAnswer(neighbour) && this.#isNewNeighbour(neighbour, gone)) changed();
        },
        bridgeLink: (link, gone) => this.#egress.link(link, gone),
        port: (port, gone) => this.#egress.port(port, gone),
        forwarding: (entry, gone) => this.#egress.forwarding(entry, gone),
        rule: changed,
        route: (route, gone) => {
          if (route.protocol === ROUTE_PROTOCOL) changed();
          else if (!gone) this.#contest(route);
        },
        lost: () => {
          this.#egress.reset();
          changed();
        },
      },
      () => this.#network.channel.port,
    );
    this.#watches = [this.#tables, network];
    this.#ubus.connect();
    if (fileStatus(this.#ubusPath) !== null) await netifdHasTold(this.#ubus);
  }

  async observe(): Promise<Observation> {
    await this.#interfaces.told(NETIFD_DELAY);
    const { occupied } = this.#claims;
    this.#observed = observeBy(this.#network, this.#interfaces, occupied, this.#egress.egresses);
    return this.#observed;
  }

  egresses(): Egresses {
    return this.#egress.egresses;
  }

  contest(claims: readonly Claim[]): Promise<boolean> {
    return this.#claims.contest(claims);
  }

  async establish(wanted: NetworkState): Promise<string[]> {
    this.#wanted = wanted;
    const outcome = this.#network.establish(wanted);
    this.#egress.follow(
      wanted.neighbours.flatMap(({ kind, address, device: { ifindex } }) =>
        kind === 'managed' ? [{ address, ifindex }] : [],
      ),
    );
    const refused = outcome.failures.filter(({ change }) => this.#egress.refuse(change));
    const lines = [
      ...outcomeLines({ ...outcome, failures: outcome.failures.filter((failure) => !refused.includes(failure)) }),
      ...refused.map(({ message }) => `${message}; its packets go by the bridge`),
    ];
    await this.#answers(
      outcome.done.flatMap((change) =>
        change.kind === 'neighbour' && change.entry.kind === 'managed' ? [change.entry.address.text] : [],
      ),
    );
    return lines;
  }

  prune(wanted: NetworkState): Promise<string[]> {
    this.#wanted = wanted;
    const lines = outcomeLines(this.#network.prune(wanted));
    this.#keepFresh();
    return Promise.resolve(lines);
  }

  load(commands: string): void {
    if (this.#tables) this.#tables.load(commands);
    else throwIfRefused(nftRun(commands));
  }

  loadRecords(chains: readonly Chain[]): void {
    this.#tables?.loadRecords(chains);
  }

  moveSlots(change: SlotChange): void {
    if (!this.#tables) throw new Error('the router is not open');
    this.#tables.moveSlots(change);
  }

  awaitPackets(): void {
    awaitGracePeriod();
  }

  holdsTables(): boolean {
    return this.#tables?.isThere() ?? false;
  }

  forget(connections: readonly TranslatedConnections[]): number {
    return this.#tables ? forgetConnections(this.#tables.channel, connections) : 0;
  }

  tracked(connections: readonly TranslatedConnections[]): number {
    return this.#tables ? readConnections(this.#tables.channel, connections).length : 0;
  }

  countFlows(flows: PlacedFlows): number {
    return this.#tables ? countFlows(this.#tables.channel, flows) : 0;
  }

  forgetFlows(flows: PlacedFlows): number {
    const tables = this.#tables;
    return tables ? forgetFlows(tables.channel, flows, (batch) => tables.batch(batch)) : 0;
  }

  saveFlows(maps: readonly string[]): readonly Uint8Array[] {
    return this.#tables ? saveFlows(this.#tables.channel, maps) : [];
  }

  restoreFlows(kept: readonly Uint8Array[]): void {
    const tables = this.#tables;
    try {
      restoreFlows(kept, (batch) => tables?.batch(batch));
    } catch (error) {
      this.#listener.log(`connections are forgotten: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  flow(map: string, key: Uint8Array): number | undefined {
    return this.#tables && findFlow(this.#tables.channel, map, key);
  }

  connection(original: Required<Tuple>): TrackedConnection | undefined {
    return this.#tables && findConnection(this.#tables.channel, original);
  }

  remember(snapshot: string): void {
    try {
      writeText(`${this.#state}/applied.json`, snapshot);
    } catch (error) {
      this.#listener.log(error instanceof Error ? error.message : String(error));
    }
  }

  counters(): Map<string, Count> {
    return this.#tables ? readCounters(this.#tables.channel) : new Map<string, Count>();
  }

  keep(what: 'orders' | 'failures' | 'factors', text: string): void {
    try {
      writeText(`${this.#state}/${what}.json`, text);
    } catch (error) {
      this.#listener.log(error instanceof Error ? error.message : String(error));
    }
  }

  /** Our client of the bus, for those who publish on it. */
  get bus(): UbusClient {
    return this.#ubus;
  }

  /** Puts the router back as it was and stops following it. */
  close(): Promise<string[]> {
    this.#refresh?.cancel();
    for (const repair of this.#repairs.values()) repair.cancel();
    this.#claims.close();
    this.#egress.close();
    for (const watch of this.#watches) watch.close();
    this.#interfaces.close();
    this.#ubus.close();
    const lines = leave(this.#state, this.#network);
    this.#network.close();
    return Promise.resolve(lines);
  }

  /** Somebody else has made a route. Where it has taken the place of ours, ours is made again, later and later. */
  #contest(route: Route): void {
    const taken = routeEntry(route, (ifindex) => this.#deviceName(ifindex));
    const key = routeKey(taken);
    const ours = this.#wanted.routes.find((wanted) => routeKey(wanted) === key);
    if (!ours || routeTarget(ours) === routeTarget(taken)) return;
    const pause = this.#contests.pause(key, steadyTime());
    const command = describeNetworkChange({ kind: 'route', action: 'replace', entry: taken });
    const when = pause === 0 ? 'now' : `in ${pause / 1000} s`;
    this.#listener.log(`somebody else has made a route in the place of ours (${command}); making ours again ${when}`);
    this.#repairs.get(key)?.cancel();
    this.#repairs.set(
      key,
      setTimer(() => this.#listener.changed(), pause),
    );
  }

  #deviceName(ifindex: number): string {
    const links = this.#observed?.environment.links.values() ?? [];
    return [...links].find((link) => link.ifindex === ifindex)?.name ?? `if${ifindex}`;
  }

  /** Links tell much that is not our business: counters of bridges, carrier, Wi-Fi. */
  #isNewLink(link: LinkState, gone: boolean): boolean {
    const known = this.#observed?.environment.links.get(link.name);
    return gone || JSON.stringify(known) !== JSON.stringify(link);
  }

  /** Resolves when the kernel knows the MAC addresses of neighbours that it was told to manage, or has had time for it. */
  async #answers(addresses: readonly string[]): Promise<void> {
    if (addresses.length === 0) return;
    const known = this.#network.readHardware();
    this.#asked = new Set(addresses.filter((address) => !known.has(address)));
    if (this.#asked.size === 0) return;
    await settled(new Promise<void>((resolve) => (this.#allAnswered = resolve)), NEIGHBOUR_PATIENCE);
    this.#asked.clear();
  }

  #isAnswer({ address, hardware }: Neighbour): boolean {
    const isAwaited = hardware !== undefined && this.#asked.delete(address.text);
    if (isAwaited && this.#asked.size === 0) this.#allAnswered();
    return isAwaited;
  }

  /**
   * Of neighbours we follow those that we want, and of these the MAC address. One that somebody has deleted may not go, but
   * stay as the kernel's own, unresolved, while a packet holds on to it (`neigh_remove_one`).
   */
  #isNewNeighbour(neighbour: Neighbour, gone: boolean): boolean {
    const { address, ifindex, hardware, proxy, managed, permanent, externallyLearned } = neighbour;
    const isWanted = this.#wanted.neighbours.some(
      (wanted) => wanted.device.ifindex === ifindex && wanted.address.text === address.text,
    );
    if (!isWanted) return false;
    const isKept = proxy || managed || permanent || externallyLearned;
    return gone || !isKept || (hardware !== undefined && hardware !== this.#observed?.hardware.get(address.text));
  }

  /**
   * The kernel keeps managed entries resolved, but believes a MAC address for half a minute and longer after the last answer;
   * a server whose card was swapped silently would be lost for that time. Kernels before 5.16 need help with all of it.
   */
  #keepFresh(): void {
    this.#refresh?.cancel();
    if (this.#wanted.neighbours.length === 0) return;
    this.#refresh = setTimer(() => {
      this.#network.verifyNeighbours(this.#wanted);
      this.#network.refreshNeighbours(this.#wanted);
      this.#keepFresh();
    }, REFRESH_INTERVAL);
  }
}

function describeEvents(events: readonly NftablesEvent[]): string {
  const families = [...new Set(events.map(({ family }) => family))].join(', ');
  return `somebody else has changed our tables (${families})`;
}

/** What a daemon finds out in the course of time. */
export type Findings = Pick<Observation, 'occupied' | 'egresses'>;

/** The router as it is, for a command that looks once and asks nobody: what a daemon has found is given, where there is one. */
export async function observeOnce(ubus: string, state: string, found?: Findings): Promise<Observation> {
  const network = new Network(new Journal(`${state}/undo.json`, () => undefined));
  const client = new UbusClient({ open: connectUnix(ubus), setTimer });
  const interfaces = new LogicalInterfaces(client, setTimer, () => undefined);
  try {
    if (fileStatus(ubus) !== null) {
      client.connect();
      await netifdHasTold(client);
    }
    const egresses = found?.egresses ?? readEgresses(network.channel);
    return observeBy(network, interfaces, found?.occupied ?? new Set(), egresses);
  } finally {
    interfaces.close();
    client.close();
    network.close();
  }
}

export function readSysctls(keys: readonly string[]): SysctlEntry[] {
  return keys.flatMap((key) => {
    const value = readSysctl(key);
    return value === undefined ? [] : [{ key, value }];
  });
}

function observeBy(
  network: Network,
  interfaces: LogicalInterfaces,
  occupied: Observation['occupied'],
  egresses: Egresses,
): Observation {
  const { devices, addresses } = interfaces;
  const environment = { ...network.readEnvironment(devices, readListeners()), interfaceAddresses: addresses };
  return {
    environment,
    hardware: network.readHardware(),
    strictReversePath: network.readStrictReversePath(environment.links.keys()),
    // A set of its own: an observation does not change any more.
    occupied: new Set(occupied),
    egresses,
  };
}

/**
 * Resolves when `LogicalInterfaces` knows netifd's interfaces, or netifd is absent or takes too long. It has asked as soon as
 * it could, and answers come in the order of questions: one more question is answered behind its own.
 */
async function netifdHasTold(client: UbusClient): Promise<void> {
  const answered = client.whenReady().then(() => client.call('network.interface', 'dump'));
  await settled(
    answered.then(nothing, nothing).then(() => new Promise<void>((resolve) => setTimer(resolve, 0))),
    NETIFD_PATIENCE,
  );
}

function nothing(): void {
  return undefined;
}

/** Resolves with the promise, or after so many milliseconds. */
function settled(promise: Promise<void>, patience: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimer(resolve, patience);
    void promise.then(() => {
      timer.cancel();
      resolve();
    });
  });
}
