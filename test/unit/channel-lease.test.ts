import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { LEASE } from '../../src/channel/times.ts';
import { KernelLease, LONGEST } from '../../src/server/lease.ts';
import { CALM, ChannelWorld, ROUTER, SERVERS, SLOTS, TABLES } from './channel-world.ts';
import type { Owners } from './channel-world.ts';

// What servers do without the router, and without their daemons: goes on what may, and ends what must.

const dealt: Owners = Array.from({ length: SLOTS }, (_, slot) => slot % SERVERS.length);
/** Slots of one server, of both families. */
const SHARE = (SLOTS / SERVERS.length) * TABLES.length;
const FOREVER = 3_600_000;

function settled(seed: number): ChannelWorld {
  const world = new ChannelWorld(seed, dealt);
  world.run(3000);
  assert.equal(world.wrong(), []);
  return world;
}

/** Each server's share, by what the kernels take. */
const taken = (world: ChannelWorld): number[] => SERVERS.map((server) => world.takenBy(server));

function cutOff(world: ChannelWorld, server: string): void {
  for (const other of [ROUTER, ...SERVERS]) {
    world.cut(other, server);
    world.cut(server, other);
  }
}

test('the kernel of a server whose daemon is killed stops before others get its slots', () => {
  const world = settled(1);
  world.kill('anna', FOREVER);
  world.want(dealt.map((owner) => (owner === 0 ? 1 : owner)));
  world.run(world.now + 1000);
  assert.is(world.takenBy('anna'), SHARE);
  world.run(world.now + LEASE - 1000);
  assert.is(world.takenBy('anna'), 0);
  world.run(world.now + 2000);
  assert.equal(taken(world), [0, 2 * SHARE, SHARE, SHARE]);
  assert.equal(world.faults, []);
});

test('without the router all go on for ever, and the last one when the others die', () => {
  const world = settled(2);
  world.kill(ROUTER, FOREVER);
  world.run(world.now + 20_000);
  for (const [index, server] of SERVERS.slice(1).entries()) {
    world.kill(server, FOREVER);
    world.run(world.now + 10_000);
    assert.equal(
      taken(world),
      SERVERS.map((_, place) => (place === 0 || place > index + 1 ? SHARE : 0)),
    );
  }
  assert.equal(world.faults, []);
});

test('whoever is the only one that the router hears goes on without it, too', () => {
  const world = settled(3);
  for (const server of SERVERS.slice(1)) world.kill(server, FOREVER);
  world.run(world.now + 10_000);
  world.kill(ROUTER, FOREVER);
  for (let turn = 0; turn < 100; turn++) {
    world.run(world.now + 100);
    assert.is(world.takenBy('anna'), SHARE);
  }
});

test('a server that hears nobody any more takes nothing, whether or not it is heard', () => {
  for (const isHeard of [false, true]) {
    const world = settled(4);
    for (const other of [ROUTER, ...SERVERS]) world.cut(other, 'anna');
    if (!isHeard) cutOff(world, 'anna');
    world.want(dealt.map((owner) => (owner === 0 ? 1 : owner)));
    world.run(world.now + LEASE);
    assert.is(world.takenBy('anna'), 0);
    world.run(world.now + 20_000);
    assert.equal(taken(world), [0, 2 * SHARE, SHARE, SHARE]);
    world.mend();
    world.want(dealt);
    world.run(world.now + 1000);
    assert.equal(world.wrong(), []);
    assert.equal(world.faults, []);
  }
});

test('one that starts without hearing anybody takes nothing, and all do that start without a router', () => {
  const world = settled(5);
  world.want(dealt.map((owner) => (owner === 0 ? 1 : owner)));
  world.run(world.now + 1000);
  world.kill('anna', 0);
  world.run(world.now);
  for (const other of [ROUTER, ...SERVERS]) world.cut(other, 'anna', true);
  world.run(world.now + 20_000);
  assert.equal(taken(world), [0, 2 * SHARE, SHARE, SHARE]);
  assert.equal(world.faults, []);

  world.kill(ROUTER, FOREVER);
  for (const server of SERVERS) world.kill(server, 5000);
  world.run(world.now + 5000 + 3000);
  assert.equal(taken(world), [0, 0, 0, 0]);
  world.run(world.now + 3000);
  assert.equal(
    taken(world),
    SERVERS.map(() => SHARE),
  );
  assert.equal(world.faults, []);
});

test('one that starts without a router leaves what others hold', () => {
  const world = settled(6);
  world.want(dealt.map((owner) => (owner === 0 ? 1 : owner)));
  world.run(world.now + 1000);
  world.kill(ROUTER, FOREVER);
  world.run(world.now + 10_000);
  world.kill('anna', 1000);
  world.kill('cora', 1000);
  world.run(world.now + 20_000);
  assert.equal(taken(world), [0, 2 * SHARE, SHARE, SHARE]);
  assert.equal(world.faults, []);
});

test('a router that was stopped, or hears nobody, gives nothing away', () => {
  const swapped = dealt.map((owner) => (owner + 1) % SERVERS.length);
  const stopped = settled(7);
  stopped.pause(ROUTER, 20_000);
  stopped.want(swapped);
  for (let turn = 0; turn < 190; turn++) {
    stopped.run(stopped.now + 100);
    assert.equal(
      taken(stopped),
      SERVERS.map(() => SHARE),
    );
  }
  stopped.run(stopped.now + 2500);
  assert.equal(stopped.faults, []);
  assert.equal(stopped.wrong(), []);

  // Nor does it speak afterwards of a server that had died before: the others would wait for its word when the router dies.
  for (const hasDied of [false, true]) {
    const blinking = settled(10);
    if (hasDied) blinking.kill('dora', FOREVER);
    blinking.run(blinking.now + 10_000);
    blinking.pause(ROUTER, 10_000);
    blinking.run(blinking.now + 10_002);
    if (hasDied) blinking.run(blinking.now + 1000);
    blinking.kill(ROUTER, FOREVER);
    for (let turn = 0; turn < 100; turn++) {
      blinking.run(blinking.now + 100);
      assert.equal(
        taken(blinking),
        SERVERS.map((server) => (hasDied && server === 'dora' ? 0 : SHARE)),
      );
    }
  }

  const alone = settled(8);
  for (const server of SERVERS) {
    alone.cut(server, ROUTER);
    alone.cut(ROUTER, server);
  }
  alone.run(alone.now + 10_000);
  alone.want(swapped);
  alone.run(alone.now + 20_000);
  assert.equal(
    taken(alone),
    SERVERS.map(() => SHARE),
  );
  alone.mend();
  alone.run(alone.now + 1500);
  assert.equal(alone.faults, []);
  assert.equal(alone.wrong(), []);
});

test('a router that was stopped at its start gives away nothing that a server has taken since', () => {
  // Found among random histories: what that server reports of it is lost.
  const world = new ChannelWorld(
    0,
    dealt.map((_, slot) => (slot === 9 ? 2 : 0)),
  );
  world.cut(ROUTER, 'anna');
  world.run(86);
  world.pause(ROUTER, 4767);
  world.run(2548);
  world.want(dealt.map(() => 0));
  world.cut(ROUTER, 'anna');
  world.pause('cora', 973);
  world.weather = { loss: 0.61, doubled: 0.2, delayed: 0.7 };
  world.run(5623);
  assert.is(world.takenBy('cora'), TABLES.length);
  world.weather = CALM;
  world.reviveAll();
  world.run(7000);
  assert.equal(world.faults, []);
  assert.equal(world.wrong(), []);
});

test("a router that was stopped asks those, too, that were gone before: they may have come back and taken what was nobody's", () => {
  const swapped = dealt.map((owner) => (owner === 0 ? 1 : owner));
  for (const wasHeard of [true, false]) {
    const world = new ChannelWorld(11, dealt);
    if (wasHeard) world.run(3000);
    cutOff(world, 'anna');
    world.want(dealt.map((owner) => (owner === 0 ? SERVERS.length : owner)));
    world.run(world.now + 10_000);
    world.pause(ROUTER, 10_000);
    world.want(swapped);
    world.mend();
    world.cut('anna', ROUTER);
    world.run(world.now + 10_000);
    assert.is(world.takenBy('anna'), SHARE);
    world.cut('anna', ROUTER, true);
    world.run(world.now + 1500);
    assert.equal(world.faults, []);
    world.mend();
    world.run(world.now + 1000);
    assert.equal(world.faults, []);
    assert.equal(world.wrong(), []);
  }
});

test('a router that was stopped does not announce again what somebody has taken since, as nobody had it', () => {
  // Found among random histories: Cora had been given a slot and had not heard of it, and Bert came back without a router.
  const world = new ChannelWorld(380_701_127, [1, 2, 3, 1, 2, 0, 2, 2, 1, 2, 1, 3, 0, 1, 3, 4]);
  world.run(978);
  world.want([1, 4, 0, 4, 4, 4, 0, 0, 2, 1, 3, 0, 4, 1, 1, 4]);
  world.want([1, 4, 1, 1, 1, 4, 0, 0, 1, 3, 3, 3, 2, 0, 3, 1]);
  world.want([2, 1, 3, 1, 3, 4, 1, 2, 2, 3, 1, 3, 3, 0, 2, 1]);
  world.kill('bert', 10_101);
  world.kill('dora', 11_594);
  world.pause('cora', 10_180);
  world.want([2, 0, 3, 3, 4, 2, 1, 4, 2, 3, 3, 2, 3, 3, 2, 3]);
  world.run(4166);
  world.run(10_606);
  world.pause(ROUTER, 11_803);
  world.want([2, 3, 1, 1, 3, 4, 1, 0, 0, 0, 4, 4, 4, 0, 1, 4]);
  world.run(10_717);
  world.weather = { loss: 0.67, doubled: 0.3, delayed: 0.85 };
  world.run(16_010);
  world.run(20_824);
  world.run(22_175);
  world.run(24_517);
  assert.equal(world.faults, []);
  world.weather = CALM;
  world.run(world.now + 8000);
  assert.equal(world.faults, []);
  assert.equal(world.wrong(), []);
});

test('the kernel is told no more often than needed, and at once where it may take less', () => {
  const lease = new KernelLease();
  assert.is(lease.renew(-Infinity, 0), undefined);
  assert.is(lease.renew(4000, 100), LONGEST);
  assert.is(lease.renew(4500, 1600), undefined);
  assert.is(lease.renew(4500.5, 1700), 2800);
  assert.is(lease.renew(Infinity, 1800), undefined);
  assert.is(lease.renew(Infinity, 3100), LONGEST);
  assert.is(lease.renew(4000, 3200), 800);
  assert.is(lease.renew(-Infinity, 3300), 0);
  assert.is(lease.renew(-Infinity, 3400), undefined);
  assert.is(lease.renew(8000, 6000), 2000);
  lease.forget();
  assert.is(lease.renew(8000, 6001), 1999);
});

test('a server that was killed while the router was stopped is not taken for gone while its kernel goes on', () => {
  for (let early = 10; early < 1500; early += 400) {
    const world = settled(early);
    world.pause(ROUTER, 10_000);
    world.want(dealt.map((owner) => (owner === 0 ? 1 : owner)));
    world.run(world.now + 10_000 - early);
    world.kill('anna', FOREVER);
    world.run(world.now + 10_000);
    assert.equal(world.faults, []);
    assert.equal(taken(world), [0, 2 * SHARE, SHARE, SHARE]);
  }
});

test.run();
