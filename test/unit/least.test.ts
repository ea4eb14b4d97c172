import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { NOBODY } from '../../src/allocation/table.ts';
import type { Service } from '../../src/config/model.ts';
import { liveQuestions } from '../../src/deployment/live-connections.ts';
import { slotTables } from '../../src/deployment/slot-tables.ts';
import { adjust, entriesOf } from '../../src/load/adjust.ts';
import { LARGEST_FACTOR, LEAST_FACTOR, nextFactors, sharesOf } from '../../src/load/least.ts';
import type { Candidate } from '../../src/load/least.ts';
import { Levels } from '../../src/load/levels.ts';
import type { LoadSource } from '../../src/load/levels.ts';
import { liveConnectionKey } from '../../src/netlink/conntrack.ts';
import { buildRuleset } from '../../src/ruleset/build.ts';
import { parseClient, simulate } from '../../src/simulate/simulate.ts';
import { address, deployment, service } from './support/deployments.ts';

const weight = fc.integer({ min: 1, max: 1000 });
const load = fc.integer({ min: 0, max: 100_000 });
// Made of whole numbers: fc.double() takes the processor to be little-endian.
const between = fc.nat({ max: 1000 }).map((part) => LEAST_FACTOR + (part / 1000) * (LARGEST_FACTOR - LEAST_FACTOR));
const factor = fc.option(between, { nil: undefined });
const candidates: fc.Arbitrary<Candidate[]> = fc.array(fc.record({ weight, load, factor }), {
  minLength: 1,
  maxLength: 40,
});
const elapsed = fc.constantFrom(0, 100, 500, 2000, 60_000);
const grain = fc.constantFrom(0, 1);

const weightsOf = (list: readonly { readonly weight: number }[]) => list.map((one) => one.weight);
const sum = (list: readonly number[]) => list.reduce((total, value) => total + value, 0);

/** Factors after so many looks at loads that stay. */
function after(looks: number, list: readonly { readonly weight: number; readonly load: number }[]): number[] {
  let factors: readonly (number | undefined)[] = list.map(() => undefined);
  for (let look = 0; look < looks; look++)
    factors = nextFactors(
      list.map((one, index) => ({ ...one, factor: factors[index] })),
      500,
      1,
    );
  return factors.map((one = 1) => one);
}

test('nobody ever gets more than its share of the largest factor, whatever the loads were and are', () => {
  fc.assert(
    fc.property(candidates, elapsed, grain, (list, time, small) => {
      const factors = nextFactors(list, time, small);
      const weights = weightsOf(list);
      const shares = sharesOf(weights, factors);
      assert.ok(Math.abs(sum(shares) - 1) < 1e-9);
      shares.forEach((share, index) => {
        const most = (LARGEST_FACTOR * (weights[index] ?? 0)) / sum(weights);
        assert.ok(share > 0 && share <= most * (1 + 1e-9), `${share} of ${most}`);
      });
    }),
  );
});

test('while loads are in proportion to the weights, shares become the weights', () => {
  fc.assert(
    fc.property(fc.array(weight, { minLength: 1, maxLength: 40 }), fc.nat({ max: 1000 }), (weights, each) => {
      const even = weights.map((one) => ({ weight: one, load: one * each }));
      const shares = sharesOf(weights, after(1, even));
      shares.forEach((share, index) => assert.ok(Math.abs(share - (weights[index] ?? 0) / sum(weights)) < 0.02));
      // From wherever they were.
      let factors = weights.map((_, index) => (index % 2 === 0 ? LARGEST_FACTOR : LEAST_FACTOR));
      for (let look = 0; look < 60; look++)
        factors = nextFactors(
          even.map((one, index) => ({ ...one, factor: factors[index] })),
          500,
          0,
        );
      for (const one of factors) assert.ok(Math.abs(one - 1) < 1e-6, `${one}`);
    }),
  );
});

test('who has less for its weight gets more for it, and one look moves nobody by more than its whole share', () => {
  fc.assert(
    fc.property(candidates, elapsed, (list, time) => {
      const fresh = list.map(({ weight: own, load: has }) => ({ weight: own, load: has }));
      const settled = after(100, fresh);
      const order = [...fresh.keys()].sort(
        (one, other) =>
          (fresh[one]?.load ?? 0) / (fresh[one]?.weight ?? 1) - (fresh[other]?.load ?? 0) / (fresh[other]?.weight ?? 1),
      );
      order.slice(1).forEach((at, index) => assert.ok((settled[at] ?? 0) <= (settled[order[index] ?? 0] ?? 0) + 1e-9));
      const before = nextFactors(list, 0, 1);
      const next = nextFactors(
        list.map((one, index) => ({ ...one, factor: before[index] })),
        time,
        1,
      );
      next.forEach((one, index) => assert.ok(Math.abs(one - (before[index] ?? 0)) <= 1));
    }),
  );
});

test('one that is new has its share at first, and more with every look while it has less than the others', () => {
  const others = Array.from({ length: 9 }, () => ({ weight: 100, load: 1000, factor: 1 }));
  let newest: number | undefined;
  let last = 0;
  for (let look = 0; look < 12; look++) {
    const factors = nextFactors([...others, { weight: 100, load: 0, factor: newest }], look === 0 ? 0 : 500, 1);
    newest = factors[9];
    const share = sharesOf(Array<number>(10).fill(100), factors)[9] ?? 0;
    if (look === 0) assert.ok(Math.abs(share - 0.1) < 1e-9);
    assert.ok(share > last && share <= 0.3);
    last = share;
  }
  assert.ok(last > 0.24, `${last}`);
});

test('entries add up, are near the shares, and everybody has one', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 1e9 }), { minLength: 1, maxLength: 100 }),
      fc.constantFrom(256, 4096),
      (pulls, entries) => {
        const shares = pulls.map((pull) => pull / sum(pulls));
        const counts = entriesOf(shares, entries);
        assert.is(sum(counts), entries);
        const lifted = shares.filter((share) => share * entries < 1).length;
        counts.forEach((count, index) => {
          assert.ok(count >= 1);
          assert.ok(Math.abs(count - (shares[index] ?? 0) * entries) <= 1 + lifted);
        });
      },
    ),
  );
  assert.equal(entriesOf([0.25, 0.25, 0.25, 0.25], 2), [1, 1, 0, 0], 'more of them than entries');
});

const counted = (table: Uint16Array, owner: number) => table.filter((at) => at === owner).length;

test('as few entries change as there are missing, and none for next to nothing', () => {
  const table = Uint16Array.from({ length: 1024 }, (_, entry) => entry % 4);
  const wanted = (...shares: number[]) => shares.map((share, owner) => ({ owner, share }));
  assert.is(adjust(table, wanted(0.25, 0.25, 0.25, 0.25)), table);
  assert.is(adjust(table, wanted(0.252, 0.25, 0.25, 0.248)), table);
  const moved = adjust(table, wanted(0.5, 0.25, 0.125, 0.125));
  assert.equal(
    [0, 1, 2, 3].map((owner) => counted(moved, owner)),
    [512, 256, 128, 128],
  );
  assert.is(moved.filter((owner, entry) => owner !== table[entry]).length, 256);
  assert.equal(adjust(table, wanted(0.5, 0.25, 0.125, 0.125)), moved, 'always the same');
  const without = adjust(table, wanted(0.4, 0.3, 0.3));
  assert.is(counted(without, 3), 0, 'who is to have nothing has nothing');
  assert.is(without.filter((owner, entry) => owner !== table[entry]).length, 256);
  const withLittle = adjust(without, [...wanted(0.4, 0.3, 0.299), { owner: 7, share: 0.001 }]);
  assert.is(counted(withLittle, 7), 1, 'who had nothing gets even a little');
  const empty = new Uint16Array(256).fill(NOBODY);
  assert.is(counted(adjust(empty, wanted(1)), 0), 256);
});

const least = (count: number, changes: Partial<Service> = {}): Service =>
  service(count, { placement: { scheduler: 'least', limit: 65_535, timeout: 7_200_000 }, ...changes });
const nat = (count: number, changes: Partial<Service> = {}): Service =>
  service(count, { dispatch: 'nat', translation: { scheduler: 'least', masquerade: false }, ...changes });

const source =
  (loads: Readonly<Record<string, number>>, grain = 1): LoadSource =>
  (_, servers) =>
    servers.every(({ name }) => loads[name] !== undefined)
      ? { loads: new Map(Object.entries(loads)), grain }
      : undefined;

test('shares follow the load step by step; what a hash would give stays, and families share their table', () => {
  const levels = new Levels();
  const one = least(4);
  const base = slotTables(one);
  const first = levels.tablesOf(one, base);
  assert.is(first.turns?.[4], base[4], 'the weights, before anything is known');
  assert.is(levels.tablesOf(one, base), first);
  const even = source({ web1: 5, web2: 5, web3: 5, web4: 5 });
  assert.is(levels.follow(one, [even], 500), first);
  assert.is(levels.follow(one, [source({ web1: 5 })], 500), first, 'some are not known');
  let tables = first;
  for (let look = 0; look < 20; look++)
    tables = levels.follow(one, [source({ web1: 0, web2: 100, web3: 100, web4: 100 })], 500) ?? tables;
  assert.is(tables[4], base[4]);
  assert.is(tables.turns?.[4], tables.turns?.[6]);
  const slots = [0, 1, 2, 3].map((owner) => counted(tables.turns?.[4] ?? base[4] ?? new Uint16Array(), owner));
  assert.ok((slots[0] ?? 0) > 2 * (slots[1] ?? 0), slots.join(' '));
  assert.is(levels.tablesOf(one, base), tables);
  const hashed = service(4, {});
  assert.is(levels.tablesOf(hashed, base), base);
});

test('a source that knows all loads comes before one that follows it in the list', () => {
  const levels = new Levels();
  const one = least(2);
  const base = slotTables(one);
  levels.tablesOf(one, base);
  const connections = source({ web1: 0, web2: 100 });
  const reported = source({ web1: 0.9, web2: 0.1 }, 0);
  const slots = (tables: ReturnType<Levels['follow']>) => counted(tables?.turns?.[4] ?? new Uint16Array(), 0);
  assert.ok(slots(levels.follow(one, [reported, connections], 500)) < one.slots / 2);
  const other = new Levels();
  other.tablesOf(one, base);
  assert.ok(slots(other.follow(one, [source({ web1: 0.9 }, 0), connections], 500)) > one.slots / 2);
});

test('who is gone has nothing at once, others keep what they have, and who comes begins with its share', () => {
  const levels = new Levels();
  const three = least(3);
  const base = slotTables(three);
  levels.tablesOf(three, base);
  for (let look = 0; look < 20; look++) levels.follow(three, [source({ web1: 0, web2: 100, web3: 100 })], 500);
  const before = levels.tablesOf(three, base).turns?.[4] ?? new Uint16Array();
  const without = slotTables(three, { down: new Set(['web2']), leaving: new Set() });
  assert.equal(levels.prospect(three, without).turns, levels.tablesOf(three, without).turns);
  const now = levels.tablesOf(three, without).turns?.[4] ?? new Uint16Array();
  assert.is(counted(now, 1), 0);
  now.forEach((owner, entry) => assert.ok(before[entry] === 1 || owner === before[entry] || before[entry] !== owner));
  const stayed = now.filter((owner, entry) => owner === before[entry]).length;
  assert.ok(stayed > 0.5 * now.length, `${stayed}`);
  // Servers have other numbers when one comes that is named before them.
  const four = { ...least(4), servers: [...least(4).servers].reverse() };
  const wider = levels.tablesOf(four, slotTables(four)).turns?.[4] ?? new Uint16Array();
  const share =
    counted(
      wider,
      four.servers.findIndex(({ name }) => name === 'web4'),
    ) / wider.length;
  assert.ok(share > 0.1 && share < 0.35, `${share}`);
  const nobody = slotTables(four, { down: new Set(four.servers.map(({ name }) => name)), leaving: new Set() });
  assert.is(levels.tablesOf(four, nobody).turns?.[4], nobody[4]);
});

test('chance picks by the load, and packets of which nothing is known go by the hash', () => {
  for (const one of [least(2), nat(2)]) {
    const base = slotTables(one);
    const turns = base[4]?.map(() => 1) ?? new Uint16Array();
    const plain = deployment([one]);
    const [deployed] = plain.services;
    assert.ok(deployed);
    const tables = { ...base, turns: { 4: turns, 6: turns } };
    const { tables: built } = buildRuleset({ ...plain, services: [{ ...deployed, tables }] });
    const maps = new Map(built.flatMap(({ slotMaps }) => slotMaps.map(({ name, slots }) => [name, slots])));
    if (one.placement) assert.is(maps.get('web/turn'), turns);
    assert.is(maps.get('web/slot'), one.placement ? base[4] : turns);
    const text = JSON.stringify(built);
    assert.match(text, /"numgen":\{"mode":"random"/);

    const client = parseClient('203.0.113.9');
    assert.ok(client);
    const told = simulate(one, tables, client, { littleEndian: true });
    assert.equal(told.chances, { web2: 1 });
    assert.match(told.why.join(), /by chance, as the load is now/);
    assert.match(simulate(one, base, client, { littleEndian: true }).why.join(), /as the weights are/);
  }
});

const hex = (bytes: Uint8Array) => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');

/** By which range of the question a tracked connection is counted. */
function ownerOf(
  ...[question, ends, proto, ports]: [
    ReturnType<typeof liveQuestions>[number] | undefined,
    readonly [ghost: string, server: string],
    number,
    readonly [number, number],
  ]
): string | undefined {
  const rest = Uint8Array.from([proto, ...ports.flatMap((port) => [port >> 8, port & 255])]);
  const [destination, answering] = [address(ends[0]), address(ends[1])];
  const key = hex(liveConnectionKey({ destination, answering }, rest));
  const found = question?.ranges.filter(({ first, last }) => hex(first) <= key && key <= hex(last)) ?? [];
  assert.ok(found.length <= 1);
  return found[0] && `${found[0].service} ${found[0].server}`;
}

test('a tracked connection is counted for one service and one server, or for none', () => {
  const plain = nat(2);
  const [first, second] = plain.servers;
  assert.ok(first && second);
  // Two services on one ghost, of which one takes the rest, and one server that is there twice, by another port.
  const own = nat(2, {
    name: 'own',
    ports: [{ first: 8080, last: 8080 }],
    servers: [
      { ...first, name: 'a', port: 81 },
      { ...first, name: 'b', port: 82 },
    ],
  });
  const rest = nat(2, { name: 'rest', protocols: ['all'], ports: [] });
  const hashed = nat(2, {
    name: 'hashed',
    ports: [{ first: 443, last: 443 }],
    translation: { scheduler: 'hash', masquerade: false },
  });
  for (const littleEndian of [true, false]) {
    const [question, ...none] = liveQuestions(deployment([plain, own, rest, hashed]), littleEndian);
    assert.equal(none, []);
    for (const [ghost, server] of [
      ['198.51.100.1', '192.168.1.11'],
      ['2001:db8:100::1', 'fd00:1::11'],
    ] as const) {
      assert.is(ownerOf(question, [ghost, server], 6, [80, 80]), 'web web1');
      assert.is(ownerOf(question, [ghost, server], 17, [80, 80]), 'rest web1', 'the other one takes TCP alone');
      assert.is(ownerOf(question, [ghost, server], 6, [8080, 81]), 'own a');
      assert.is(ownerOf(question, [ghost, server], 6, [8080, 82]), 'own b');
      assert.is(ownerOf(question, [ghost, server], 6, [443, 443]), undefined, 'nobody counts these');
      assert.is(ownerOf(question, [ghost, server], 47, [0, 0]), 'rest web1');
      assert.is(
        ownerOf(question, [ghost === '198.51.100.1' ? '198.51.100.2' : '2001:db8::2', server], 6, [80, 80]),
        undefined,
      );
    }
  }
  assert.equal(liveQuestions(deployment([service(2)]), true), []);
  assert.is(liveQuestions(deployment([least(2)]), true).length, 2, 'a map for each family');
});

test.run();
