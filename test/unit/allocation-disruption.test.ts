import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { allocateBase, refill } from '../../src/allocation/table.ts';
import type { Member } from '../../src/allocation/table.ts';
import { Random } from './support/random.ts';

// Random histories of failures, returns and changes of the configuration, and the worst that was seen of each. What a change
// needs is counted by fair shares: the sum of what shares grow by. The rest of the slots that move is beyond the need.

const SLOTS = 4096;
const full = (globalThis as { ONEIP_FULL?: boolean }).ONEIP_FULL === true;
const ROUNDS = full ? 5 : 1;
const SIZES = full
  ? [2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 24, 32, 48, 64, 75, 100, 128, 150, 180, 200, 230, 255]
  : [2, 3, 5, 8, 16, 33, 64, 100, 180, 255];
/** So many servers down at once are more than a router is likely to see; beyond, more may move. */
const SEVERAL = 4;

interface Mix {
  readonly title: string;
  readonly weight: (random: Random) => number;
}
const mixes: readonly Mix[] = [
  { title: 'equal weights', weight: () => 1 },
  { title: 'weights 1–1000', weight: (random) => 1 + random.below(1000) },
  { title: 'a few heavy ones', weight: (random) => (random.below(10) === 0 ? 1000 : 1 + random.below(20)) },
];

const shares = (members: readonly Member[], down: ReadonlySet<string>): Map<string, number> => {
  const live = members.filter(({ name }) => !down.has(name));
  const total = live.reduce((sum, { weight }) => sum + weight, 0);
  return new Map(live.map(({ name, weight }) => [name, total > 0 ? (SLOTS * weight) / total : 0]));
};

const need = (before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): number =>
  [...after].reduce((sum, [name, share]) => sum + Math.max(0, share - (before.get(name) ?? 0)), 0);

/** Slots that have other owners, by name. */
const moved = (one: readonly Member[], before: Uint16Array, other: readonly Member[], after: Uint16Array): number =>
  before.filter((entry, slot) => one[entry]?.name !== other[after[slot] ?? 0]?.name).length;

class Worst {
  above = 0;
  ratio = 1;
  first = 0;
  further = 0;
  deep = 0;
  change = 0;

  /** Takes the slots above the fair share, and the largest share over the fair one where that is more than a slot. */
  balance(members: readonly Member[], table: Uint16Array, down: ReadonlySet<string>): void {
    const counts = new Uint32Array(members.length);
    for (const entry of table) counts[entry] = (counts[entry] ?? 0) + 1;
    const fair = shares(members, down);
    members.forEach(({ name }, index) => {
      const has = counts[index] ?? 0;
      const due = fair.get(name);
      assert.ok(due !== undefined || has === 0, `${name} is down and has ${has} slots`);
      this.above = Math.max(this.above, has - (due ?? 0));
      if (due !== undefined && due >= 100) this.ratio = Math.max(this.ratio, has / due);
    });
  }
}

const percent = (slots: number): string => `${((slots / SLOTS) * 100).toFixed(2)} %`;

for (const { title, weight } of mixes) {
  test(`little moves beyond the need: ${title}`, () => {
    const random = new Random(20);
    const all = new Worst();
    for (const size of SIZES) {
      const worst = new Worst();
      for (let round = 0; round < ROUNDS; round++) history(random, size, weight, worst);
      if (full) console.log(`\n#   ${size} servers: ${describe(worst)}`);
      for (const key of ['above', 'ratio', 'first', 'further', 'deep', 'change'] as const) {
        all[key] = Math.max(all[key], worst[key]);
      }
    }
    console.log(`\n# ${title}: ${describe(all)}`);
    assert.ok(all.above < 1 + 1e-9, 'nobody is above its fair share by more than one slot');
    assert.ok(all.ratio <= 1.01, 'nor by more than 1 % where its share is 100 slots or more');
    assert.is(all.first, 0, 'the first failure moves nothing but what it has to');
    assert.ok(all.further <= 0.01 * SLOTS, 'further failures move at most 1 % more');
    assert.ok(all.deep <= 0.03 * SLOTS, 'even with many servers down');
    assert.ok(all.change <= 0.025 * SLOTS, 'a change of the configuration moves at most 2.5 % more');
  });
}

function describe({ above, ratio, first, further, deep, change }: Worst): string {
  return (
    `at most ${above.toFixed(2)} slots above the fair share (× ${ratio.toFixed(4)}); beyond the need moved ` +
    `${first} slots by a first failure, ${percent(further)} by a further one (${percent(deep)} with more than ` +
    `${SEVERAL} down), ${percent(change)} by a change of servers`
  );
}

function history(random: Random, size: number, weight: Mix['weight'], worst: Worst): void {
  const seed = random.word();
  const fresh = (): Member => ({ name: `srv${random.word().toString(36)}`, weight: weight(random) });
  let members = Array.from({ length: size }, fresh);
  let base = allocateBase(members, SLOTS, seed);
  let table = refill(base, new Set());
  worst.balance(members, table, new Set());

  const down = new Set<string>();
  const most = Math.min(size - 1, full ? 40 : 8);
  for (const { name } of random.shuffle(members).slice(0, most)) {
    const lost = table.filter((entry) => members[entry]?.name === name).length;
    down.add(name);
    const next = refill(base, down);
    const extra = moved(members, table, members, next) - lost;
    const kind = down.size === 1 ? 'first' : down.size <= SEVERAL ? 'further' : 'deep';
    worst[kind] = Math.max(worst[kind], extra);
    worst.balance(members, next, down);
    table = next;
  }

  table = refill(base, new Set());
  for (const change of ['add', 'remove', 'weight'] as const) {
    const at = random.below(members.length);
    const next =
      change === 'add'
        ? [...members, fresh()]
        : members.flatMap((member, index) =>
            index !== at ? [member] : change === 'weight' ? [{ ...member, weight: weight(random) }] : [],
          );
    base = allocateBase(next, SLOTS, seed);
    const after = refill(base, new Set());
    worst.balance(next, after, new Set());
    const extra = moved(members, table, next, after) - need(shares(members, new Set()), shares(next, new Set()));
    worst.change = Math.max(worst.change, extra);
    members = next;
    table = after;
  }
}

test.run();
