import { NOBODY } from '../allocation/table.ts';
import type { Ruleset, SetObject, SlotMap, Table } from '../ruleset/ruleset.ts';

// A change of who is a member, or the first change of a transition, needs new chains and sets, and moves hundreds of elements.
// libnftables is slow with elements, and netlink by hand has nothing but elements. So one after the other: objects and rules
// first, for which nothing has moved yet; then all that moves, at once; then what nobody uses any more goes.

/** What the kernel holds on its way from one ruleset to another. */
export interface Stages {
  /** All objects of both, and the rules of the new one; what a slot leads to is as it was, and no new set has elements. */
  readonly prepared: Ruleset;
  /** The same with all that moves moved. */
  readonly moved: Ruleset;
}

/**
 * The stages between two rulesets that differ in who has which slots, who is a member, and what is recorded: for other
 * changes the rules of one and the maps of the other do not go together. `undefined` where there are none: a map goes while
 * another one comes, so that rules would look into one that is empty.
 */
export function stagesBetween(before: Ruleset, after: Ruleset): Stages | undefined {
  const pairs = after.tables.map(
    (table) => [before.tables.find(({ family }) => family === table.family), table] as const,
  );
  const prepared: Table[] = [];
  const moved: Table[] = [];
  for (const [was, wanted] of pairs) {
    if (!was || !canBeStaged(was, wanted)) return undefined;
    prepared.push(prepare(was, wanted));
    moved.push(finish(was, wanted));
  }
  return before.tables.length === pairs.length
    ? { prepared: { tables: prepared }, moved: { tables: moved } }
    : undefined;
}

function canBeStaged(was: Table, { slotMaps, chains }: Table): boolean {
  const [old, wanted] = [names(was.slotMaps), names(slotMaps)];
  const onlyGrows = [...old].every((name) => wanted.has(name));
  const onlyShrinks = [...wanted].every((name) => old.has(name));
  // Slots of a map that decides without asking anybody else must never be without their elements.
  const isFilled = slotMaps.every(({ name, verdict }) => verdict === 'jump' || old.has(name));
  const hooks = (table: readonly { readonly name: string; readonly hook?: unknown }[]) =>
    JSON.stringify(table.filter(({ hook }) => hook));
  return (onlyGrows || onlyShrinks) && isFilled && hooks(was.chains) === hooks(chains);
}

function prepare(was: Table, wanted: Table): Table {
  const old = new Map(was.slotMaps.map((map) => [map.name, map]));
  const oldSets = new Map(was.sets.map((set) => [set.name, set]));
  return {
    ...finish(was, wanted),
    sets: [...wanted.sets.map((set) => notYetEmptied(set, oldSets.get(set.name))), ...gone(was.sets, wanted.sets)],
    slotMaps: [
      ...wanted.slotMaps.map((map) => leadingWhereItDid(old.get(map.name), map)),
      ...gone(was.slotMaps, wanted.slotMaps),
    ],
  };
}

function finish(was: Table, wanted: Table): Table {
  return {
    family: wanted.family,
    chains: [...wanted.chains, ...gone(was.chains, wanted.chains)],
    sets: [...wanted.sets, ...gone(was.sets, wanted.sets)],
    slotMaps: [...wanted.slotMaps, ...gone(was.slotMaps, wanted.slotMaps)],
    counters: [...new Set([...wanted.counters, ...was.counters])],
  };
}

function notYetEmptied(set: SetObject, old: SetObject | undefined): SetObject {
  return old?.emptied === undefined ? set : { ...set, emptied: old.emptied };
}

/** The new map with the slots of the old one: first its own targets, then those that only the old one has. */
function leadingWhereItDid(old: SlotMap | undefined, map: SlotMap): SlotMap {
  if (!old) return { ...map, slots: new Uint16Array(map.slots.length).fill(NOBODY) };
  const targets = [...map.targets, ...old.targets.filter((target) => !map.targets.includes(target))];
  const places = old.targets.map((target) => targets.indexOf(target));
  return { ...map, targets, slots: old.slots.map((place) => places[place] ?? NOBODY) };
}

function gone<T extends { readonly name: string }>(was: readonly T[], wanted: readonly T[]): T[] {
  const kept = names(wanted);
  return was.filter(({ name }) => !kept.has(name));
}

function names(list: readonly { readonly name: string }[]): Set<string> {
  return new Set(list.map(({ name }) => name));
}
