import { NOBODY } from '../allocation/table.ts';
import type { SlotMap } from '../ruleset/ruleset.ts';

/** Elements of a slot map that go and come, and the moves in words. */
export interface SlotMoves {
  /** JSON texts with commas between them; empty where there are none. */
  readonly less: string;
  readonly more: string;
  /** `1024 slots move: web1 → web2 512, …`; empty where none does. */
  readonly summary: string;
}

/** Moves that the summary names; further ones are only counted. */
const NAMED_MOVES = 6;

/**
 * The slots that lead elsewhere than before. Elements are written straight into one text: a text each would take twice the
 * memory, an object each more than a megabyte.
 */
export function diffSlotMap(before: SlotMap | undefined, after: SlotMap): SlotMoves {
  if (before === after) return { less: '', more: '', summary: '' };
  const placeOf = new Map(after.targets.map((target, index) => [target, index]));
  const sameAs = before?.targets.map((target) => placeOf.get(target) ?? -1) ?? [];
  let less = '';
  let more = '';
  let moved = 0;
  // Tables of services that nobody has touched are kept from one reload to the next.
  const isSameOrder = sameAs.length > 0 && sameAs.every((place, index) => place === index);
  if (isSameOrder && before?.slots === after.slots) return { less, more, summary: '' };
  const old = endsOf(before);
  const wanted = endsOf(after);
  const moves = new Map<number, number>();
  const [was, is] = [before?.slots ?? new Uint16Array(), after.slots];
  const length = Math.max(was.length, is.length);
  for (let slot = 0; slot < length; slot++) {
    // Most slots stay, and who waits for a dead server's to move waits for this loop.
    if (isSameOrder && was[slot] === is[slot]) continue;
    const from = was[slot] ?? NOBODY;
    const to = is[slot] ?? NOBODY;
    const gone = old[from];
    const come = wanted[to];
    if (gone === undefined ? come === undefined : sameAs[from] === to) continue;
    moved++;
    if (gone !== undefined) less += `,[${slot}${gone}`;
    if (come !== undefined) more += `,[${slot}${come}`;
    const move = (from << 16) | to;
    moves.set(move, (moves.get(move) ?? 0) + 1);
  }
  const summary = moved === 0 ? '' : describe(moved, moves, before, after);
  return { less: less.slice(1), more: more.slice(1), summary };
}

/** What stands behind the slot's number in an element, by index into the targets. */
function endsOf(map: SlotMap | undefined): string[] {
  const verdict = map?.verdict ?? 'goto';
  return map?.targets.map((target) => `,{"${verdict}":{"target":${JSON.stringify(target)}}}]`) ?? [];
}

function describe(
  moved: number,
  moves: ReadonlyMap<number, number>,
  before: SlotMap | undefined,
  { targets, verdict }: SlotMap,
): string {
  const nobody = verdict === 'jump' ? 'settled' : 'nobody';
  const nameOf = (move: number) => {
    const to = shortName(targets[move & 0xffff], nobody);
    return before ? `${shortName(before.targets[move >>> 16], nobody)} → ${to}` : to;
  };
  const sorted = [...moves].sort((a, b) => b[1] - a[1]);
  const named = sorted.slice(0, NAMED_MOVES).map(([move, count]) => `${nameOf(move)} ${count}`);
  const others = sorted.length > NAMED_MOVES ? `, and ${sorted.length - NAMED_MOVES} more` : '';
  const slots = moved === 1 ? `1 slot${before ? ' moves' : ''}` : `${moved} slots${before ? ' move' : ''}`;
  return `${slots}: ${named.join(', ')}${others}`;
}

/** `web1` of `web/to/web1`, `web1-web2` of `web/moved/web1-web2`. */
function shortName(chain: string | undefined, nobody: string): string {
  return chain === undefined ? nobody : chain.split('/').slice(2).join('/');
}
