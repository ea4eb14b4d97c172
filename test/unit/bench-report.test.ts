import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { comparisons, formatResult } from '../bench/report.ts';
import type { Result, Series } from '../bench/report.ts';

/** A contestant that delivers so many packets a second, in each round of each set-up. */
function series(name: string, setups: readonly (readonly number[])[]): Series {
  return {
    contestant: { name, description: '', setUp: () => Promise.reject(new Error('is not set up here')) },
    setups: setups.map((rounds) =>
      rounds.map((rate) => ({ delivered: rate, sent: rate, seconds: 1, byServer: [rate] })),
    ),
  };
}

const nine = (rounds: (setup: number) => number[]) => Array.from({ length: 9 }, (_, setup) => rounds(setup));

function result(...contestants: Series[]): Result {
  return { servers: 4, series: contestants };
}

test('ratios are taken within a round, medians first over rounds and then over set-ups', () => {
  // The machine is ten times slower in some rounds and set-ups, for both alike.
  const plain = series(
    'plain',
    nine((setup) => [1e6, 1e5, 1e6].map((rate) => (setup % 2 ? rate : rate / 10))),
  );
  const oneip = series(
    'oneip',
    nine((setup) => [9e5, 9e4, 9e5].map((rate) => (setup % 2 ? rate : rate / 10))),
  );
  const [found] = comparisons(result(plain, oneip));
  const rounded = [found?.low, found?.median, found?.high].map((value) => value?.toFixed(9));
  assert.equal([found?.of, found?.to, ...rounded], ['oneip', 'plain', '0.900000000', '0.900000000', '0.900000000']);
  assert.is(found?.verdict, 'held');
});

test('a wish is held or missed only where the whole interval says so', () => {
  const plain = series(
    'plain',
    nine(() => [1000]),
  );
  const verdict = (rates: (setup: number) => number) =>
    comparisons(
      result(
        plain,
        series(
          'oneip',
          nine((setup) => [rates(setup)]),
        ),
      ),
    )[0]?.verdict;
  assert.is(
    verdict((setup) => 850 + setup),
    'held',
  );
  assert.is(
    verdict((setup) => 820 + setup),
    'missed',
  );
  assert.is(
    verdict((setup) => 820 + 5 * setup),
    'open',
  );
});

test('many rounds of few set-ups conclude nothing', () => {
  const rounds = Array.from({ length: 100 }, () => 1000);
  const lab = result(series('plain', [rounds]), series('oneip', [rounds]));
  assert.is(comparisons(lab)[0]?.verdict, 'open');
  assert.match(formatResult(lab, 4), /^\| oneip \/ plain \| 1\.000 .*\| too few set-ups to conclude anything \|$/m);
});

test('where two contestants differ less than their rounds do, the report says so', () => {
  const first = series(
    'plain',
    nine(() => [1000]),
  );
  const alike = series(
    'plain-rule',
    nine((setup) => [996 + setup]),
  );
  const slower = series(
    'plain-ct',
    nine((setup) => [896 + setup]),
  );
  const scattered = series(
    'bystander-free',
    nine((setup) => [500 + 50 * setup]),
  );
  const text = formatResult(result(first, alike, slower, scattered), 4);
  assert.match(
    text,
    /^\| plain-rule \/ plain \| 1\.000 \(0\.997–1\.003\) \| the rounds differ more than the two do \|$/m,
  );
  assert.match(text, /^\| plain-ct \/ plain \| 0\.900 \(0\.897–0\.903\) \| *\|$/m);
  assert.match(text, /^\| bystander-free \/ plain \| .*\| the rounds differ too much to conclude from the figure \|$/m);
});

test("what a packet costs without the sender's part is told where the sender was measured alone", () => {
  const text = formatResult(
    result(
      series(
        'drop',
        nine(() => [4e6]),
      ),
      series(
        'plain',
        nine(() => [1e6]),
      ),
    ),
    4,
  );
  assert.match(text, /^\| plain \| 1\.000 \(1\.000–1\.000\) \| 750 \(750–750\) \|/m);
});

test('losses are told', () => {
  const lossy: Series = {
    ...series('plain', []),
    setups: [[{ delivered: 900, sent: 1000, seconds: 1, byServer: [900, 0] }]],
  };
  assert.match(formatResult(result(lossy), 4), /→ 1 server, 10\.0 % lost \|$/m);
});

test.run();
