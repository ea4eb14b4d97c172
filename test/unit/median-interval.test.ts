import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { medianInterval } from '../bench/statistics.ts';

test('nine values: the second smallest to the second largest, as tables of the sign test have it', () => {
  const { median, low, high, confidence } = medianInterval([9, 1, 8, 2, 7, 3, 6, 4, 5]);
  assert.equal([median, low, high], [5, 2, 8]);
  assert.ok(Math.abs(confidence - 0.9609) < 0.0001, String(confidence));
});

test('an even number of values has its median in the middle', () => {
  assert.is(medianInterval([4, 1, 3, 2]).median, 2.5);
});

test('too few values: all of them, and less than 95 % sure', () => {
  const { low, high, confidence } = medianInterval([3, 1, 2]);
  assert.equal([low, high], [1, 3]);
  assert.is(confidence, 0.75);
});

test('thirty-one values: ranks 10 and 22', () => {
  const { low, high, confidence } = medianInterval(Array.from({ length: 31 }, (_, index) => index + 1));
  assert.equal([low, high], [10, 22]);
  assert.ok(confidence >= 0.95 && confidence < 0.98, String(confidence));
});

test('one value outside moves the interval little, a mean it would carry away', () => {
  const { median, high } = medianInterval([1, 1, 1, 1, 1, 1, 1, 1, 1000]);
  assert.equal([median, high], [1, 1]);
});

test('no values have no median', () => {
  assert.throws(() => medianInterval([]), /no values/);
});

test.run();
