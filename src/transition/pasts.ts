import { differingSlots, isSameTable } from '../allocation/difference.ts';
import { NOBODY } from '../allocation/table.ts';
import { historyOf, isSettled } from './past.ts';
import type { Past } from './past.ts';
import type { SlotHistory, SlotTransition } from './transition.ts';

/**
 * The pasts of the slots of one table. Each past is held once, in the order of the first slot that has it, so that two are
 * the same if and only if their parts are.
 */
export interface Pasts {
  readonly list: readonly Past[];
  /** Slot → index into `list`, or `NOBODY`: in no transition. */
  readonly slots: Uint16Array;
  /** Slots that are in transition, ascending. */
  readonly moved: Uint16Array;
  /** The same for the ruleset. */
  readonly view: SlotTransition;
}

/** The owners of the slots before and after a change, by name; `undefined` = nobody. */
export interface Owners {
  readonly table: Uint16Array;
  readonly names: readonly string[];
}

/** What becomes of a slot; `undefined`: it is in no transition. `from` and `to` are the same where it did not move. */
export type Digest = (past: Past | undefined, from: string, to: string) => Past | undefined;

/** The pasts after a change of owners; the same object where nothing has become of any slot. */
export function digestMoves(
  pasts: Pasts | undefined,
  before: Owners,
  after: Owners,
  digest: Digest,
): Pasts | undefined {
  const known = new Map<number, Past | undefined>();
  const isSameOrder = before.names.every((name, index) => name === after.names[index]);
  // Nearly all slots are not concerned, and who waits for a dead server's to move waits for this.
  const concerned = isSameOrder
    ? union(differingSlots(before.table, after.table), pasts?.moved ?? [])
    : after.table.keys();
  return collect(pasts, after.table.length, concerned, (slot) => {
    const from = before.table[slot] ?? NOBODY;
    const to = after.table[slot] ?? NOBODY;
    const old = pasts?.slots[slot] ?? NOBODY;
    const key = (old * 0x10000 + from) * 0x10000 + to;
    if (known.has(key)) return known.get(key);
    const [fromName, toName] = [before.names[from], after.names[to]];
    const past = pasts?.list[old];
    // A slot that nobody had has no connections, and where nobody has it they have nowhere to go.
    const next = fromName === undefined || toName === undefined ? undefined : digest(past, fromName, toName);
    const kept = next && isSettled(next) ? undefined : next;
    known.set(key, kept);
    return kept;
  });
}

/** The pasts once each has been looked at, without a move; the same object where nothing has become of any slot. */
export function revise(pasts: Pasts, change: (past: Past) => Past): Pasts | undefined {
  const next = pasts.list.map(change);
  if (next.every((past, index) => past === pasts.list[index])) return pasts;
  const kept = next.map((past) => (isSettled(past) ? undefined : past));
  return collect(pasts, pasts.slots.length, pasts.moved, (slot) => kept[pasts.slots[slot] ?? NOBODY]);
}

/** True where two say the same. */
export function samePasts(one: Pasts, other: Pasts): boolean {
  return one === other || (sameTexts(one.list, other.list) && isSameTable(one.slots, other.slots));
}

function collect(
  before: Pasts | undefined,
  length: number,
  /** Ascending; the others are in no transition. */
  concerned: Iterable<number>,
  pastOf: (slot: number) => Past | undefined,
): Pasts | undefined {
  const pasts = new Register<Past>();
  const slots = new Uint16Array(length).fill(NOBODY);
  const moved: number[] = [];
  for (const slot of concerned) {
    const past = pastOf(slot);
    if (!past) continue;
    slots[slot] = pasts.indexOf(past);
    moved.push(slot);
  }
  if (moved.length === 0) return undefined;
  if (before && sameTexts(before.list, pasts.list) && isSameTable(before.slots, slots)) return before;
  const next = { list: pasts.list, slots, moved: Uint16Array.from(moved) };
  return { ...next, view: viewOf(next, before?.view) };
}

/** The histories without their clocks: several pasts may be one history. */
function viewOf({ list, slots, moved }: Omit<Pasts, 'view'>, before: SlotTransition | undefined): SlotTransition {
  const histories = new Register<SlotHistory>();
  const indexes = list.map((past) => histories.indexOf(historyOf(past)));
  const view = { histories: histories.list, slots: new Uint16Array(slots.length).fill(NOBODY) };
  for (const slot of moved) view.slots[slot] = indexes[slots[slot] ?? NOBODY] ?? NOBODY;
  const isSame = before && sameTexts(before.histories, view.histories) && isSameTable(before.slots, view.slots);
  return isSame ? before : view;
}

/** Numbers of either list, ascending. */
function union(one: readonly number[], other: Iterable<number>): Uint16Array {
  return Uint16Array.from(new Set([...one, ...other])).sort();
}

/** Values that are told apart by what they say, each with a number. */
class Register<T> {
  readonly list: T[] = [];
  readonly #indexes = new Map<string, number>();
  readonly #known = new Map<T, number>();

  indexOf(value: T): number {
    const known = this.#known.get(value);
    if (known !== undefined) return known;
    const text = JSON.stringify(value);
    let index = this.#indexes.get(text);
    if (index === undefined) {
      index = this.list.push(value) - 1;
      this.#indexes.set(text, index);
    }
    this.#known.set(value, index);
    return index;
  }
}

function sameTexts(one: readonly unknown[], other: readonly unknown[]): boolean {
  return one.length === other.length && JSON.stringify(one) === JSON.stringify(other);
}
