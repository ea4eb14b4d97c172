import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { apportion, ceiling, roomToInherit, sharesOfOne } from '../../src/allocation/quota.ts';

const finish = (work: Generator<void, Uint16Array>): number[] => {
  for (;;) {
    const { done, value } = work.next();
    if (done) return [...value];
  }
};
const quotas = (
  weights: readonly number[],
  slots: number,
  held?: readonly number[],
  most?: readonly number[],
): number[] =>
  finish(apportion(Uint16Array.from(weights), slots, held && Uint16Array.from(held), most && Uint16Array.from(most)));
const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);

test('shares that are whole numbers are met', () => {
  assert.equal(quotas([1, 1, 1, 1], 4096), [1024, 1024, 1024, 1024]);
  assert.equal(quotas([1, 2, 5], 4096), [512, 1024, 2560]);
  assert.equal(quotas([1, 0, 1], 256), [128, 0, 128]);
});

test('what remains goes to the greatest weight by odd numbers, the first of equals', () => {
  assert.equal(quotas([1, 1, 1], 256), [86, 85, 85]);
  // 53 : 24 : 23 for 7 slots: 3.71, 1.68, 1.61 by quota; Webster gives 3, 2, 2.
  assert.equal(quotas([53, 24, 23], 7), [3, 2, 2]);
});

test('nobody gets more than it may have, even if slots are left', () => {
  assert.equal(quotas([1, 1, 1], 256, [0, 0, 0], [300, 20, 30]), [206, 20, 30]);
  assert.equal(quotas([1, 1, 1], 256, [0, 0, 0], [100, 20, 30]), [100, 20, 30]);
});

test('the ceiling is 1 % above the fair share, or one slot, if that is more', () => {
  assert.is(ceiling(1, 4, 4096), 1034);
  assert.is(ceiling(1, 3, 4096), 1378);
  assert.is(ceiling(1, 64, 4096), 65);
  assert.is(ceiling(1, 256, 4096), 17);
  assert.is(ceiling(1, 5000, 4096), 1);
  assert.is(ceiling(0, 5, 4096), 0);
});

test('without weights nobody gets any', () => {
  assert.equal(quotas([0, 0], 256), [0, 0]);
  assert.equal(quotas([], 256), []);
});

const weightsOf = fc.array(fc.integer({ min: 0, max: 1000 }), { minLength: 1, maxLength: 64 });

test('all slots are given, nobody is above its share by a whole slot, nor below', () => {
  fc.assert(
    fc.property(weightsOf, fc.constantFrom(256, 1024, 4096), (weights, slots) => {
      const total = sum(weights);
      fc.pre(total > 0);
      const given = quotas(weights, slots);
      assert.is(sum(given), slots);
      for (const [at, number] of given.entries()) {
        const share = (slots * (weights[at] ?? 0)) / total;
        assert.ok(number > share - 1 && number < share + 1, `${number} of ${share}`);
      }
    }),
  );
});

test('when a server leaves, the others keep what they have, and nobody gets above its new share by a whole slot', () => {
  fc.assert(
    fc.property(weightsOf, fc.nat(), (weights, pick) => {
      const gone = pick % weights.length;
      const rest = weights.map((weight, at) => (at === gone ? 0 : weight));
      fc.pre(sum(rest) > 0);
      const held = quotas(weights, 4096).map((number, at) => (at === gone ? 0 : number));
      const given = quotas(rest, 4096, held);
      assert.is(sum(given), 4096);
      for (const [at, number] of given.entries()) {
        assert.ok(number >= (held[at] ?? 0));
        assert.ok(number < (4096 * (rest[at] ?? 0)) / sum(rest) + 1);
      }
    }),
  );
});

test('there is room for all that is to be inherited, but for nobody to get above its ceiling', () => {
  fc.assert(
    fc.property(weightsOf, fc.array(fc.nat(), { minLength: 1, maxLength: 10 }), (weights, picks) => {
      const gone = weights.map((_, at) => picks.some((pick) => pick % weights.length === at));
      const rest = weights.map((weight, at) => (gone[at] ? 0 : weight));
      fc.pre(sum(rest) > 0);
      const held = quotas(weights, 4096);
      const room = finish(roomToInherit(Uint16Array.from(weights), Uint16Array.from(held), gone));
      assert.ok(sum(room) >= sum(held.filter((_, at) => gone[at])));
      const one = gone.filter((down) => down).length === 1;
      for (const [at, number] of room.entries()) {
        const due = (4096 * (rest[at] ?? 0)) / sum(rest);
        if (due === 0) assert.is(number, 0);
        else if (one) assert.ok((held[at] ?? 0) + number < due + 1);
        else assert.ok((held[at] ?? 0) + number <= ceiling(rest[at] ?? 0, sum(rest), 4096));
      }
    }),
  );
});

test('one server’s slots go to the others in proportion', () => {
  const room = finish(
    roomToInherit(Uint16Array.of(1, 1, 2, 0), Uint16Array.of(1024, 1024, 2048, 0), [true, false, false, false]),
  );
  assert.equal(room, [0, 341, 683, 0]);
});

test('a server’s slots are shared by weight, and what remains goes to those next to it', () => {
  assert.equal([...sharesOfOne(Uint16Array.of(1, 1, 1, 1), 2, 8)], [3, 2, 0, 3]);
  assert.equal([...sharesOfOne(Uint16Array.of(1, 1, 2, 4), 3, 9)], [3, 2, 4, 0]);
  assert.equal([...sharesOfOne(Uint16Array.of(5, 1), 0, 100)], [0, 100]);
});

test('over all servers each heir is rounded up as often as its share demands', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 2, maxLength: 64 }), (list) => {
      const weights = Uint16Array.from(list);
      for (const [server, weight] of list.entries()) {
        const shares = sharesOfOne(weights, server, 128);
        assert.is(sum([...shares]), 128);
        assert.is(shares[server], 0);
        for (const [heir, share] of shares.entries()) {
          if (heir !== server) assert.ok(Math.abs(share - (128 * (list[heir] ?? 0)) / (sum(list) - weight)) < 1);
        }
      }
    }),
  );
  for (const count of [5, 48, 64, 180]) {
    const inherited = new Uint32Array(count);
    const weights = new Uint16Array(count).fill(1);
    for (let server = 0; server < count; server++) {
      for (const [heir, share] of sharesOfOne(weights, server, 85).entries()) {
        inherited[heir] = (inherited[heir] ?? 0) + share;
      }
    }
    assert.equal(
      [...inherited],
      Array.from({ length: count }, () => 85),
    );
  }
});

test.run();
