import { unpackFlows } from './flow.ts';
import type { FlowKey } from './flow.ts';
import { SequenceWindow } from './freshness.ts';
import type { FlowsPart, HeldTable, Report, TableName } from './message.ts';
import { PeerLists } from './peer-lists.ts';

/** Milliseconds without a report after which another session of a server is believed; none shows that it is of now. */
const SESSION_SILENCE = 2000;

interface Witness {
  session: bigint;
  window: SequenceWindow;
  /** Clock when its last report came. */
  at: number;
  tables: readonly HeldTable[];
  readonly lists: PeerLists;
}

/**
 * What a server that hears no router learns from the reports of others: whether they hear one, and what they hold. A report that
 * was recorded and is sent again shows no router, for it knows no later message of it than are known already.
 */
export class Witnesses {
  readonly #servers = new Map<string, Witness>();
  /** Newest message of each router that anybody is known to have heard, by the router's life. */
  readonly #routers = new Map<bigint, number>();

  /** This server has heard a router itself. */
  note(life: bigint, sequence: number): void {
    this.#routers.set(life, Math.max(this.#routers.get(life) ?? 0, sequence));
  }

  /** A report whose tag is right. True where it shows that a router runs: somebody has heard more of it since. */
  take({ server, life, sequence, heard, tables }: Report, now: number): boolean {
    const known = this.#servers.get(server);
    if (known?.session === life) {
      if (known.window.take(sequence) !== 'next') return false;
      known.at = now;
      known.tables = tables;
    } else {
      if (known && now < known.at + SESSION_SILENCE) return false;
      const window = new SequenceWindow(sequence);
      this.#servers.set(server, { session: life, window, at: now, tables, lists: new PeerLists() });
    }
    let isGrowing = false;
    for (const router of heard) {
      const before = this.#routers.get(router.life);
      // Whoever is heard of for the first time may have been dead for long.
      if (before !== undefined && router.sequence > before) isGrowing = true;
      this.note(router.life, router.sequence);
    }
    return isGrowing;
  }

  /** A list of flows whose tag is right; `unknown`: it cannot be one. */
  takeFlows(part: FlowsPart): 'unknown' | undefined {
    const known = this.#servers.get(part.server);
    if (known?.session !== part.life) return undefined;
    const order = known.window.take(part.sequence);
    if (order !== 'next' && order !== 'late') return undefined;
    return known.lists.take(keyOf(part), part) === 'unknown' ? 'unknown' : undefined;
  }

  /** True where each of the servers has been heard at that time or later. */
  haveAllReported(servers: Iterable<string>, since: number): boolean {
    return [...servers].every((server) => (this.#servers.get(server)?.at ?? -Infinity) >= since);
  }

  /** True where each of the servers has told slot by slot what it holds, and with which flows it goes on. */
  haveAllTold(servers: Iterable<string>): boolean {
    return [...servers].every((server) => {
      const known = this.#servers.get(server);
      return known?.tables.every(
        (table) => table.held !== undefined && known.lists.generation(keyOf(table)) === table.generation,
      );
    });
  }

  /** Flows of a table with which others go on. */
  flowsOf(table: TableName): Set<FlowKey> {
    const key = keyOf(table);
    const lists = [...this.#servers].flatMap(([server, { lists }]) => lists.listOf(server, key));
    return new Set(lists.flatMap(({ flows }) => unpackFlows(flows, table.family)));
  }

  /** True where somebody else has told to hold the slot. */
  isHeld({ service, family }: TableName, slot: number): boolean {
    return [...this.#servers.values()].some(({ tables }) =>
      tables.some((table) => table.service === service && table.family === family && table.held?.[slot] === 1),
    );
  }
}

function keyOf({ service, family }: TableName): string {
  return `${service}/${family}`;
}
