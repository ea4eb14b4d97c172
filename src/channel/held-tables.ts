import type { FlowKey } from './flow.ts';
import { KeptFlows } from './kept-flows.ts';
import { NOBODY } from './message.ts';
import type { HeldTable, TableName, TablePart } from './message.ts';
import type { SlotOwners } from './server-end.ts';
import { Assembly, unpackTable } from './table-content.ts';
import type { Witnesses } from './witnesses.ts';

interface Own {
  /** Of the epoch taken; 0: from before it. */
  readonly version: number;
  readonly table: SlotOwners;
}

/** Slots of a table that a server has let go of, a 1 for each. */
export interface ReleasedSlots extends TableName {
  readonly slots: Uint8Array;
}

/** What a server was told of who has which slots and flows, whether or not it may act on it. */
export class HeldTables {
  readonly #server: string;
  readonly #own = new Map<string, Own>();
  /** Newest versions that are known to be announced, by table, of the epoch taken. */
  readonly #floors = new Map<string, number>();
  /** Tables of which parts have come, by table, of the epoch taken. */
  readonly #assemblies = new Map<string, Assembly>();
  /** By table; their numbers go on for as long as the session does. */
  readonly #flows = new Map<string, KeptFlows>();
  #changed = false;

  /** @param server the server whose end this is. */
  constructor(server: string) {
    this.#server = server;
  }

  get size(): number {
    return this.#own.size;
  }

  tables(): SlotOwners[] {
    return [...this.#own.values()].map(({ table }) => table);
  }

  tableOf(name: TableName): SlotOwners | undefined {
    return this.#own.get(keyOf(name))?.table;
  }

  /** With the newest version that is known to be announced. */
  versions(): (TableName & { readonly version: number; readonly announced: number })[] {
    return [...this.#own.values()].map(({ version, table: { service, family } }) => ({
      ...{ service, family, version },
      announced: Math.max(version, this.#floors.get(keyOf({ service, family })) ?? 0),
    }));
  }

  flowsOf(name: TableName): KeptFlows {
    const key = keyOf(name);
    const known = this.#flows.get(key) ?? new KeptFlows();
    this.#flows.set(key, known);
    return known;
  }

  /** Slots that were let go of, and whose open flows are not known yet. */
  releasing(): ReleasedSlots[] {
    return this.tables().flatMap(({ service, family }) => {
      const slots = this.flowsOf({ service, family }).releasing;
      return slots ? [{ service, family, slots }] : [];
    });
  }

  /** Takes the open flows of such slots. */
  keep(name: TableName, flows: Iterable<FlowKey>): void {
    this.flowsOf(name).keep(flows);
    this.#changed = true;
  }

  /** These flows need not be kept any more; false where none of them was. */
  end(name: TableName, flows: Iterable<FlowKey>): boolean {
    const known = this.flowsOf(name);
    const { generation } = known;
    known.end(flows);
    if (known.generation === generation) return false;
    this.#changed = true;
    return true;
  }

  /** True where something has changed since this was asked last. */
  hasChanged(): boolean {
    const changed = this.#changed;
    this.#changed = false;
    return changed;
  }

  /** Another epoch begins: what is held is from before it; nothing is, unless `isHolding`. */
  begin(isHolding: boolean): void {
    this.#floors.clear();
    if (!isHolding) this.#own.clear();
    this.#assemblies.clear();
    for (const flows of this.#flows.values()) flows.forget();
    for (const [key, { table }] of this.#own) this.#own.set(key, { version: 0, table });
  }

  /** A version is announced. True where this server lacks it; an older one is given up unless it `mayHold` it. */
  announce({ service, family, version }: TableName & { readonly version: number }, mayHold: boolean): boolean {
    const key = keyOf({ service, family });
    this.#floors.set(key, Math.max(this.#floors.get(key) ?? 0, version));
    if ((this.#own.get(key)?.version ?? 0) >= version) return false;
    if (!mayHold) this.#give(key);
    return true;
  }

  /** Gives up all tables but these. */
  keepOnly(announced: readonly TableName[]): void {
    const keys = new Set(announced.map(keyOf));
    for (const key of this.#own.keys()) if (!keys.has(key)) this.#give(key);
  }

  /**
   * Takes a part of a table. True where that is whole now and in force; `unknown`: it makes no table. What was in force before is
   * let go of in order where it `isHolding` it.
   */
  take(part: TablePart, isHolding: boolean): boolean | 'unknown' {
    const { service, family, version } = part;
    const key = keyOf(part);
    if (version < (this.#floors.get(key) ?? 0) || this.#own.get(key)?.version === version) return false;
    const assembly = this.#assemblies.get(key) ?? new Assembly();
    this.#assemblies.set(key, assembly);
    const content = assembly.take(part);
    if (!content) return false;
    this.#assemblies.delete(key);
    try {
      const { members, owners, lists } = unpackTable(content);
      const table = { service, family, members, owners };
      const before = isHolding ? this.#own.get(key)?.table : undefined;
      this.flowsOf(part).take(lists, before, table, this.#server);
      // What was acknowledged once is not gone back behind, given up or not.
      this.#floors.set(key, version);
      this.#own.set(key, { version, table });
    } catch (error) {
      if (error instanceof RangeError) return 'unknown';
      throw error;
    }
    this.#changed = true;
    return true;
  }

  /** What is held may be others' by now. */
  fence(): void {
    // Whether a later epoch has a version of a table that is of none, cannot be told by its number.
    for (const [key, { version }] of this.#own) if (version === 0) this.#own.delete(key);
    // Others may have got the flows, too, and would not be asked for them.
    for (const flows of this.#flows.values()) flows.drop();
  }

  /** Takes tables that no router has told, but for what others hold. */
  takeWhatIsLeft(tables: readonly SlotOwners[], witnesses: Witnesses): void {
    this.#own.clear();
    for (const table of tables) {
      const own = table.members.indexOf(this.#server);
      const owners = table.owners.map((owner, slot) =>
        owner === own && witnesses.isHeld(table, slot) ? NOBODY : owner,
      );
      this.#own.set(keyOf(table), { version: 0, table: { ...table, owners } });
      this.flowsOf(table).forget(witnesses.flowsOf(table));
    }
    this.#changed = true;
  }

  /** As they are reported; slot by slot where that `isWanted`, and where no version tells. */
  reported(isWanted: boolean): HeldTable[] {
    return [...this.#own.values()].map(({ version, table: { service, family, members, owners } }) => {
      const { generation } = this.flowsOf({ service, family });
      if (version > 0 && !isWanted) return { service, family, version, generation };
      const own = members.indexOf(this.#server);
      const held = owners.map((owner) => (owner === own && own >= 0 ? 1 : 0));
      return { service, family, version, generation, held };
    });
  }

  /** Gives up a table, and what goes on of it. */
  #give(key: string): void {
    const own = this.#own.get(key);
    if (!own) return;
    this.#own.delete(key);
    this.flowsOf(own.table).drop();
    this.#changed = true;
  }
}

function keyOf({ service, family }: TableName): string {
  return `${service}/${family}`;
}
