import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Refusals } from '../../src/channel/freshness.ts';
import { ChannelWorld, SERVERS, SLOTS, TABLES } from './channel-world.ts';
import type { Owners } from './channel-world.ts';
import { Random } from './support/random.ts';

// Somebody on the servers' network who has not the key: forges, records and sends again, cuts off.

const { ONEIP_FULL: full = false, ONEIP_FOREIGN: foreign = false } = globalThis as {
  ONEIP_FULL?: boolean;
  ONEIP_FOREIGN?: boolean;
};
// The engine of routers takes a second for some thousands of tags.
const attempts = typeof process !== 'undefined' || full ? 100_000 : foreign ? 1_000 : 10_000;

const FIRST: Owners = Array.from({ length: SLOTS }, (_, slot) => slot % 4);
const SECOND: Owners = Array.from({ length: SLOTS }, (_, slot) => (slot + 1) % 4);

function picture(world: ChannelWorld): string {
  const owned = SERVERS.map((server) =>
    TABLES.map((table) => FIRST.map((_, slot) => (world.servers.get(server)?.owns(table, slot) ? 1 : 0)).join('')),
  );
  return JSON.stringify([owned, [...world.servers.values()].map(({ hold }) => hold)]);
}

function total(refusals: Refusals | undefined): number {
  return Object.values(refusals ?? {}).reduce((sum, count) => sum + count, 0);
}

/** What an attacker makes of what he has recorded, and by which reason it is refused. */
const attacks = ['forged', 'replayed', 'truncated'] as const;

test(`${attempts} forged, replayed and cut messages change nothing, and each is counted`, () => {
  const random = new Random(5);
  const world = new ChannelWorld(1, FIRST);
  world.run(3000);
  assert.equal(world.wrong(), []);
  const before = picture(world);
  const recorded = world.recorded.filter((datagram) => datagram[3] !== 3);
  const reports = world.recorded.filter((datagram) => datagram[3] === 3);
  const anna = world.servers.get('anna');
  // The first message of an end that has not shown yet that it is of now is counted, too.
  const [known, heard] = [total(anna?.refusals), total(world.router?.refusals)];
  const greetings = (anna?.refusals.old ?? 0) + (world.router?.refusals.old ?? 0);
  assert.is(greetings, known + heard);
  const counts = { forged: 0, replayed: 0, truncated: 0 };
  for (let attempt = 0; attempt < attempts; attempt++) {
    const isForRouter = attempt % 2 === 1;
    const originals = isForRouter ? reports : recorded;
    const original = originals[random.below(originals.length)] ?? new Uint8Array(0);
    const attack = attacks[random.below(attacks.length)] ?? 'forged';
    counts[attack]++;
    const datagram = attack === 'truncated' ? original.subarray(0, random.below(original.length)) : original.slice();
    if (attack === 'forged') {
      // Behind the header, whose faults have other reasons.
      const at = 6 + random.below(datagram.length - 6);
      datagram[at] = (datagram[at] ?? 0) ^ (1 << random.below(8));
    }
    world.inject(isForRouter ? 'router' : 'anna', datagram);
  }
  assert.is(picture(world), before);
  const refused = [anna?.refusals, world.router?.refusals];
  assert.is(total(refused[0]) + total(refused[1]), attempts + greetings);
  assert.is((refused[0]?.forged ?? 0) + (refused[1]?.forged ?? 0), counts.forged);
  assert.is((refused[0]?.truncated ?? 0) + (refused[1]?.truncated ?? 0), counts.truncated);
  const again = refused.reduce((sum, entry) => sum + (entry?.replayed ?? 0) + (entry?.old ?? 0), 0);
  assert.is(again, counts.replayed + greetings);
  assert.equal(world.faults, []);
  // And the right messages are heard as ever.
  world.want(SECOND);
  world.run(world.now + 1000);
  assert.equal(world.wrong(), []);
});

test('recordings from before a restart are of no use, whichever end it was', () => {
  const world = new ChannelWorld(2, FIRST);
  world.run(3000);
  const old = [...world.recorded];
  world.want(SECOND);
  world.run(4000);
  for (const restarted of [['anna'], ['router'], ['router', ...SERVERS]]) {
    for (const name of restarted) world.kill(name, 10);
    world.run(world.now + 11);
    for (const datagram of old) for (const name of ['router', ...SERVERS]) world.inject(name, datagram);
    world.run(world.now + 1000);
    assert.equal(world.faults, []);
    assert.equal(world.wrong(), [], restarted.join());
  }
});

test('recordings do not stop a service whose router has died', () => {
  const world = new ChannelWorld(3, FIRST);
  world.run(3000);
  const old = [...world.recorded];
  world.kill('router', 3_600_000);
  world.run(60_000);
  assert.equal(world.wrong(), []);
  for (const datagram of old) for (const name of SERVERS) world.inject(name, datagram);
  world.run(120_000);
  assert.equal(world.wrong(), []);
});

test.run();
