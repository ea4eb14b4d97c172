import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { diffSlotMap } from '../../src/plan/slot-diff.ts';
import type { SlotMoves } from '../../src/plan/slot-diff.ts';
import type { SlotMap } from '../../src/ruleset/ruleset.ts';

function map(slots: readonly number[], ...servers: string[]): SlotMap {
  return { name: 'web/slot', slots: Uint16Array.from(slots), targets: servers.map((name) => `web/to/${name}`) };
}

/** Elements as the kernel holds them: slot → chain. */
function elementsOf({ slots, targets }: SlotMap): Map<number, string> {
  return new Map([...slots].flatMap((owner, slot) => (targets[owner] === undefined ? [] : [[slot, targets[owner]]])));
}

function parse(texts: string): [number, string][] {
  const elements = JSON.parse(`[${texts}]`) as [number, { goto: { target: string } }][];
  return elements.map(([slot, verdict]) => [slot, verdict.goto.target]);
}

/** What the kernel holds after a change; it accepts neither a deletion of what is not there nor an addition of what is. */
function apply(elements: Map<number, string>, { less, more }: SlotMoves): Map<number, string> {
  const held = new Map(elements);
  for (const [slot, target] of parse(less)) {
    assert.is(held.get(slot), target);
    held.delete(slot);
  }
  for (const [slot, target] of parse(more)) {
    assert.not(held.has(slot));
    held.set(slot, target);
  }
  return held;
}

const maps = fc
  .record({
    servers: fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'quote"d'), { maxLength: 5 }),
    picks: fc.array(fc.nat({ max: 5 }), { maxLength: 16 }),
  })
  .map(({ servers, picks }) =>
    map(
      picks.map((pick) => (pick < servers.length ? pick : 0xffff)),
      ...servers,
    ),
  );

test('from any map to any other, whatever the order of servers: the kernel ends with the wanted one', () => {
  fc.assert(
    fc.property(fc.option(maps, { nil: undefined }), maps, (before, after) => {
      const moves = diffSlotMap(before, after);
      const held = apply(before ? elementsOf(before) : new Map(), moves);
      assert.equal([...held].sort(), [...elementsOf(after)].sort());
      assert.is(moves.summary === '', moves.less === '' && moves.more === '');
    }),
  );
});

test('a map that has stayed, or was computed again, does not change', () => {
  const before = map([0, 1, 0, 1], 'a', 'b');
  const none = { less: '', more: '', summary: '' };
  assert.equal(diffSlotMap(before, before), none);
  assert.equal(diffSlotMap(before, { ...before }), none);
  assert.equal(diffSlotMap(before, map([0, 1, 0, 1], 'a', 'b')), none);
  assert.equal(diffSlotMap(before, map([1, 0, 1, 0], 'b', 'a')), none, 'servers in another order');
  assert.equal(diffSlotMap(before, map([0, 1, 0, 1], 'a', 'b', 'c')), none, 'one more that has no slot');
});

test('the same numbers for other servers are moves', () => {
  const before = map([0, 1, 0, 0xffff], 'a', 'b');
  const after = { ...before, targets: ['web/to/c', 'web/to/b'] };
  assert.equal(diffSlotMap(before, after), {
    less: '[0,{"goto":{"target":"web/to/a"}}],[2,{"goto":{"target":"web/to/a"}}]',
    more: '[0,{"goto":{"target":"web/to/c"}}],[2,{"goto":{"target":"web/to/c"}}]',
    summary: '2 slots move: a → c 2',
  });
});

test('the moves in words: most first, the rare ones counted', () => {
  assert.is(diffSlotMap(undefined, map([0, 1, 0], 'a', 'b')).summary, '3 slots: a 2, b 1');
  assert.is(diffSlotMap(map([0], 'a'), map([0], 'b')).summary, '1 slot moves: a → b 1');
  assert.is(diffSlotMap(map([0, 0], 'a'), map([0xffff, 0], 'a')).summary, '1 slot moves: a → nobody 1');
  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
  const many = diffSlotMap(map([8, 8, 8, 8, 8, 8, 8, 8], ...names, 'z'), map([0, 1, 2, 3, 4, 5, 6, 7], ...names, 'z'));
  assert.match(many.summary, /^8 slots move: z → a 1, .*, z → f 1, and 2 more$/);
});

test.run();
