import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { LARGEST_FACTOR } from '../../src/load/least.ts';
import { Random } from './support/random.ts';
import { RoutersAndServers } from './support/routers-and-servers.ts';
import type { Load } from './support/routers-and-servers.ts';

// Ten routers, of which each sees its own connections alone, and a hundred servers of two weights, of which five are slow.

const isFull = (globalThis as { ONEIP_FULL?: boolean }).ONEIP_FULL === true;
const weights = Array.from({ length: 100 }, (_, server) => (server % 3 === 0 ? 200 : 100));
const all = weights.reduce((total, weight) => total + weight, 0);
const SLOW = 5;
const RETURNING = 50;

/** `life`: mean life time of a connection at a server that is not slow, milliseconds. */
const scene = (life: number, rate: number, scheduler: Load['scheduler']): Load => ({
  ...{ routers: 10, weights, rate, scheduler },
  lifeOf: (server) => (server < SLOW ? 4 * life : life),
});

/** Standard deviation and largest value, in averages. */
function spread(values: readonly number[]): { deviation: number; largest: number } {
  const average = values.reduce((total, value) => total + value, 0) / values.length;
  const square = values.reduce((total, value) => total + (value - average) ** 2, 0) / values.length;
  return { deviation: Math.sqrt(square) / average, largest: Math.max(...values) / average };
}

for (const [life, rate, most] of [
  [500, 300, 0.5],
  [6000, 200, 0.35],
] as const) {
  test(`connections of ${life} ms are more even than by chance alone, and nobody gets a crowd`, () => {
    const run = (scheduler: Load['scheduler']) => {
      const simulation = new RoutersAndServers(scene(life, rate, scheduler), new Random(life));
      simulation.run(Math.max(15, (5 * life) / 1000));
      const even = spread(simulation.loads());
      simulation.turn(RETURNING, false);
      simulation.run(Math.max(10, (2 * life) / 1000));
      simulation.turn(RETURNING, true);
      const { moved } = simulation;
      simulation.seconds.length = 0;
      simulation.run(isFull ? 120 : 15);
      return { even, simulation, moves: (simulation.moved - moved) / simulation.seconds.length / 20 };
    };
    const [least, random] = [run('least'), run('random')];
    let [worst, worstOfReturning] = [0, 0];
    for (const arrivals of least.simulation.seconds) {
      const total = arrivals.reduce((sum, count) => sum + count, 0);
      arrivals.forEach((count, server) => {
        const fair = (total * (weights[server] ?? 0)) / all;
        // What chance adds to the largest share there may be, but once in a million times.
        const bound = LARGEST_FACTOR * fair + 5 * Math.sqrt(LARGEST_FACTOR * fair) + 1;
        assert.ok(count <= bound, `${count} in a second, where ${fair.toFixed(1)} would be fair`);
        worst = Math.max(worst, count / fair);
        if (server === RETURNING) worstOfReturning = Math.max(worstOfReturning, count / fair);
      });
    }
    const text = ({ deviation, largest }: ReturnType<typeof spread>) =>
      `deviation ${deviation.toFixed(3)}, largest ${largest.toFixed(2)} averages`;
    console.log(
      `# connections of ${life} ms, ${10 * rate} a second: load over weight with least ${text(least.even)}; with random ${text(random.even)}; most arrivals in a second ${worst.toFixed(2)} fair shares, of a server that returns empty ${worstOfReturning.toFixed(2)}; ${least.moves.toFixed(0)} entries moved a look`,
    );
    assert.ok(least.even.deviation < most * random.even.deviation);
    assert.ok(least.even.largest < 0.75 * random.even.largest);
    assert.is(random.moves, 0);
    // It has caught up with the others.
    const loads = least.simulation.loads();
    const average = loads.reduce((total, value) => total + value, 0) / loads.length;
    assert.ok((loads[RETURNING] ?? 0) > 0.6 * average, `${loads[RETURNING]} of ${average}`);
  });
}

test.run();
