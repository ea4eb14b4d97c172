import type { Claim, Observation } from '../deployment/deployment.ts';
import type { Egresses } from '../egress/egress.ts';
import type { PlacedFlows } from '../deployment/placement.ts';
import type { TranslatedConnections } from '../deployment/translation.ts';
import type { TrackedConnection, Tuple } from '../netlink/conntrack.ts';
import type { SlotChange } from '../netlink/slot-elements.ts';
import type { NetworkState } from '../network/state.ts';
import type { Chain } from '../ruleset/ruleset.ts';

/** What a named counter has counted since it was made. */
export interface Count {
  readonly packets: bigint;
  readonly bytes: bigint;
}

/** The router as the controller sees it; `src/host/router.ts` is the real one. */
export interface Router {
  /** Links, addresses, neighbours and filters as they are now. */
  observe(): Promise<Observation>;
  /** Where packets leave now, of the servers whose neighbour entries have been established; the same object while it holds. */
  egresses(): Egresses;
  /**
   * Asks whether others have addresses that nobody has been asked about yet. True where somebody has answered: the next look
   * tells which they are.
   */
  contest(claims: readonly Claim[]): Promise<boolean>;
  /**
   * Makes what is wanted outside nftables and is not there; neighbours that are new get a moment to tell their MAC address.
   * What no longer is wanted stays for `prune`, since packets may still need it until the ruleset has changed. Tells what was
   * done, a line each. Throws with the kernel's reason; where it refuses an entry on the port of a bridge, `egresses` has that
   * way no longer.
   */
  establish(wanted: NetworkState): Promise<string[]>;
  /** Takes away what we made and no longer want, and restores what was there before. */
  prune(wanted: NetworkState): Promise<string[]>;
  /** Loads one libnftables transaction; throws with nft's reason, and then nothing has changed. */
  load(transaction: string): void;
  /** Fills chains that are there with their records, all or nothing; throws with the kernel's reason. */
  loadRecords(chains: readonly Chain[]): void;
  /** Moves slots between chains that are there and empties sets, all or nothing; throws with the kernel's reason. */
  moveSlots(change: SlotChange): void;
  /** Returns when no packet is under way any more that has asked a map before the last `load` or `moveSlots`: after some 10 ms. */
  awaitPackets(): void;
  /** Whether the kernel holds a table of our name. */
  holdsTables(): boolean;
  /** Has the kernel forget tracked connections and tells how many those were; throws with its reason. */
  forget(connections: readonly TranslatedConnections[]): number;
  /** How many of them the kernel tracks; throws with its reason. */
  tracked(connections: readonly TranslatedConnections[]): number;
  /** The tracked connection that began with such a packet, where there is one; throws with the kernel's reason. */
  connection(original: Required<Tuple>): TrackedConnection | undefined;
  /** How many flows the kernel remembers; throws with its reason. */
  countFlows(flows: PlacedFlows): number;
  /** Has the kernel forget flows that it remembers and tells how many those were; throws with its reason. */
  forgetFlows(flows: PlacedFlows): number;
  /** What the kernel remembers in maps of these names, for as long as they are replaced; throws with its reason. */
  saveFlows(maps: readonly string[]): readonly Uint8Array[];
  /** Has it remember that again. Where it does not, that is reported. */
  restoreFlows(kept: readonly Uint8Array[]): void;
  /** The mark that a map has for a flow (`flowElementKey`), where it is known; throws with the kernel's reason. */
  flow(map: string, key: Uint8Array): number | undefined;
  /** Our counters by name, those of the same name in both tables added up; empty where the tables are gone. */
  counters(): ReadonlyMap<string, Count>;
  /** Keeps the snapshot for `plan`, `simulate` and the next start. A full disk is no reason to stop: it is reported. */
  remember(snapshot: string): void;
  /** Keeps a text for the next start. Likewise. */
  keep(what: 'orders' | 'failures' | 'factors', text: string): void;
}
