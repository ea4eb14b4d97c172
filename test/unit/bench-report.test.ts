import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { comparisons, formatResult, formatWishes } from '../bench/report.ts';
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

const course = { servers: 64, family: 4, clients: 100_000, size: 64 } as const;

function result(...contestants: Series[]): Result {
  return { ...course, series: contestants };
}

test('ratios are taken within a round, medians first over rounds and then over set-ups', () => {
  // The machine is ten times slower in some rounds and set-ups, for both alike.
  const plain = series(
    'plain',
    nine((setup) => [1e6, 1e5, 1e6].map((rate) => (setup % 2 ? rate : rate / 10))),
  );
  const oneip = series(
    'oneip',
    nine((setup) => [96e4, 96e3, 96e4].map((rate) => (setup % 2 ? rate : rate / 10))),
  );
  const [found] = comparisons(result(plain, oneip));
  const rounded = [found?.low, found?.median, found?.high].map((value) => value?.toFixed(9));
  assert.equal([found?.of, found?.to, ...rounded], ['oneip', 'plain', '0.960000000', '0.960000000', '0.960000000']);
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
    verdict((setup) => 960 + setup),
    'held',
  );
  assert.is(
    verdict((setup) => 820 + setup),
    'missed',
  );
  assert.is(
    verdict((setup) => 930 + 5 * setup),
    'open',
  );
});

test('many rounds of few set-ups conclude nothing', () => {
  const rounds = Array.from({ length: 100 }, () => 1000);
  const lab = result(series('plain', [rounds]), series('oneip', [rounds]));
  assert.is(comparisons(lab)[0]?.verdict, 'open');
  assert.match(formatResult(lab), /^\| oneip \/ plain \| 1\.000 .*\| too few set-ups to conclude anything \|$/m);
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
  const text = formatResult(result(first, alike, slower, scattered));
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
  );
  assert.match(text, /^\| plain \| 1\.000 \(1\.000–1\.000\) \| 750 \(750–750\) \|/m);
});

/** Contestants that deliver this many packets a second in every round. */
const steady = (rates: Readonly<Record<string, number>>) =>
  Object.entries(rates).map(([name, rate]) =>
    series(
      name,
      nine(() => [rate]),
    ),
  );

test('with 64 servers the wishes are those against each of the others, judged one by one', () => {
  const rates = { plain: 1000, oneip: 960, resilient: 890, 'nftlb-direct': 870, dnat: 290, 'oneip-20': 900 };
  const judged = comparisons({ ...course, series: steady(rates) }).flatMap(({ of, to, wanted, verdict }) =>
    wanted === undefined ? [] : [[of, to, wanted, verdict]],
  );
  assert.equal(judged, [
    ['oneip', 'plain', 0.95, 'held'],
    ['oneip', 'nftlb-direct', 1.12, 'missed'],
    ['oneip', 'resilient', 1.07, 'held'],
    ['oneip', 'dnat', 3.3, 'held'],
    ['oneip-20', 'oneip', 0.95, 'missed'],
  ]);
});

test('other numbers of servers and clients have other wishes, or none', () => {
  const wished = (servers: number, clients: number) =>
    comparisons({
      ...{ ...course, servers, clients },
      series: steady({ plain: 1000, oneip: 960, resilient: 890, dnat: 290 }),
    }).flatMap(({ of, to, wanted }) => (wanted === undefined ? [] : [`${of} / ${to} ${wanted}`]));
  assert.equal(wished(4, 100_000), ['oneip / plain 1']);
  assert.equal(wished(64, 1), ['oneip / plain 0.95', 'oneip / resilient 1.07']);
  assert.equal(wished(256, 100_000), []);
});

test('what was wanted is told for all courses in one table, with what came of it', () => {
  const text = formatWishes([
    { ...course, series: steady({ plain: 1000, oneip: 960 }) },
    { ...course, servers: 4, family: 6, clients: 1, size: 1400, series: steady({ plain: 1000, oneip: 960 }) },
  ]);
  assert.equal(text.split('\n').slice(2), [
    '| oneip / plain | 64 servers, IPv4, 100000 clients, frames of 64 bytes | 0.960 (0.960–0.960) | wanted ≥ 0.95: held |',
    '| oneip / plain | 4 servers, IPv6, 1 client, frames of 1400 bytes | 0.960 (0.960–0.960) | wanted ≥ 1: MISSED |',
    '',
    '',
  ]);
  assert.is(formatWishes([{ ...course, servers: 256, series: steady({ plain: 1, oneip: 1 }) }]), '');
});

test('losses are told', () => {
  const lossy: Series = {
    ...series('plain', []),
    setups: [[{ delivered: 900, sent: 1000, seconds: 1, byServer: [900, 0] }]],
  };
  assert.match(formatResult(result(lossy)), /→ 1 server, 10\.0 % lost \|$/m);
});

test.run();
