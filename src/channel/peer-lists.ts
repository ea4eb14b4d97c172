import { unpackFlows } from './flow.ts';
import type { FlowsPart } from './message.ts';
import { Assembly } from './table-content.ts';
import type { KeptList } from './table-content.ts';

interface Known {
  /** Of the list that is known; 0: none is. */
  generation: number;
  flows: Uint8Array;
  /** Parts of a newer one. */
  readonly assembly: Assembly;
}

/** Lists of the flows that one server goes on with in one session, by table, as others know them. */
export class PeerLists {
  readonly #lists = new Map<string, Known>();
  /** Sequence number of the server up to which lists are of before the last time that some were forgotten. */
  #forgotten = 0;

  /** Number of the list that is known of a table; 0: none. */
  generation(table: string): number {
    return this.#lists.get(table)?.generation ?? 0;
  }

  /** Takes a part of a list; true where that makes a newer one known, `unknown` where the parts make none. */
  take(table: string, part: FlowsPart): boolean | 'unknown' {
    const known = this.#lists.get(table) ?? { generation: 0, flows: new Uint8Array(), assembly: new Assembly() };
    if (part.generation <= known.generation || part.sequence <= this.#forgotten) return false;
    this.#lists.set(table, known);
    const flows = known.assembly.take({ ...part, version: part.generation });
    if (!flows) return false;
    try {
      unpackFlows(flows, part.family);
    } catch (error) {
      if (error instanceof RangeError) return 'unknown';
      throw error;
    }
    known.generation = part.generation;
    known.flows = flows;
    return true;
  }

  /** What is known of a table, of the server of that name: one list, or none. */
  listOf(server: string, table: string): KeptList[] {
    const { generation = 0, flows = new Uint8Array() } = this.#lists.get(table) ?? {};
    return generation > 0 ? [{ server, generation, flows }] : [];
  }

  /** Forgets the list of a table, and what comes of it that was sent up to the sequence number; tells the tables of which one was known. */
  drop(table: string, sequence: number): string[] {
    const isKnown = this.generation(table) > 0;
    if (this.#lists.delete(table)) this.#forgotten = sequence;
    return isKnown ? [table] : [];
  }

  /** The same of all lists. */
  clear(sequence: number): string[] {
    return [...this.#lists.keys()].flatMap((table) => this.drop(table, sequence));
  }
}
