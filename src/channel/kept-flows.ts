import { NOBODY } from './message.ts';
import type { SlotOwners } from './server-end.ts';
import type { KeptList } from './table-content.ts';
import { unpackFlows } from './flow.ts';
import type { FlowKey } from './flow.ts';

/** Flows of a table that a server goes on with at most; those beyond go to who has their slots. */
export const MOST_KEPT = 4096;

/** What a server has of the flows of a table: those that it goes on with though their slots are others', and those of others. */
export interface FlowShare {
  readonly kept: ReadonlySet<FlowKey>;
  readonly elsewhere: ReadonlySet<FlowKey>;
}

/**
 * The flows of one table, as one server sees them. Datagrams have no beginning by which the new owner of a slot could tell a flow
 * of its own from one of the former owner. So whoever lets go of a slot lists the open flows that are in it, and goes on with
 * them; the slot is granted together with the lists of all, and its owner leaves what is in them.
 */
export class KeptFlows {
  #kept: ReadonlySet<FlowKey> = new Set();
  #generation = 0;
  #elsewhere: ReadonlySet<FlowKey> = new Set();
  /** The own list that the router has announced. */
  #announced = 0;
  /** 1 for each slot that was let go, and whose open flows are not known yet. */
  #releasing: Uint8Array | undefined;

  /** Number of the list: another one each time that it changes. */
  get generation(): number {
    return this.#generation;
  }

  get kept(): ReadonlySet<FlowKey> {
    return this.#kept;
  }

  get elsewhere(): ReadonlySet<FlowKey> {
    return this.#elsewhere;
  }

  get releasing(): Uint8Array | undefined {
    return this.#releasing;
  }

  /** True where the router has announced the list as it is. */
  get isAnnounced(): boolean {
    return this.#announced === this.#generation;
  }

  /** Another table is in force: `before`, if any, was until now. Throws `RangeError` where a list cannot be. */
  take(lists: readonly KeptList[], before: SlotOwners | undefined, after: SlotOwners, server: string): void {
    const elsewhere = new Set<FlowKey>();
    let announced = 0;
    for (const list of lists) {
      if (list.server === server) announced = list.generation;
      else for (const flow of unpackFlows(list.flows, after.family)) elsewhere.add(flow);
    }
    this.#announced = announced;
    this.#elsewhere = elsewhere;
    const lost = slotsLost(before, after, server, this.#releasing);
    this.#releasing = lost.includes(1) ? lost : undefined;
  }

  /** These are the open flows of the slots that were let go; what others go on with is not among them. */
  keep(flows: Iterable<FlowKey>): void {
    this.#releasing = undefined;
    const kept = new Set(this.#kept);
    for (const flow of flows) if (kept.size < MOST_KEPT && !this.#elsewhere.has(flow)) kept.add(flow);
    this.#become(kept);
  }

  /** These have ended, or are in slots of this server's own. */
  end(flows: Iterable<FlowKey>): void {
    const kept = new Set(this.#kept);
    for (const flow of flows) kept.delete(flow);
    this.#become(kept);
  }

  /** Whatever was kept may be others' by now. */
  drop(): void {
    this.#releasing = undefined;
    this.#become(new Set());
  }

  /** Nothing is known of what is announced: there is another router, or none. */
  forget(elsewhere = this.#elsewhere): void {
    this.#announced = 0;
    this.#elsewhere = elsewhere;
  }

  #become(kept: ReadonlySet<FlowKey>): void {
    if (kept.size === this.#kept.size && [...kept].every((flow) => this.#kept.has(flow))) return;
    this.#kept = kept;
    this.#generation++;
  }
}

/** Slots that were the server's, or were let go already, and are not its own any more. */
function slotsLost(
  before: SlotOwners | undefined,
  after: SlotOwners,
  server: string,
  lost: Uint8Array | undefined,
): Uint8Array {
  const was = before?.owners.length === after.owners.length ? before.members.indexOf(server) : -1;
  const is = after.members.indexOf(server);
  return Uint8Array.from(after.owners, (owner, slot) => {
    if (owner === is && owner !== NOBODY) return 0;
    return lost?.[slot] === 1 || (was >= 0 && before?.owners[slot] === was) ? 1 : 0;
  });
}
