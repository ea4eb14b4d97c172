import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parseLoadNumber } from '../../src/server/load-number.ts';

test('the number on the first line, and nothing that is none', () => {
  const cases: readonly (readonly [string, number | undefined])[] = [
    ['4', 4],
    ['  0.25 \n5\n', 0.25],
    ['\n-3.\n', -3],
    ['.5', 0.5],
    ['+1e3\r\n', 1000],
    ['', undefined],
    ['\n\n', undefined],
    ['busy', undefined],
    ['4 5', undefined],
    ['4%', undefined],
    ['0x10', undefined],
    ['NaN', undefined],
    ['Infinity', undefined],
    ['1e999', undefined],
    ['1'.repeat(1000), undefined],
  ];
  for (const [output, number] of cases) assert.is(parseLoadNumber(output), number, JSON.stringify(output));
});

test.run();
