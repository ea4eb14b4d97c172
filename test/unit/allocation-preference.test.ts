import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  DOUBLING,
  exactWaitingTime,
  fillPositions,
  fillSlots,
  hashName,
  logarithm,
  mix,
  permutationOf,
  waitingTimes,
} from '../../src/allocation/preference.ts';

const sizes = [8, 9, 10, 11, 12];

test('every slot stands at one position of every permutation', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 0xffff_ffff }), fc.constantFrom(...sizes), (hash, bits) => {
      const slots = new Uint16Array(1 << bits);
      fillSlots(permutationOf(hash, bits), 0, slots);
      assert.equal(new Set(slots).size, 1 << bits);
    }),
    { numRuns: 20 },
  );
});

test('the position of a slot is where the slot is found', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 0xffff_ffff }),
      fc.constantFrom(...sizes),
      fc.nat({ max: 200 }),
      (hash, bits, first) => {
        const permutation = permutationOf(hash, bits);
        const slots = new Uint16Array(50);
        const positions = new Uint16Array(50);
        fillSlots(permutation, first, slots);
        fillPositions(permutation, slots, positions);
        assert.equal(
          [...positions],
          [...positions.keys()].map((at) => first + at),
        );
      },
    ),
    { numRuns: 100 },
  );
});

test('two servers want each other’s favourite slots no more than by chance', () => {
  const bits = 12;
  const favourites = [...'abcdefghijklmnop'].map((name) => {
    const slots = new Uint16Array(1024);
    fillSlots(permutationOf(hashName(name, 1), bits), 0, slots);
    return new Set(slots);
  });
  for (const [index, mine] of favourites.entries()) {
    for (const yours of favourites.slice(index + 1)) {
      const common = [...mine].filter((slot) => yours.has(slot)).length;
      // 256 expected; the standard deviation is 12.
      assert.ok(common > 190 && common < 320, `${common} of 1024 favourites in common`);
    }
  }
});

test('hashes of names depend on the name, its order and the seed, and are known', () => {
  const hashes = [hashName('srv1', 1), hashName('1srv', 1), hashName('srv1', 2), hashName('srv2', 1), hashName('', 1)];
  assert.equal(new Set(hashes).size, hashes.length);
  // Finalizer of MurmurHash3 (32 bits), as published.
  assert.is(mix(0), 0);
  assert.is(mix(1), 0x514e28b7);
  assert.is(mix(0xffffffff), 0x81f16f39);
});

test('waiting times ascend, and one a doubling later is one unit more', () => {
  for (const bits of sizes) {
    const times = waitingTimes(1 << bits);
    for (let at = 1; at < times.length; at++) assert.ok((times[at] ?? 0) > (times[at - 1] ?? 0));
  }
  const half = 65536 * Math.log2(Math.log(2) / Math.log(4 / 3));
  const times = waitingTimes(4096);
  assert.ok(Math.abs((times[2048] ?? 0) - (times[1024] ?? 0) - half) < 40);
  assert.is(logarithm(8), 3 * DOUBLING);
});

/** Distance of a number from the nearest one that rounding to whole numbers would decide by its last bits. */
const fromTie = (value: number): number => Math.abs(value - Math.floor(value) - 0.5);

test('no logarithm is rounded by its last bits, so that every box has the same ones', () => {
  let nearest = 1;
  for (const bits of sizes) {
    for (let at = 0; at < 1 << bits; at++) nearest = Math.min(nearest, fromTie(exactWaitingTime(at, 1 << bits)));
  }
  for (let weight = 1; weight <= 1000; weight++) nearest = Math.min(nearest, fromTie(DOUBLING * Math.log2(weight)));
  console.log(`\n# rounding is decided by ${nearest.toExponential(1)} at least; doubles here err by 1e-9 at most`);
  assert.ok(nearest > 1e-7);
});

test.run();
