import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { sweep } from '../bench/packets-sweep.ts';

const minute = 60_000;

/** Visits sites that each take so many minutes, and tells what happened. */
async function visits(
  sites: Readonly<Record<string, number>>,
  limits: { setups: number; minutes: number },
  broken = '',
) {
  let time = 0;
  const told: string[] = [];
  const { outcomes, failure } = await sweep(
    Object.entries(sites).map(([name, length]) => ({ name, length })),
    ({ name, length }, setup) => {
      time += length * minute;
      const visit = `${name}${setup}`;
      return visit === broken ? Promise.reject(new Error(`${visit} is broken`)) : Promise.resolve(visit);
    },
    {
      ...limits,
      now: () => time,
      onProgress: ({ name }, setup, left) => told.push(`${name}${setup} ${left?.toFixed(1) ?? '?'}`),
    },
  );
  return { outcomes: [...outcomes].map(([{ name }, list]) => [name, list]), failure, told, minutes: time / minute };
}

test('without a limit every site is visited as often as was asked for, in turn', async () => {
  const { outcomes, told } = await visits({ a: 1, b: 3 }, { setups: 2, minutes: Infinity });
  assert.equal(outcomes, [
    ['a', ['a0', 'a1']],
    ['b', ['b0', 'b1']],
  ]);
  // What a site takes is guessed by the others until it is known.
  assert.equal(told, ['a0 ?', 'b0 3.0', 'a1 4.0', 'b1 3.0']);
});

test('no round begins that would end after the limit, so that all sites are visited as often', async () => {
  const { outcomes, minutes } = await visits({ a: 1, b: 3 }, { setups: 9, minutes: 11 });
  assert.equal(
    outcomes.map(([, list]) => list?.length),
    [2, 2],
  );
  assert.is(minutes, 8);
});

test('every site is visited once, however little time there is', async () => {
  const { outcomes } = await visits({ a: 1, b: 3 }, { setups: 9, minutes: 1 });
  assert.equal(outcomes, [
    ['a', ['a0']],
    ['b', ['b0']],
  ]);
});

test('the estimate counts only what the limit leaves room for', async () => {
  const { told } = await visits({ a: 1, b: 1 }, { setups: 9, minutes: 5 });
  assert.equal(told, ['a0 ?', 'b0 3.0', 'a1 2.0', 'b1 1.0']);
});

test('what ends it later takes nothing away; before every site has been visited there is nothing to tell', async () => {
  const { outcomes, failure } = await visits({ a: 1, b: 1 }, { setups: 9, minutes: 50 }, 'b2');
  assert.equal(outcomes, [
    ['a', ['a0', 'a1', 'a2']],
    ['b', ['b0', 'b1']],
  ]);
  assert.match(String(failure), /b2 is broken/);
  const early = await visits({ a: 1, b: 1 }, { setups: 9, minutes: 50 }, 'b0').then(
    () => 'ended',
    (error: unknown) => String(error),
  );
  assert.match(early, /b0 is broken/);
});

test.run();
