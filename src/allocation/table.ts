import type { Field } from './field.ts';
import { inherit } from './inherit.ts';
import { hashName, logarithm, permutationOf, waitingTimes } from './preference.ts';
import { apportion, roomToInherit, sharesOfOne } from './quota.ts';
import { settle } from './settle.ts';
import { shareOut } from './share-out.ts';

/** A server as the allocation table sees it. Names are unique. */
export interface Member {
  readonly name: string;
  /** 0–65535; 0 = no slots. Only its proportion to the others' counts. */
  readonly weight: number;
}

/** Entry of a slot that nobody has. */
export const NOBODY = 0xffff;

/** The table with everybody up, and what refilling the slots of those that are down needs. */
export interface Base {
  readonly members: readonly Member[];
  readonly field: Field;
  /** Index into `members` of each server of the field. */
  readonly indexes: Uint16Array;
  /** Server of the field that has each slot; empty where nobody has a weight. */
  readonly owner: Uint16Array;
  /** Number of slots of each server. */
  readonly held: Uint16Array;
  /** The slots of each server, ascending. */
  readonly slotsOf: readonly Uint16Array[];
  /** Heirs of a server that is down alone, kept once computed. */
  readonly soleHeirs: Map<number, Uint16Array>;
  /** First heirs of a server that is down with others, kept once computed. */
  readonly firstHeirs: Map<number, Uint16Array>;
}

/**
 * The allocation table: for each slot the index of the member that has it, or `NOBODY`.
 *
 * It depends on the arguments and nothing else, by name: neither the order of members nor the order of events matters, and
 * every router computes the same. A member that is down gives away its own slots and no other moves; while several are
 * down, a few slots of theirs may move when one more goes or comes. With one down at most, nobody is above its fair share by
 * a whole slot; with several, nobody is above it by more than 1 %, or one slot, if that is more.
 *
 * @param slots power of two, 256–4096
 * @param seed 0–4294967295; another seed is another table
 */
export function allocate(
  members: readonly Member[],
  down: ReadonlySet<string>,
  slots: number,
  seed: number,
): Uint16Array {
  return finish(allocateInSlices(members, down, slots, seed));
}

/** `allocate` that lets others work between slices of a few milliseconds. */
export function* allocateInSlices(
  members: readonly Member[],
  down: ReadonlySet<string>,
  slots: number,
  seed: number,
): Generator<void, Uint16Array> {
  const base = yield* baseInSlices(members, slots, seed);
  return yield* refillInSlices(base, down);
}

/** The part of `allocate` that does not depend on who is down. */
export function allocateBase(members: readonly Member[], slots: number, seed: number): Base {
  return finish(baseInSlices(members, slots, seed));
}

/** The part of `allocate` that depends on who is down. */
export function refill(base: Base, down: ReadonlySet<string>): Uint16Array {
  return finish(refillInSlices(base, down));
}

/** `allocateBase` in slices. */
export function* baseInSlices(members: readonly Member[], slots: number, seed: number): Generator<void, Base> {
  const bits = Math.log2(slots);
  if (![8, 9, 10, 11, 12].includes(bits)) throw new RangeError(`slots: a power of two, 256–4096, not ${slots}`);
  const ranked = members
    .map(({ name, weight }, index) => ({ name, weight, index, hash: hashName(name, seed) }))
    .filter(({ weight }) => weight > 0)
    .sort((one, other) => one.hash - other.hash || (one.name < other.name ? -1 : 1));
  yield;
  const times = waitingTimes(slots);
  yield;
  const field: Field = {
    bits,
    weights: Uint16Array.from(ranked, ({ weight }) => weight),
    logarithms: Int32Array.from(ranked, ({ weight }) => logarithm(weight)),
    permutations: ranked.map(({ hash }) => permutationOf(hash, bits)),
    times,
  };
  yield;
  const indexes = Uint16Array.from(ranked, ({ index }) => index);
  const held = yield* apportion(field.weights, slots);
  const common = { members, field, indexes, held, soleHeirs: new Map(), firstHeirs: new Map() };
  if (ranked.length === 0) return { ...common, owner: new Uint16Array(), slotsOf: [] };

  yield;
  const owner = yield* settle(field, held);
  yield;
  return { ...common, owner, slotsOf: groupByOwner(owner, held) };
}

/** `refill` in slices. */
export function* refillInSlices(base: Base, down: ReadonlySet<string>): Generator<void, Uint16Array> {
  const { members, field, indexes, owner, slotsOf } = base;
  const isDown = Array.from(indexes, (index) => down.has(members[index]?.name ?? ''));
  const table = new Uint16Array(1 << field.bits).fill(NOBODY);
  if (isDown.every((gone) => gone)) return table;

  for (let slot = 0; slot < table.length; slot++) table[slot] = indexes[owner[slot] ?? 0] ?? NOBODY;
  const gone = [...isDown.keys()].filter((server) => isDown[server]);
  const [first] = gone;
  if (first === undefined) return table;
  yield;

  const heirs = gone.length === 1 ? yield* soleHeirsOf(base, first) : yield* heirsOfSeveral(base, isDown, gone);
  yield;
  let bidder = 0;
  for (const server of gone) {
    for (const slot of slotsOf[server] ?? []) table[slot] = indexes[heirs[bidder++] ?? 0] ?? NOBODY;
  }
  return table;
}

/** Who takes each slot of a server, in ascending order of slots, if it alone is down: so many that shares come out exact. */
function* soleHeirsOf(base: Base, server: number): Generator<void, Uint16Array> {
  const known = base.soleHeirs.get(server);
  if (known) return known;
  const slots = base.slotsOf[server] ?? new Uint16Array();
  const isDown = Array.from(base.held, (_, at) => at === server);
  const room = yield* roomToInherit(base.field.weights, base.held, isDown);
  const heirs = yield* inherit(base.field, { slots, room });
  base.soleHeirs.set(server, heirs);
  return heirs;
}

/**
 * Who is the first to take each slot of a server while others are down too: to each heir as its weight demands. Where there
 * are fewer slots than pairs of servers, most heirs are due less than a slot, and it is better that those stay who have taken
 * theirs when the server was down alone.
 */
function* firstHeirsOf(base: Base, server: number): Generator<void, Uint16Array> {
  const servers = base.held.length;
  if (servers * (servers - 1) > base.owner.length) return yield* soleHeirsOf(base, server);
  const known = base.firstHeirs.get(server);
  if (known) return known;
  const slots = base.slotsOf[server] ?? new Uint16Array();
  const heirs = yield* inherit(base.field, { slots, room: sharesOfOne(base.field.weights, server, slots.length) });
  base.firstHeirs.set(server, heirs);
  return heirs;
}

/** Who takes each slot of several servers that are down: its first heir, unless that is down too or has no room. */
function* heirsOfSeveral(
  base: Base,
  isDown: readonly boolean[],
  gone: readonly number[],
): Generator<void, Uint16Array> {
  const { field, held, slotsOf } = base;
  const heirs: number[] = [];
  const pool: number[] = [];
  for (const server of gone) {
    heirs.push(...(yield* firstHeirsOf(base, server)));
    pool.push(...(slotsOf[server] ?? []));
    yield;
  }
  const room = yield* roomToInherit(field.weights, held, isDown);
  return yield* shareOut(field, { slots: Uint16Array.from(pool), room, heirs: Uint16Array.from(heirs) });
}

function groupByOwner(owner: Uint16Array, held: Uint16Array): Uint16Array[] {
  const groups = Array.from(held, (number) => new Uint16Array(number));
  const filled = new Uint16Array(held.length);
  for (let slot = 0; slot < owner.length; slot++) {
    const server = owner[slot] ?? 0;
    const at = filled[server] ?? 0;
    const group = groups[server];
    if (group) group[at] = slot;
    filled[server] = at + 1;
  }
  return groups;
}

function finish<T>(slices: Generator<void, T>): T {
  for (;;) {
    const { done, value } = slices.next();
    if (done) return value;
  }
}
