import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Service } from '../../src/config/model.ts';
import { LoadWatch } from '../../src/daemon/load-watch.ts';
import type { LoadSource } from '../../src/load/levels.ts';
import type { TallyQuestion } from '../../src/netlink/tally.ts';
import { deployment, service } from './support/deployments.ts';

const least = (count: number): Service =>
  service(count, { dispatch: 'nat', translation: { scheduler: 'least', masquerade: false } });

/** Connections that cost `work` milliseconds of processors' time to count, in steps of 1; a clock and timers that a test turns. */
class World {
  now = 0;
  used = 0;
  work = 0;
  connections: readonly number[] = [];
  failure: string | undefined;
  turns = 0;
  readonly found: { loads: readonly (number | undefined)[]; elapsed: number }[] = [];
  readonly failures: string[] = [];
  readonly delays: number[] = [];
  #timer: (() => void) | undefined;
  readonly watch: LoadWatch;
  onTurn: () => void = () => undefined;

  constructor() {
    this.watch = new LoadWatch({
      count: (question) => this.#count(question),
      littleEndian: true,
      clock: () => this.now,
      used: () => this.used,
      startTimer: (callback, delay) => {
        this.delays.push(delay);
        this.#timer = callback;
        return { cancel: () => (this.#timer = undefined) };
      },
      turn: () => {
        this.turns++;
        // Somebody else's work is none of the look's.
        this.now += 100;
        this.used += 70;
        this.onTurn();
        return Promise.resolve();
      },
      found: (source, elapsed) => this.#take(source, elapsed),
      failed: (reason) => this.failures.push(reason),
    });
  }

  get isWaiting(): boolean {
    return this.#timer !== undefined;
  }

  /** Lets the time come, and the look end. */
  async look(): Promise<void> {
    this.now += this.delays.at(-1) ?? 0;
    const timer = this.#timer;
    this.#timer = undefined;
    timer?.();
    for (let turn = 0; turn < 200; turn++) await Promise.resolve();
  }

  *#count({ ranges }: TallyQuestion): Generator<void, Uint32Array> {
    for (let step = 0; step < this.work; step++) {
      this.now++;
      this.used++;
      yield;
    }
    if (this.failure !== undefined) throw new Error(this.failure);
    return Uint32Array.from(ranges, (_, index) => this.connections[index % this.connections.length] ?? 0);
  }

  #take(source: LoadSource, elapsed: number): void {
    const servers = least(3).servers;
    const seen = source('web', servers.slice(0, 2));
    assert.is(source('web', servers), undefined, 'who has not been counted is not known');
    this.found.push({ loads: servers.map(({ name }) => seen?.loads.get(name)), elapsed });
  }
}

test('nobody looks where nothing is placed by load', () => {
  const world = new World();
  world.watch.follow(deployment([service(2)]));
  assert.not.ok(world.isWaiting);
  world.watch.follow(deployment([least(2)]));
  assert.ok(world.isWaiting);
  assert.is(world.watch.countOf('web', 'web1'), undefined);
  world.watch.follow(deployment([service(2)]));
  assert.not.ok(world.isWaiting);
});

test('connections are counted twice a second, and others have their turn in between', async () => {
  const world = new World();
  world.connections = [3, 5];
  world.watch.follow(deployment([least(2)]));
  world.work = 9;
  await world.look();
  // Of both families.
  assert.equal(world.found, [{ loads: [6, 10, undefined], elapsed: Infinity }]);
  assert.is(world.watch.countOf('web', 'web2'), 10);
  assert.is(world.turns, 4, 'every 2 ms');
  assert.equal(world.delays, [500, 500]);
  await world.look();
  assert.is(world.found[1]?.elapsed, 500 + 9 + 400);
});

test('much to count is counted less often, by the work that it is and not by that of others', async () => {
  const world = new World();
  world.connections = [1, 1];
  world.watch.follow(deployment([least(2)]));
  world.work = 40;
  await world.look();
  assert.is(world.delays.at(-1), 50 * 40);
});

test('what cannot be counted is told once, shares stay, and it is tried again', async () => {
  const world = new World();
  world.connections = [1, 1];
  world.watch.follow(deployment([least(2)]));
  world.failure = 'busy';
  await world.look();
  await world.look();
  assert.equal([world.failures, world.found.length, world.isWaiting], [['busy'], 0, true]);
  world.failure = undefined;
  await world.look();
  assert.is(world.found.length, 1);
  world.failure = 'busy';
  await world.look();
  assert.equal(world.failures, ['busy', 'busy']);
});

test('a count of servers that have become others meanwhile is none, and the next one is of these', async () => {
  const world = new World();
  world.connections = [1, 1];
  world.work = 4;
  world.watch.follow(deployment([least(2)]));
  world.onTurn = () => {
    world.watch.follow(deployment([least(2)]));
    world.onTurn = () => undefined;
  };
  await world.look();
  assert.equal([world.found.length, world.isWaiting], [0, true]);
  await world.look();
  assert.is(world.found.length, 1);
  world.onTurn = () => world.watch.close();
  await world.look();
  assert.equal([world.found.length, world.isWaiting], [1, false]);
});

test.run();
