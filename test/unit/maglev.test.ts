import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Member } from '../../src/allocation/table.ts';
import { maglev, modulo } from '../bench/maglev.ts';

// The benchmark's peers have to be what they are called, or its figures say nothing.

const size = 4093;
const servers = (weights: readonly number[]): Member[] =>
  weights.map((weight, index) => ({ name: `server${index + 1}`, weight }));
const counts = (table: Uint16Array, members: readonly Member[]): number[] =>
  members.map((_, index) => table.filter((entry) => entry === index).length);

test('maglev: every entry has a server, and with equal weights nobody has two more than another', () => {
  for (const number of [2, 3, 7, 64, 256]) {
    const members = servers(Array.from({ length: number }, () => 100));
    const held = counts(maglev(members, size), members);
    assert.is(
      held.reduce((sum, count) => sum + count, 0),
      size,
    );
    assert.ok(Math.max(...held) - Math.min(...held) <= 1);
  }
});

test('maglev: shares are as weights are', () => {
  const members = servers([10, 20, 30, 0, 40]);
  const held = counts(maglev(members, size), members);
  held.forEach((count, index) => {
    assert.ok(Math.abs(count - (size * (members[index]?.weight ?? 0)) / 100) <= 2, `${count} of server${index + 1}`);
  });
});

test('maglev: a server that leaves moves little beyond its own entries, as the paper says', () => {
  const members = servers(Array.from({ length: 16 }, () => 100));
  const without = members.map((member, index) => (index === 5 ? { ...member, weight: 0 } : member));
  const [before, after] = [maglev(members, size), maglev(without, size)];
  const others = before.filter((entry, place) => entry !== 5 && after[place] !== entry).length;
  assert.ok(others > 0 && others < 0.03 * size, `${others} entries of others`);
});

test('modulo: shares are as weights are', () => {
  const members = servers([1, 2, 3]);
  assert.equal(counts(modulo(members, 600), members), [100, 200, 300]);
});

test.run();
