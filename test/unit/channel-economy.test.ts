import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ChannelWorld, SERVERS, SLOTS, TABLES } from './channel-world.ts';
import type { Owners } from './channel-world.ts';

// How much is said on the channel. Every server takes every table: of one for each acknowledgement all would have a day's work.

const FIRST: Owners = Array.from({ length: SLOTS }, (_, slot) => slot % 4);
/** A slot of everybody's has moved. */
const SECOND: Owners = Array.from({ length: SLOTS }, (_, slot) => (slot + 1) % 4);

/** Tables that the router has sent since so many datagrams had been delivered. */
function tablesSince({ recorded }: ChannelWorld, count: number): number {
  const tables = recorded.slice(count).filter((datagram) => datagram[3] === 2);
  return new Set(tables.map((datagram) => datagram.slice(6, 22).join())).size;
}

test('a change takes two tables of each family, whenever the servers let go', () => {
  const world = new ChannelWorld(1, FIRST);
  world.run(3000);
  assert.equal(world.wrong(), []);
  const delivered = world.recorded.length;
  world.want(SECOND);
  world.run(world.now + 1000);
  assert.equal(world.wrong(), []);
  assert.is(tablesSince(world, delivered), 2 * TABLES.length);
});

test('one that hears late keeps nobody else waiting for long, and little more is said', () => {
  const world = new ChannelWorld(2, FIRST);
  world.run(3000);
  const [late] = SERVERS;
  world.lateness.set(late, 900);
  // It moves nothing of the late one, which gets nothing either.
  const owners = FIRST.map((owner) => (owner === 0 ? 0 : 1 + (owner % 3)));
  const delivered = world.recorded.length;
  world.want(owners);
  world.run(world.now + 200);
  assert.equal(
    world.wrong().filter((line) => !line.includes(late)),
    [],
  );
  world.run(world.now + 2000);
  assert.equal(world.wrong(), []);
  assert.equal(world.faults, []);
  assert.ok(tablesSince(world, delivered) <= 24, `${tablesSince(world, delivered)} tables`);
});

test.run();
