import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CALM, ChannelWorld, ROUTER, SERVERS, SLOTS } from './channel-world.ts';
import type { Owners } from './channel-world.ts';

// Random histories of the channel: whatever the network and the restarts do, no slot has two owners, and a second after the
// network is well again everybody is right.

const long = (globalThis as { ONEIP_FULL?: boolean }).ONEIP_FULL === true;
// The first of the same histories show that the runtime does as Node; it takes ten times as long for each, and more.
const isNode = typeof process !== 'undefined';

/** What a server does not hear, or who does not hear it. */
const TROUBLES = {
  'deaf to the router': (server: string) => [[ROUTER, server]],
  deaf: (server: string) => all.map((other) => [other, server]),
  mute: (server: string) => all.map((other) => [server, other]),
  'cut off': (server: string) =>
    all.flatMap((other) => [
      [server, other],
      [other, server],
    ]),
} as const;
const all = [ROUTER, ...SERVERS];
type Trouble = keyof typeof TROUBLES;

type Step =
  | { readonly kind: 'want'; readonly owners: Owners }
  | { readonly kind: 'kill'; readonly name: string; readonly time: number }
  | { readonly kind: 'pause'; readonly name: string; readonly time: number }
  | { readonly kind: 'cut'; readonly server: string; readonly trouble: Trouble }
  | { readonly kind: 'mend' }
  | { readonly kind: 'weather'; readonly loss: number; readonly doubled: number; readonly delayed: number }
  | { readonly kind: 'wait'; readonly time: number };

// One more than there are servers: nobody.
const owners = fc.array(fc.nat({ max: SERVERS.length }), { minLength: SLOTS, maxLength: SLOTS });
const share = (most: number) => fc.integer({ min: 0, max: most * 100 }).map((percent) => percent / 100);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('want' as const), owners }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('kill' as const),
      name: fc.constantFrom(...all),
      time: fc.integer({ min: 0, max: 12_000 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('pause' as const),
      name: fc.constantFrom(...all),
      time: fc.integer({ min: 0, max: 12_000 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('cut' as const),
      server: fc.constantFrom(...SERVERS),
      trouble: fc.constantFrom(...(Object.keys(TROUBLES) as Trouble[])),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('mend' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('weather' as const),
      loss: share(0.7),
      doubled: share(0.3),
      delayed: share(1),
    }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('wait' as const), time: fc.integer({ min: 0, max: 8000 }) }) },
);

test('no slot has two owners, and everybody is right a second after messages flow again', () => {
  fc.assert(
    fc.property(fc.integer(), owners, fc.array(step, { minLength: 5, maxLength: 25 }), (seed, first, steps) => {
      const world = new ChannelWorld(seed, first);
      for (const taken of steps) {
        if (taken.kind === 'want') world.want(taken.owners);
        else if (taken.kind === 'kill') world.kill(taken.name, taken.time);
        else if (taken.kind === 'pause') world.pause(taken.name, taken.time);
        else if (taken.kind === 'mend') world.mend();
        else if (taken.kind === 'weather') world.weather = taken;
        else if (taken.kind === 'cut') {
          for (const [from = '', to = ''] of TROUBLES[taken.trouble](taken.server)) world.cut(from, to);
        } else world.run(world.now + taken.time);
        assert.equal(world.faults, []);
      }
      world.weather = CALM;
      world.reviveAll();
      world.run(world.now + 1000);
      assert.equal(world.faults, []);
      assert.equal(world.wrong(), []);
      // One that has just ended is nobody's until its slot's owner has heard of it.
      const stray = world.stray();
      world.run(world.now + 500);
      assert.equal(
        world.stray().filter((line) => stray.includes(line)),
        [],
      );
      assert.equal(world.faults, []);
    }),
    { numRuns: isNode ? (long ? 3000 : 60) : long ? 60 : 20, seed: 1 },
  );
});

test.run();
