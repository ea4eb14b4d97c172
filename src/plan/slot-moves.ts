import { differingSlots } from '../allocation/difference.ts';
import { NOBODY } from '../allocation/table.ts';
import type { MovedSlots, SlotChange } from '../netlink/slot-elements.ts';
import { TABLE } from '../ruleset/ruleset.ts';
import type { Ruleset, SlotMap, Table } from '../ruleset/ruleset.ts';

/** What changes between two rulesets that differ in nothing but where slots lead and which sets have been emptied. */
export function slotChange(before: Ruleset, after: Ruleset): SlotChange {
  const pairs = after.tables.flatMap((table) => {
    const was = before.tables.find(({ family }) => family === table.family);
    return was ? [[was, table] as const] : [];
  });
  const known = new Map<Uint16Array, Compared>();
  return {
    moves: pairs.flatMap(([was, { family, slotMaps }]) =>
      slotMaps.flatMap((map, index) => movedSlots(family, named(was.slotMaps, map.name, index), map, known)),
    ),
    emptied: pairs.flatMap(([was, { family, sets }]) =>
      sets
        .filter(({ name, emptied }, index) => emptied !== named(was.sets, name, index)?.emptied)
        .map(({ name }) => ({ family, table: TABLE, set: name })),
    ),
  };
}

/** What fills an empty map. */
export function filledSlots(family: Table['family'], map: SlotMap): MovedSlots {
  const empty = new Uint16Array(map.slots.length).fill(NOBODY);
  return { family, table: TABLE, set: map.name, verdict: map.verdict ?? 'goto', ...compare(empty, map) };
}

type Slots = Pick<MovedSlots, 'less' | 'more'>;

/** What became of a map's slots, and what they were compared to. */
interface Compared extends Slots {
  readonly from: Uint16Array;
  /** Where the first of its targets leads: maps of the same slots may lead to other chains of the same servers. */
  readonly first: string | undefined;
}

function movedSlots(
  family: Table['family'],
  was: SlotMap | undefined,
  map: SlotMap,
  known: Map<Uint16Array, Compared>,
): MovedSlots[] {
  if (!was || was.slots === map.slots) return [];
  // Both tables have the map of slot to server, with the same numbers and chains of the same names.
  const [first] = map.targets;
  const same = known.get(map.slots);
  const isSame = same?.from === was.slots && same.first === first;
  const { less, more } = isSame ? same : compare(was.slots, map);
  if (!same) known.set(map.slots, { from: was.slots, first, less, more });
  if (less.length + more.length === 0) return [];
  return [{ family, table: TABLE, set: map.name, verdict: map.verdict ?? 'goto', less, more }];
}

function compare(from: Uint16Array, { slots, targets }: SlotMap): Slots {
  const less: number[] = [];
  const more: [number, string][] = [];
  for (const slot of differingSlots(from, slots)) {
    const is = slots[slot];
    if (from[slot] !== NOBODY) less.push(slot);
    const chain = targets[is ?? NOBODY];
    if (chain !== undefined) more.push([slot, chain]);
  }
  return { less, more };
}

/** By its name, which most likely stands where it stood. */
function named<T extends { readonly name: string }>(list: readonly T[], name: string, index: number): T | undefined {
  return list[index]?.name === name ? list[index] : list.find((entry) => entry.name === name);
}
