import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Service } from '../../src/config/model.ts';
import { slotTables } from '../../src/deployment/slot-tables.ts';
import { NOTHING_KNOWN, observe, target } from '../../src/load/adapt.ts';
import { effectiveWeight, formatFactors, parseFactors } from '../../src/load/factors.ts';
import { AdaptWorld } from './support/adapt-world.ts';
import type { Traffic } from './support/adapt-world.ts';
import { service } from './support/deployments.ts';
import { Random } from './support/random.ts';

// On the router's engine the same takes ten times as long.
const isNode = typeof process !== 'undefined';
const full = (globalThis as { ONEIP_FULL?: boolean }).ONEIP_FULL === true && isNode;

/** A service of so many servers with mixed weights, or all the same. */
function weighted(count: number, slots: Service['slots'], random?: Random): Service {
  const plain = service(count, { slots, adapt: true });
  const servers = plain.servers.map((server) => ({ ...server, weight: random ? 1 + random.below(300) : 100 }));
  return { ...plain, servers };
}

/** Clients of the same load, spread by chance over the slots. */
function clients(count: number, slots: number, random: Random): number[] {
  const loads = new Array<number>(slots).fill(0);
  for (let left = count; left > 0; left--) {
    const slot = random.below(slots);
    loads[slot] = (loads[slot] ?? 0) + 1;
  }
  return loads;
}

/** Everybody's clients are the same, but those of the first server make `times` the load. */
function lopsided(world: AdaptWorld, times: number, noise: number): Traffic {
  const slots = [...(world.tables[4] ?? [])].map((owner) => (owner === 0 ? times : 1));
  return { slots, noise };
}

test('whatever the load does, no minute moves more than one slot of a hundred, and weights stay within their bounds', () => {
  const sizes = [256, 1024, 4096] as const;
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 2, max: 12 }), fc.nat(2), (seed, count, size) => {
      const random = new Random(seed);
      const slots = sizes[size] ?? 4096;
      const world = new AdaptWorld(weighted(count, slots, random), random);
      for (let stretch = 0; stretch < 8; stretch++) {
        const loads = clients(1 + random.below(2 * slots), slots, random);
        if (random.below(3) === 0) loads[random.below(slots)] = random.below(slots);
        for (let minute = 0; minute < 6; minute++) {
          const before = world.tables[4];
          const moved = world.minute({ slots: loads, noise: random.below(100) / 100 });
          const really = [...(world.tables[4] ?? [])].filter((owner, slot) => owner !== before?.[slot]).length;
          assert.is(moved, really);
          assert.ok(really <= slots / 100, `${really} of ${slots}`);
          for (const factor of world.factors.values()) assert.ok(factor >= 1 / 4 && factor <= 4, String(factor));
        }
      }
    }),
    { numRuns: full ? 200 : isNode ? 12 : 2 },
  );
});

test('under a constant load the shares go where the load is even, and rest there', () => {
  for (const count of isNode ? [2, 3, 5, 8, 16] : [4]) {
    for (const times of isNode ? [0.5, 1.3, 2] : [1.3]) {
      const random = new Random(count);
      const world = new AdaptWorld(weighted(count, 4096), random);
      const traffic = lopsided(world, times, 0.1);
      const name = `${count} servers, one with ${times} times the load`;
      const furthest = () => {
        const pressures = world.pressures(traffic);
        const average = pressures.reduce((sum, value) => sum + value, 0) / count;
        return Math.max(...pressures.map((value) => Math.abs(value / average - 1)));
      };
      const before = furthest();
      for (let minute = 0; minute < 180; minute++) world.minute(traffic);
      assert.ok(furthest() < Math.min(0.13, before), `${name}: ${before} became ${furthest()}`);
      const late = world.moved.slice(120);
      assert.ok(late.filter((moved) => moved > 0).length <= 2, `${name}: ${late.join(' ')}`);
    }
  }
});

test('what is chance moves nothing', () => {
  for (const noise of [0.1, 0.5, 1]) {
    for (let seed = 0; seed < (full ? 40 : isNode ? 6 : 1); seed++) {
      const random = new Random(seed);
      const world = new AdaptWorld(weighted(2 + random.below(7), 4096), random);
      const traffic = { slots: new Array<number>(4096).fill(1), noise };
      let moves = 0;
      for (let minute = 0; minute < 240; minute++) if (world.minute(traffic) > 0) moves++;
      assert.is(moves, 0, `noise ${noise}, seed ${seed}`);
    }
  }
});

test('a client that is half of the load neither runs the shares to their end in turn, nor is sent about for ever', () => {
  const hours = isNode ? 12 : 2;
  for (const count of isNode ? [2, 4, 8, 16] : [4]) {
    const random = new Random(count + 1);
    const world = new AdaptWorld(weighted(count, 4096), random);
    const slots = new Array<number>(4096).fill(1);
    const heavy = random.below(4096);
    slots[heavy] = 4096;
    const traffic = { slots, noise: 0.1 };
    const before = world.spread(traffic);
    const holders: (number | undefined)[] = [];
    for (let minute = 0; minute < hours * 60; minute++) {
      world.minute(traffic);
      holders.push(world.tables[4]?.[heavy]);
    }
    const flights = holders.filter((owner, at) => at > 0 && owner !== holders[at - 1]).length;
    assert.ok(flights <= 12, `${count} servers: it was sent to another server ${flights} times in ${hours} hours`);
    assert.ok(world.spread(traffic) <= before * 1.1, `${count} servers: ${before} became ${world.spread(traffic)}`);
    console.log(
      `# heavy client, ${count} servers: worst ${before.toFixed(2)} → ${world.spread(traffic).toFixed(2)} of the average, sent elsewhere ${flights} times in ${hours} h`,
    );
  }
});

test('few clients, unevenly hashed: the shares follow', () => {
  for (const count of isNode ? [4, 8, 16] : [4]) {
    const spreads = (isNode ? [0, 1, 2, 3, 4] : [3]).map((seed) => {
      const random = new Random(seed);
      const world = new AdaptWorld(weighted(count, 4096), random);
      const traffic = { slots: clients(40 * count, 4096, random), noise: 0.2 };
      const before = world.spread(traffic);
      for (let minute = 0; minute < 120; minute++) world.minute(traffic);
      return [before, world.spread(traffic)] as const;
    });
    const mean = (side: 0 | 1) => spreads.reduce((sum, pair) => sum + pair[side], 0) / spreads.length;
    assert.ok(mean(1) < mean(0), `${mean(0)} became ${mean(1)}`);
    console.log(
      `# ${40 * count} equal clients, ${count} servers: worst ${mean(0).toFixed(2)} → ${mean(1).toFixed(2)} of the average in 2 h`,
    );
  }
});

test('nothing is decided on less than five minutes, on one server, on idle processors, or for nobody', () => {
  const servers = [
    { name: 'web1', weight: 100 },
    { name: 'web2', weight: 100 },
  ];
  const none = new Map<string, number>();
  const learn = (minutes: number, kind: 'packets' | 'processor', loads: readonly number[]) => {
    let known = NOTHING_KNOWN;
    for (let now = 10_000; now <= minutes * 60_000; now += 10_000) {
      const sample = { kind, loads: new Map(servers.map(({ name }, at) => [name, loads[at] ?? 0])), at: now };
      known = observe(known, sample, servers, none, { now, elapsed: 10_000 });
    }
    return known;
  };
  assert.is(target(learn(4.9, 'packets', [3, 1]), servers, none), undefined);
  const found = target(learn(5, 'packets', [3, 1]), servers, none);
  assert.ok(Math.abs((found?.get('web1') ?? 0) - 0.5) < 1e-6 && Math.abs((found?.get('web2') ?? 0) - 1.5) < 1e-6);
  assert.is(target(learn(5, 'packets', [3, 1]), servers.slice(0, 1), none), undefined);
  assert.is(target(learn(5, 'packets', [0, 0]), servers, none), undefined);
  assert.is(target(learn(5, 'processor', [0.09, 0.03]), servers, none), undefined);
  assert.ok(target(learn(5, 'processor', [0.6, 0.2]), servers, none));
  const third = { name: 'web3', weight: 100 };
  assert.is(target(learn(5, 'packets', [3, 1]), [...servers, third], none), undefined, 'of one nothing is known');
  const other = {
    kind: 'script' as const,
    loads: new Map([
      ['web1', 3],
      ['web2', 1],
    ]),
    at: 0,
  };
  const anew = observe(learn(5, 'packets', [3, 1]), other, servers, none, { now: 310_000, elapsed: 10_000 });
  assert.is(target(anew, servers, none), undefined, 'another kind of load begins anew');
});

test('factors of 1 make the very table of the weights, and only the proportions count', () => {
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 2, max: 12 }), (seed, count) => {
      const random = new Random(seed);
      const all = weighted(count, 1024, random);
      const down = new Set(all.servers.filter(() => random.below(4) === 0).map(({ name }) => name));
      const standing = { down, leaving: new Set<string>() };
      const ones = new Map(all.servers.map(({ name }) => [name, 1]));
      assert.equal(slotTables(all, { ...standing, factors: ones }), slotTables(all, standing));
      assert.equal(slotTables(all, { ...standing, factors: new Map() }), slotTables(all, standing));
    }),
    { numRuns: 30 },
  );
});

test('factors are written down and read again; what is none is left out', () => {
  const services = new Map([
    [
      'web',
      new Map([
        ['web1', 0.5],
        ['web2', 1.5],
      ]),
    ],
  ]);
  assert.equal(parseFactors(formatFactors(services)), services);
  assert.equal(
    parseFactors('{"version":1,"services":[["web",[["web1",9],["web2",2]]]]}').get('web'),
    new Map([['web2', 2]]),
  );
  assert.is(parseFactors('{"version":2,"services":[]}').size, 0);
  assert.is(parseFactors('nonsense').size, 0);
  assert.is(effectiveWeight({ name: 'web1', weight: 100 }, services.get('web')), 50);
  assert.is(effectiveWeight({ name: 'web3', weight: 100 }, services.get('web')), undefined);
});

test.run();
