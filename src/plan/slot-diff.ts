import type { SlotMap } from '../ruleset/ruleset.ts';

/** Elements of a slot map that go and come, as JSON texts, and the moves in words. */
export interface SlotMoves {
  readonly less: readonly string[];
  readonly more: readonly string[];
  /** `1024 slots move: web1 → web2 512, …`; empty where none does. */
  readonly summary: string;
}

/** Moves that the summary names; further ones are only counted. */
const NAMED_MOVES = 6;

/** The slots that lead elsewhere than before. */
export function diffSlotMap(before: SlotMap | undefined, after: SlotMap): SlotMoves {
  const less: string[] = [];
  const more: string[] = [];
  const moves = new Map<string, number>();
  let moved = 0;
  for (let slot = 0; slot < Math.max(before?.slots.length ?? 0, after.slots.length); slot++) {
    const old = targetOf(before, slot);
    const wanted = targetOf(after, slot);
    if (old === wanted) continue;
    moved++;
    if (old !== undefined) less.push(element(slot, old));
    if (wanted !== undefined) more.push(element(slot, wanted));
    const move = before ? `${shortName(old)} → ${shortName(wanted)}` : shortName(wanted);
    moves.set(move, (moves.get(move) ?? 0) + 1);
  }
  return { less, more, summary: moved === 0 ? '' : describe(moved, moves, before !== undefined) };
}

function describe(moved: number, moves: ReadonlyMap<string, number>, known: boolean): string {
  const sorted = [...moves].sort((a, b) => b[1] - a[1]);
  const named = sorted.slice(0, NAMED_MOVES).map(([move, count]) => `${move} ${count}`);
  const others = sorted.length > NAMED_MOVES ? `, and ${sorted.length - NAMED_MOVES} more` : '';
  const slots = moved === 1 ? `1 slot${known ? ' moves' : ''}` : `${moved} slots${known ? ' move' : ''}`;
  return `${slots}: ${named.join(', ')}${others}`;
}

function targetOf(map: SlotMap | undefined, slot: number): string | undefined {
  return map?.targets[map.slots[slot] ?? map.targets.length];
}

/** `web1` of `web/to/web1`. */
function shortName(chain: string | undefined): string {
  return chain === undefined ? 'nobody' : chain.slice(chain.lastIndexOf('/') + 1);
}

function element(slot: number, chain: string): string {
  return `[${slot},{"goto":{"target":"${chain}"}}]`;
}
