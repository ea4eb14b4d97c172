import type { Count } from '../daemon/router.ts';
import type { FlowKey } from '../channel/flow.ts';
import type { LinkState } from '../config/environment.ts';
import type { Service } from '../config/model.ts';
import type { Family } from '../net/address.ts';
import { ROUTE_PROTOCOL } from '../network/state.ts';
import type { NetworkState } from '../network/state.ts';
import type { NetworkChange } from '../network/diff.ts';
import type { SlotChange } from '../netlink/slot-elements.ts';
import { TABLE } from '../ruleset/ruleset.ts';
import { LEASED, LEASE_SET } from '../server/filter.ts';
import type { Machine } from '../server/machine.ts';
import { leave, removeTables, serverStatusFile } from './cleanup.ts';
import { readCounters } from './counters.ts';
import { writeText } from './files.ts';
import { endedFlows, openFlows } from './open-flows.ts';
import { Journal } from './journal.ts';
import { NETLINK_NETFILTER, NetlinkChannel } from './netlink-channel.ts';
import { Network } from './network.ts';
import { outcomeLines } from './network-outcome.ts';
import { NetworkWatch } from './network-watch.ts';
import { TableWatch } from './nft-events.ts';
import { readRoutes } from './rtnetlink.ts';

/** The routing table `main` (RT_TABLE_MAIN). */
const MAIN_TABLE = 254;

export interface ServerListener {
  /** One line for the log. */
  readonly log: (line: string) => void;
  /** Something about this machine is not as it was. */
  readonly changed: () => void;
  /** Our table may not be what we loaded, for the reason given. */
  readonly distrusted: (reason: string) => void;
}

/** The machine that we run on, as a server. */
export class HostServer {
  readonly #state: string;
  readonly #listener: ServerListener;
  readonly #network: Network;
  readonly #tables: TableWatch;
  readonly #watch: NetworkWatch;
  #links: ReadonlyMap<string, LinkState> = new Map();

  /** Begins to follow the machine. */
  constructor(state: string, listener: ServerListener) {
    this.#state = state;
    this.#listener = listener;
    this.#network = new Network(new Journal(`${state}/undo.json`, listener.log));
    this.#tables = new TableWatch(TABLE, ({ unheard }) =>
      listener.distrusted(unheard ? 'the filter may have been changed' : 'somebody else has changed the filter'),
    );
    this.#watch = new NetworkWatch(
      {
        link: (link, gone) => {
          // Links tell much that is not our business: carrier, counters of bridges.
          if (gone || JSON.stringify(this.#links.get(link.name)) !== JSON.stringify(link)) listener.changed();
        },
        address: listener.changed,
        route: listener.changed,
        neighbour: ({ protocol }, gone) => {
          if (gone && protocol === ROUTE_PROTOCOL) listener.changed();
        },
        lost: listener.changed,
      },
      () => this.#network.channel.port,
    );
  }

  /** The machine as it is now. */
  observe(): Machine {
    const machine = observeMachine(this.#network);
    this.#links = machine.environment.links;
    return machine;
  }

  /** Makes what is wanted and is not there; tells what was done, a line each. Throws with the kernel's reason. */
  establish(wanted: NetworkState): string[] {
    return outcomeLines(this.#network.establish(wanted));
  }

  /** Takes away what we made and no longer want, and restores what was there before. */
  prune(wanted: NetworkState): string[] {
    return outcomeLines(this.#network.prune(wanted));
  }

  /** Removes tables of ours that an earlier run has left, but for those of the given families. */
  clear(kept: readonly string[]): string[] {
    let lines: string[] = [];
    this.#tables.transaction(() => {
      lines = removeTables(kept);
      return { status: lines.length > 0 ? 0 : 1 };
    });
    return lines;
  }

  load(commands: string): void {
    this.#tables.load(commands);
  }

  holdsTables(): boolean {
    return this.#tables.isThere();
  }

  moveSlots(change: SlotChange): void {
    this.#tables.moveSlots(change);
  }

  /** Has what begins here taken for so many milliseconds from now; 0: no longer. Throws with the kernel's reason. */
  lease(milliseconds: number): void {
    this.#tables.setTimed({ family: 'inet', table: TABLE, set: LEASE_SET }, LEASED, milliseconds);
  }

  /** See `openFlows` of `flows.ts`. */
  openFlows(service: Service, family: Family, slots: Uint8Array): FlowKey[] {
    return openFlows(this.#tables.channel, service, family, slots);
  }

  /** See `endedFlows` of `flows.ts`. */
  endedFlows(flows: Iterable<FlowKey>): FlowKey[] {
    return endedFlows(this.#tables.channel, flows);
  }

  counters(): Map<string, Count> {
    return readCounters(this.#tables.channel);
  }

  /** Keeps a text for those who ask for the status. A full disk is no reason to stop: it is reported. */
  remember(text: string): void {
    try {
      writeText(serverStatusFile(this.#state), text);
    } catch (error) {
      this.#listener.log(error instanceof Error ? error.message : String(error));
    }
  }

  /** Puts the machine back as it was and stops following it. */
  close(): string[] {
    this.#tables.close();
    this.#watch.close();
    try {
      return leave(this.#state, this.#network, 'server');
    } finally {
      this.#network.close();
    }
  }
}

/** For a command that looks once: what the machine lacks of what `wantedOf` makes of it, and our counters. Changes nothing. */
export function inspectServer(
  state: string,
  wantedOf: (machine: Machine) => NetworkState,
): { readonly missing: NetworkChange[]; readonly counters: ReadonlyMap<string, Count> } {
  const network = new Network(new Journal(`${state}/undo.json`, () => undefined));
  const tables = new NetlinkChannel(NETLINK_NETFILTER);
  try {
    return { missing: network.plan(wantedOf(observeMachine(network))), counters: readCounters(tables) };
  } finally {
    network.close();
    tables.close();
  }
}

function observeMachine(network: Network): Machine {
  const four = (device: string, name: string) => network.foundSysctl(`net/ipv4/conf/${device}/${name}`);
  const setting = (device: string, name: string) => ({ all: four('all', name), own: four(device, name) });
  const ways = readRoutes(network.channel, 4, { table: MAIN_TABLE })
    .filter(({ destination, type }) => destination === 'default' && type === 'unicast')
    .sort((one, other) => one.metric - other.metric);
  const defaultDevice = ways[0]?.ifindex;
  return {
    environment: network.readEnvironment(),
    settingsOf: (device) => ({
      arpIgnore: setting(device, 'arp_ignore'),
      arpAnnounce: setting(device, 'arp_announce'),
      reversePath: setting(device, 'rp_filter'),
      dropsFlooded6: network.foundSysctl(`net/ipv6/conf/${device}/drop_unicast_in_l2_multicast`) !== 0,
    }),
    ...(defaultDevice === undefined ? {} : { defaultDevice }),
  };
}
