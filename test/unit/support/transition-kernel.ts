import { NOBODY } from '../../../src/allocation/table.ts';
import type { KeptCounters } from '../../../src/transition/tally.ts';
import type { RecordedServer, SlotHistory, Transition } from '../../../src/transition/transition.ts';

export interface Packet {
  readonly flow: string;
  readonly protocol: 'tcp' | 'udp';
  readonly flag?: 'syn' | 'fin';
  readonly slot: number;
}

/** Where a packet ends: at a server, or nowhere. */
export type Fate = { readonly server: string } | 'reset' | 'drop' | 'nobody';

/** Maps that a packet asks at most: who has its slot, who had it, two about what nobody knows, and the slot table. */
export const MAPS = 5;

/** What the maps say. */
interface View {
  readonly owners: readonly (string | undefined)[];
  readonly transition: Transition | undefined;
}

/** Milliseconds that a flow is remembered once it closes. */
const CLOSING = 120_000;

/**
 * A kernel that follows the rules of a transition (src/ruleset/moved-chain.ts), of one family: sets of recorded flows with
 * their time-outs, and counters.
 */
export class TransitionKernel {
  /** By slot; `undefined` = nobody. */
  owners: readonly (string | undefined)[] = [];
  readonly #drainTimeout: number;
  readonly #idleTimeout: number;
  #transition: Transition | undefined;
  /** What was loaded before that. */
  #before: View = { owners: [], transition: undefined };
  /** Flow → when it is forgotten, by server. */
  #recorded = new Map<string, Map<string, number>>();
  #closing = new Map<string, number>();
  #kept = new Map<string, bigint>();
  #reset = 0n;
  #silence = 0n;

  constructor(drainTimeout: number, idleTimeout: number) {
    this.#drainTimeout = drainTimeout;
    this.#idleTimeout = idleTimeout;
  }

  /** One transaction: sets of servers that are recorded no more are gone with their counters, those of no worth are emptied. */
  load(owners: readonly (string | undefined)[], transition: Transition | undefined): void {
    this.#before = { owners: this.owners, transition: this.#transition };
    this.owners = owners;
    const emptied = new Map(this.#transition?.recorded.map((record) => [record.server, record.emptied]));
    this.#transition = transition;
    const recorded = transition?.recorded ?? [];
    const stays = (record: RecordedServer) => emptied.get(record.server) === record.emptied;
    this.#recorded = new Map(
      recorded.map((record) => {
        const flows = stays(record) ? this.#recorded.get(record.server) : undefined;
        return [record.server, flows ?? new Map<string, number>()];
      }),
    );
    this.#kept = new Map(recorded.map(({ server }) => [server, this.#kept.get(server) ?? 0n]));
    if (transition) return;
    this.#closing = new Map();
    this.#reset = 0n;
    this.#silence = 0n;
  }

  counters(): KeptCounters {
    return { kept: new Map(this.#kept), reset: this.#reset, silence: this.#silence };
  }

  /** Throws where the history and the slot map do not name the same owner. */
  send(packet: Packet, now: number): Fate {
    const owner = this.owners[packet.slot];
    const current = historyOf({ owners: this.owners, transition: this.#transition }, packet.slot)?.current;
    if (current !== undefined && current !== owner) {
      throw new Error(`the history names ${current}, the slot map ${owner ?? '–'}`);
    }
    return this.sendTorn(packet, 0, now);
  }

  /**
   * The same for a packet that is under way while the last transaction takes effect: the first `lookups` maps that it asks are
   * those of before.
   */
  sendTorn(packet: Packet, lookups: number, now: number): Fate {
    const after = { owners: this.owners, transition: this.#transition };
    const view = (place: number): View => (place < lookups ? this.#before : after);
    const history = (place: number) => historyOf(view(place), packet.slot);
    const current = history(0)?.current;
    const visited = history(1)?.visited ?? [];
    // Where one other server has had the slot its records are looked at, else those of all.
    const others = visited.length > 1 ? [...this.#recorded.keys()] : visited;
    const known = [...(current === undefined ? [] : [current]), ...others].find((server) =>
      this.#knows(server, packet.flow, now),
    );
    if (known !== undefined) {
      this.#refresh(known, packet, now);
      return known === current ? { server: known } : this.#keep(known);
    }
    if (packet.protocol === 'udp') {
      const learning = history(2)?.learning;
      if (learning !== undefined && this.#recorded.has(learning)) {
        this.#record(learning, packet.flow, now + this.#idleTimeout);
        return this.#keep(learning);
      }
    } else if (packet.flag === 'syn') {
      const heir = history(2)?.current;
      if (heir !== undefined && this.#recorded.has(heir)) {
        this.#record(heir, packet.flow, now + this.#openTimeout);
        return { server: heir };
      }
    } else {
      const past = history(3);
      const unknown = past?.unknown;
      if (unknown === 'reset' || unknown === 'drop') return this.#refuse(unknown);
      if (past && unknown && (past.isHeld || unknown.server !== past.current)) return this.#keep(unknown.server);
    }
    const owner = view(MAPS - 1).owners[packet.slot];
    return owner === undefined ? 'nobody' : { server: owner };
  }

  #refuse(unknown: 'reset' | 'drop'): Fate {
    if (unknown === 'reset') this.#reset++;
    else this.#silence++;
    return unknown;
  }

  get #openTimeout(): number {
    return Math.max(2 * this.#drainTimeout, this.#idleTimeout);
  }

  #refresh(server: string, { flow, protocol, flag }: Packet, now: number): void {
    const closes = flag === 'fin' || (this.#closing.get(flow) ?? 0) > now;
    if (closes) this.#closing.set(flow, now + CLOSING);
    const timeout = closes ? CLOSING : protocol === 'udp' ? this.#idleTimeout : this.#openTimeout;
    this.#record(server, flow, now + timeout);
  }

  #keep(server: string): Fate {
    this.#kept.set(server, (this.#kept.get(server) ?? 0n) + 1n);
    return { server };
  }

  #knows(server: string, flow: string, now: number): boolean {
    return (this.#recorded.get(server)?.get(flow) ?? 0) > now;
  }

  #record(server: string, flow: string, until: number): void {
    const set = this.#recorded.get(server);
    if (!set) throw new Error(`no set for the flows of ${server}`);
    set.set(flow, until);
  }
}

function historyOf({ transition }: View, slot: number): SlotHistory | undefined {
  const table = transition?.tables[4];
  return table?.histories[table.slots[slot] ?? NOBODY];
}
