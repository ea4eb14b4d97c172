import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { differingSlots, isSameTable } from '../../src/allocation/difference.ts';
import { Random } from './support/random.ts';

test('tables of any size, wherever they lie in memory, are told apart slot by slot', () => {
  const random = new Random(64);
  for (const size of [0, 1, 2, 3, 7, 256, 257]) {
    for (const start of [0, 1, 2]) {
      const one = new Uint16Array(size + start).subarray(start).map(() => random.below(0x1_0000));
      for (const changes of [0, 1, 3]) {
        const other = Uint16Array.from([...new Uint16Array(start), ...one]).subarray(start);
        for (let change = 0; change < changes && size > 0; change++) {
          const slot = random.below(size);
          other[slot] = (other[slot] ?? 0) ^ (1 << random.below(16));
        }
        const expected = [...one.keys()].filter((slot) => one[slot] !== other[slot]);
        assert.equal(differingSlots(one, other), expected);
        assert.is(isSameTable(one, other), expected.length === 0);
      }
    }
  }
});

test('tables of different sizes are not the same', () => {
  assert.not(isSameTable(new Uint16Array(4), new Uint16Array(2)));
  assert.not(isSameTable(new Uint16Array(0), new Uint16Array(1)));
});

test.run();
