import { NOBODY } from '../allocation/table.ts';
import type { Server, Service } from '../config/model.ts';
import type { FamilyTables, SlotTables } from '../deployment/deployment.ts';
import { isLeveled } from '../deployment/live-connections.ts';
import type { Family } from '../net/address.ts';
import { adjust } from './adjust.ts';
import { nextFactors, sharesOf } from './least.ts';

/** Loads as they were seen at a moment, to be even in proportion to the weights. */
export interface SeenLoads {
  /** By server, 0 or more. */
  readonly loads: ReadonlyMap<string, number>;
  /** What can hardly be told from none: that of one connection; 0: the load is a measure and not a number. */
  readonly grain: number;
}

/** The loads of all these servers of a service; `undefined`: not all of them are known. */
export type LoadSource = (service: string, servers: readonly Server[]) => SeenLoads | undefined;

/** Families whose servers are the same, and how their shares stand. */
interface Group {
  readonly families: readonly Family[];
  /** As allocated. */
  readonly base: Uint16Array;
  /** By name of the server; who gets nothing has none. */
  readonly factors: ReadonlyMap<string, number>;
  readonly turns: Uint16Array;
}

interface Level {
  readonly base: SlotTables;
  readonly servers: readonly Server[];
  readonly groups: readonly Group[];
  /** The tables with what chance picks from. */
  readonly tables: SlotTables;
}

/** The shares of servers that follow their load, service by service. */
export class Levels {
  readonly #levels = new Map<string, Level>();

  /** Tables of a service as they are allocated, with those that follow the load where it wants them; the same object until they change. */
  tablesOf(service: Service, base: SlotTables): SlotTables {
    if (!isLeveled(service)) {
      this.#levels.delete(service.name);
      return base;
    }
    const level = this.#levelOf(service, base);
    this.#levels.set(service.name, level);
    return level.tables;
  }

  /** The same for what may come, without anything of it. */
  prospect(service: Service, base: SlotTables): SlotTables {
    return isLeveled(service) ? this.#levelOf(service, base).tables : base;
  }

  /**
   * Goes on from loads, `elapsed` milliseconds after the last ones. The first source that knows the load of every server counts;
   * where none does, everything stays.
   */
  follow(service: Service, sources: readonly LoadSource[], elapsed: number): SlotTables | undefined {
    const level = this.#levels.get(service.name);
    if (!level) return undefined;
    const groups = level.groups.map((group) => {
      const servers = ownersOf(group.base).flatMap((owner) => level.servers[owner] ?? []);
      for (const source of sources) {
        const seen = source(service.name, servers);
        if (seen) return regroup(group, level.servers, seen, elapsed);
      }
      return group;
    });
    this.#levels.set(service.name, assemble(level, groups));
    return this.#levels.get(service.name)?.tables;
  }

  #levelOf({ name, servers }: Service, base: SlotTables): Level {
    const known = this.#levels.get(name);
    if (known?.base === base && known.servers === servers) return known;
    const shared = base[4] === base[6];
    const parts = ([4, 6] as const).flatMap((family) => {
      const table = base[family];
      if (!table || (family === 6 && shared)) return [];
      return [{ table, families: shared ? ([4, 6] as const) : [family] }];
    });
    const groups = parts.map(({ table, families }): Group => {
      const before = known?.groups.find((group) => group.families.includes(families[0] ?? 4));
      const turns = before && known ? renumbered(before.turns, known.servers, servers) : table;
      const fitting = turns.length === table.length ? turns : table;
      const group = { families, base: table, factors: before?.factors ?? new Map<string, number>(), turns: fitting };
      return regroup(group, servers, { loads: new Map(), grain: 0 }, 0);
    });
    return assemble({ base, servers }, groups);
  }
}

function regroup(group: Group, servers: readonly Server[], { loads, grain }: SeenLoads, elapsed: number): Group {
  const owners = ownersOf(group.base);
  if (owners.length === 0) return { ...group, factors: new Map(), turns: group.base };
  const candidates = owners.map((owner) => {
    const { name = '', weight = 1 } = servers[owner] ?? {};
    return { name, weight: Math.max(weight, 1), load: loads.get(name) ?? 0, factor: group.factors.get(name) };
  });
  const factors = nextFactors(candidates, elapsed, grain);
  const shares = sharesOf(
    candidates.map(({ weight }) => weight),
    factors,
  );
  const wanted = owners.map((owner, index) => ({ owner, share: shares[index] ?? 0 }));
  return {
    ...group,
    factors: new Map(candidates.map(({ name }, index) => [name, factors[index] ?? 1])),
    turns: adjust(group.turns, wanted),
  };
}

/** With the tables of before where nothing has moved. */
function assemble(level: Pick<Level, 'base' | 'servers'> & Partial<Level>, groups: readonly Group[]): Level {
  const turns: FamilyTables = Object.fromEntries(
    groups.flatMap((group) => group.families.map((family) => [family, group.turns])),
  );
  const { base, servers } = level;
  const was = level.tables?.turns;
  const isSame = was !== undefined && was[4] === turns[4] && was[6] === turns[6];
  return { base, servers, groups, tables: isSame && level.tables ? level.tables : { ...base, turns } };
}

/** Who gets anything at all. */
function ownersOf(table: Uint16Array): number[] {
  return [...new Set(table)].filter((owner) => owner !== NOBODY).sort((one, other) => one - other);
}

/** The same table where servers have other numbers. */
function renumbered(table: Uint16Array, before: readonly Server[], after: readonly Server[]): Uint16Array {
  const places = new Map(after.map(({ name }, index) => [name, index]));
  return table.map((owner) => places.get(before[owner]?.name ?? '') ?? NOBODY);
}
