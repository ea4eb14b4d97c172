import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { permutationOf, fillPositions, hashName, logarithm, waitingTimes } from '../../src/allocation/preference.ts';
import { ceiling } from '../../src/allocation/quota.ts';
import { allocate, allocateBase, allocateInSlices, NOBODY, refill } from '../../src/allocation/table.ts';
import type { Member } from '../../src/allocation/table.ts';
import { Random } from './support/random.ts';

const nobody: ReadonlySet<string> = new Set();
const servers = (count: number, weight = 1): Member[] =>
  Array.from({ length: count }, (_, index) => ({ name: `srv${index + 1}`, weight }));

/** Name of the member that has each slot; `undefined` where nobody has it. */
const names = (members: readonly Member[], table: Uint16Array): (string | undefined)[] =>
  [...table].map((index) => members[index]?.name);

const count = (members: readonly Member[], table: Uint16Array): number[] =>
  members.map((_, index) => table.filter((at) => at === index).length);

test('equal servers have equal shares', () => {
  assert.equal(count(servers(4), allocate(servers(4), nobody, 4096, 1)), [1024, 1024, 1024, 1024]);
  assert.equal(count(servers(1), allocate(servers(1), nobody, 256, 1)), [256]);
});

test('shares go by weight; weight 0 has none', () => {
  const members = [
    { name: 'a', weight: 100 },
    { name: 'b', weight: 300 },
    { name: 'c', weight: 0 },
  ];
  assert.equal(count(members, allocate(members, nobody, 1024, 7)), [256, 768, 0]);
});

test('where nobody is left, nobody has a slot', () => {
  const everybody = new Set(['srv1', 'srv2']);
  const tables = [
    allocate([], nobody, 256, 1),
    allocate(servers(2, 0), nobody, 256, 1),
    allocate(servers(2), everybody, 256, 1),
    allocate([...servers(2), { name: 'drained', weight: 0 }], everybody, 256, 1),
  ];
  for (const table of tables) {
    assert.is(table.length, 256);
    assert.ok(table.every((entry) => entry === NOBODY));
  }
});

test('sizes are powers of two from 256 to 4096', () => {
  for (const slots of [256, 512, 1024, 2048, 4096]) {
    assert.is(allocate(servers(3), nobody, slots, 1).length, slots);
  }
  for (const slots of [0, 128, 1000, 8192, 4096.5]) {
    assert.throws(() => allocate(servers(3), nobody, slots, 1), /power of two/);
  }
});

test('the table is spread: neighbouring slots have independent owners', () => {
  const table = allocate(servers(4), nobody, 4096, 3);
  const same = table.filter((entry, slot) => entry === table[(slot + 1) % 4096]).length;
  // 1024 expected; the standard deviation is 28.
  assert.ok(same > 880 && same < 1170, `${same} slots have the owner of the next one`);
});

test('another seed is another table', () => {
  const one = allocate(servers(4), nobody, 4096, 1);
  const other = allocate(servers(4), nobody, 4096, 2);
  const same = one.filter((entry, slot) => entry === other[slot]).length;
  assert.ok(same > 880 && same < 1170, `${same} slots are the same`);
});

/** Members with random names and weights, and some of them down. */
const situation = fc.record({
  members: fc.uniqueArray(
    fc.record({ name: fc.stringMatching(/^[a-z0-9_]{1,12}$/), weight: fc.integer({ min: 0, max: 1000 }) }),
    { minLength: 1, maxLength: 24, selector: ({ name }) => name },
  ),
  down: fc.array(fc.nat({ max: 23 }), { maxLength: 8 }),
  slots: fc.constantFrom(256, 512, 1024),
  seed: fc.integer({ min: 0, max: 0xffff_ffff }),
});

test('neither the order of members nor that of failures matters', () => {
  const random = new Random(1);
  fc.assert(
    fc.property(situation, ({ members, down, slots, seed }) => {
      const gone = down.map((index) => members[index % members.length]?.name ?? '');
      const shuffled = random.shuffle(members);
      const one = names(members, allocate(members, new Set(gone), slots, seed));
      const other = names(shuffled, allocate(shuffled, new Set(random.shuffle(gone)), slots, seed));
      assert.equal(one, other);
    }),
    { numRuns: 40 },
  );
});

test('nobody who is down or drained has a slot, everybody else at most 1 % or a slot more than its due', () => {
  fc.assert(
    fc.property(situation, ({ members, down, slots, seed }) => {
      const gone = new Set(down.map((index) => members[index % members.length]?.name ?? ''));
      const weight = ({ name, weight }: Member): number => (gone.has(name) ? 0 : weight);
      const total = members.reduce((sum, member) => sum + weight(member), 0);
      fc.pre(total > 0);
      const counts = count(members, allocate(members, gone, slots, seed));
      for (const [index, member] of members.entries()) {
        const due = (slots * weight(member)) / total;
        const has = counts[index] ?? 0;
        assert.ok(has <= ceiling(weight(member), total, slots), `${has} slots of ${due}`);
        if (gone.size <= 1) assert.ok(has < due + 1, `${has} slots of ${due}`);
      }
      assert.is(
        counts.reduce((sum, number) => sum + number, 0),
        slots,
      );
    }),
    { numRuns: 40 },
  );
});

test('who is down inherits nothing, even where it has no slots to lose', () => {
  const members = [
    { name: 'big', weight: 512 },
    { name: 'tiny', weight: 1 },
    { name: 'small', weight: 1 },
  ];
  assert.equal(count(members, allocate(members, nobody, 256, 0)), [256, 0, 0]);
  for (const [one, counts] of [
    ['tiny', [0, 0, 256]],
    ['small', [0, 256, 0]],
  ] as const) {
    assert.equal(count(members, allocate(members, new Set(['big', one]), 256, 0)), counts);
  }
});

test('one failure moves the slots of the server that failed and no others; the return undoes exactly that', () => {
  fc.assert(
    fc.property(situation, fc.nat(), ({ members, slots, seed }, pick) => {
      const { name, weight } = members[pick % members.length] ?? { name: '', weight: 0 };
      fc.pre(weight > 0 && members.some((member) => member.name !== name && member.weight > 0));
      const base = allocateBase(members, slots, seed);
      const before = names(members, refill(base, nobody));
      const after = names(members, refill(base, new Set([name])));
      for (const [slot, owner] of before.entries()) {
        assert.ok(owner === name ? after[slot] !== name : after[slot] === owner);
      }
      assert.equal(names(members, refill(base, nobody)), before);
    }),
    { numRuns: 40 },
  );
});

test('what has failed before leaves no trace', () => {
  fc.assert(
    fc.property(situation, ({ members, down, slots, seed }) => {
      const base = allocateBase(members, slots, seed);
      const gone = new Set<string>();
      for (const index of down) {
        const name = members[index % members.length]?.name ?? '';
        if (!gone.delete(name)) gone.add(name);
        assert.equal(refill(base, gone), allocate(members, gone, slots, seed));
      }
    }),
    { numRuns: 15 },
  );
});

test('the table in slices is the table', () => {
  const members = servers(40);
  const down = new Set(['srv3', 'srv17']);
  const work = allocateInSlices(members, down, 4096, 9);
  let slices = 1;
  let step = work.next();
  for (; !step.done; slices++) step = work.next();
  assert.equal(step.value, allocate(members, down, 4096, 9));
  assert.ok(slices > 10, `${slices} slices`);
});

test('no server and slot would rather have each other than what they have', () => {
  const slots = 256;
  const members = [...servers(9, 10), { name: 'big', weight: 70 }];
  const seed = 5;
  const table = allocate(members, nobody, slots, seed);
  const times = waitingTimes(slots);
  const every = Uint16Array.from({ length: slots }, (_, slot) => slot);
  const worth = members.map(({ name, weight }) => {
    const positions = new Uint16Array(slots);
    fillPositions(permutationOf(hashName(name, seed), 8), every, positions);
    return [...positions].map((position) => logarithm(weight) - (times[position] ?? 0));
  });
  for (const [index] of members.entries()) {
    const mine = worth[index] ?? [];
    const least = Math.min(...mine.filter((_, slot) => table[slot] === index));
    for (const [slot, value] of mine.entries()) {
      const owners = worth[table[slot] ?? 0]?.[slot] ?? 0;
      assert.ok(table[slot] === index || value <= least || value <= owners, `slot ${slot} and server ${index}`);
    }
  }
});

/** FNV-1a of a table, entry by entry. */
const digest = (table: Uint16Array): string =>
  table.reduce((hash, entry) => Math.imul(hash ^ entry, 0x01000193) >>> 0, 0x811c9dc5).toString(16);

test('tables are those of every box and every release: a change here moves clients on upgrade', () => {
  const mixed = Array.from({ length: 50 }, (_, index) => ({ name: `web${index}`, weight: 1 + ((index * 389) % 1000) }));
  const down = new Set(['web4', 'web7', 'web31']);
  assert.equal(
    [
      digest(allocate(servers(4), nobody, 4096, 1)),
      digest(allocate(servers(4), new Set(['srv2']), 4096, 1)),
      digest(allocate(mixed, nobody, 4096, 0xffff_ffff)),
      digest(allocate(mixed, down, 4096, 0xffff_ffff)),
      digest(allocate(mixed, down, 256, 77)),
    ],
    ['8c998e43', '66fbfad4', 'ec7d178', 'eef46260', '1444313d'],
  );
});

test.run();
