import * as assert from 'uvu/assert';
import { families, ghostPlaces, wanClient } from './addresses.ts';
import type { Lab } from './lab.ts';
import { configuration, eachOf, figure, whoAnswers } from './scenario.ts';
import { echoPort } from './servers.ts';
import { labSuite } from './suite.ts';

const weights = { s1: 200, s2: 100, s3: 100, s4: 50 };
const turns = ghostPlaces.elsewhere;
const chance = { 4: '192.0.2.82', 6: '2001:db8:80::82' };
const services = { turns, chance };

function configurationOf(lab: Pick<Lab, 'servers' | 'ghosts'>): string {
  const options = { port: String(echoPort) };
  return configuration(
    lab,
    {
      turns: { ghost: families.map((family) => turns[family]), options: { ...options, scheduler: 'round_robin' } },
      chance: { ghost: families.map((family) => chance[family]), options: { ...options, scheduler: 'random' } },
    },
    weights,
  );
}

const { test, run } = labSuite('connections placed one by one', { ghosts: [...families.map((f) => turns[f]), ...families.map((f) => chance[f])] }, (lab) => configurationOf(lab));

/** How far counts are from what the weights promise (Pearson). */
function chiSquare(counts: ReadonlyMap<string, number>): number {
  const sum = [...counts.values()].reduce((total, count) => total + count, 0);
  const all = Object.values(weights).reduce((total, weight) => total + weight, 0);
  return Object.entries(weights).reduce((total, [name, weight]) => {
    const expected = (sum * weight) / all;
    return total + ((counts.get(name) ?? 0) - expected) ** 2 / expected;
  }, 0);
}

/** Of chi-square with three degrees of freedom one value in 100 000 is larger. */
const LARGEST_CHI_SQUARE = 25.9;
const connections = 450;

test('connections of one client spread by the weights', async ({ lab }) => {
  for (const [service, ghost] of Object.entries(services)) {
    for (const family of families) {
      for (const transport of ['tcp', 'udp'] as const) {
        const counts = new Map<string, number>();
        await eachOf(Array<string>(connections).fill(wanClient(family, 5)), 32, async (client) => {
          const { server } = await whoAnswers(lab, lab.wan, transport, client, ghost[family], echoPort);
          counts.set(server, (counts.get(server) ?? 0) + 1);
        });
        const distance = chiSquare(counts);
        figure(
          `${service}, IPv${family}, ${transport}: ${[...counts].sort().join(' ')}; chi-square ${distance.toFixed(2)}`,
        );
        assert.ok(distance < LARGEST_CHI_SQUARE, `${service} ${distance}`);
        if (service === 'turns') assert.ok(distance < 0.1, `turns are no matter of chance: ${distance}`);
      }
    }
  }
});

run();
