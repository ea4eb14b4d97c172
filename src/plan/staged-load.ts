import { NOBODY } from '../allocation/table.ts';
import type { SlotChange } from '../netlink/slot-elements.ts';
import type { Ruleset, SlotMap, Table } from '../ruleset/ruleset.ts';
import { filledSlots } from './slot-moves.ts';

/** A whole ruleset in the order in which little memory holds it. */
export interface StagedLoad {
  /** Everything but base chains, with empty slot maps: nothing of it sees a packet yet. */
  readonly frame: Ruleset;
  /** What fills the maps, one after the other; made as they are asked for. */
  readonly fills: Iterable<SlotChange>;
  /** The frame with its maps filled: what the kernel holds when only base chains are missing. */
  readonly filled: Ruleset;
}

/**
 * Stages of a load that nobody waits for in between: with libnftables an element takes 1.7 KB while it is loaded, so that 20
 * services in two tables took 300 MB and eight seconds. Base chains come last, since the kernel checks with each commit where
 * packets can get from them: as long as there are none, nowhere.
 */
export function stageLoad(ruleset: Ruleset): StagedLoad {
  const frameOf = (slotsOf: (map: SlotMap) => SlotMap): Ruleset => ({
    tables: ruleset.tables.map((table) => ({
      ...table,
      chains: table.chains.filter(({ hook }) => hook === undefined),
      slotMaps: table.slotMaps.map(slotsOf),
    })),
  });
  return {
    frame: frameOf((map) => ({ ...map, slots: new Uint16Array(map.slots.length).fill(NOBODY) })),
    fills: fillsOf(ruleset.tables),
    filled: frameOf((map) => map),
  };
}

function* fillsOf(tables: readonly Table[]): Generator<SlotChange> {
  for (const { family, slotMaps } of tables) {
    for (const map of slotMaps) {
      const moves = filledSlots(family, map);
      if (moves.more.length > 0) yield { moves: [moves], emptied: [] };
    }
  }
}

/** Number of elements of all slot maps: what a load's memory depends on. */
export function slotElements({ tables }: Ruleset): number {
  return tables
    .flatMap(({ slotMaps }) => slotMaps)
    .reduce((sum, { slots }) => sum + slots.filter((target) => target !== NOBODY).length, 0);
}
