import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ChannelWorld, SLOTS } from './channel-world.ts';

test('a server to which everything comes two seconds late holds its slots, and gets and gives up others', () => {
  const quarter = (turn: number) => Array.from({ length: SLOTS }, (_, slot) => (slot + turn) % 4);
  const world = new ChannelWorld(1, quarter(0));
  world.lateness.set('bert', 2_000);
  world.run(10_000);
  assert.equal(world.wrong(), [], 'at the start');
  for (let second = 11; second <= 40; second++) {
    world.run(second * 1_000);
    assert.equal(world.wrong(), [], `while nothing happens, ${second} s`);
  }
  for (let turn = 1; turn <= 4; turn++) {
    world.want(quarter(turn));
    world.run(world.now + 6_000);
    assert.equal(world.wrong(), [], `after change ${turn}`);
  }
  assert.equal(world.faults, []);
});

test('a server to which everything comes two seconds late keeps its slots when the router stands still for more than a second', () => {
  const world = new ChannelWorld(
    1,
    Array.from({ length: SLOTS }, (_, slot) => slot % 4),
  );
  world.lateness.set('bert', 2_000);
  world.run(10_000);
  for (let turn = 0; turn < 20; turn++) {
    world.run(world.now + 4_000 + turn * 53);
    world.pause('router', 1_400);
    for (let step = 0; step < 50; step++) {
      world.run(world.now + 100);
      assert.equal(world.wrong(), [], `stop ${turn}, ${step * 100} ms later`);
    }
  }
  assert.equal(world.faults, []);
});

test.run();
