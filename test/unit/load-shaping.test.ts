import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Service } from '../../src/config/model.ts';
import { LoadShaping } from '../../src/daemon/load-shaping.ts';
import type { Count } from '../../src/daemon/router.ts';
import type { SlotTables } from '../../src/deployment/deployment.ts';
import { slotTables } from '../../src/deployment/slot-tables.ts';
import type { Factors } from '../../src/load/factors.ts';
import { parseFactors } from '../../src/load/factors.ts';
import type { ServiceLoads } from '../../src/load/loads.ts';
import { movedSlots } from '../../src/load/step.ts';
import type { Squad } from '../../src/membership/fleet.ts';
import type { Member, ServerState } from '../../src/membership/members.ts';
import { serverCounter } from '../../src/ruleset/slot-map.ts';
import { service } from './support/deployments.ts';

const MINUTE = 60_000;

/** A service of three servers in a daemon that is not there, its clock, and packets that its servers get. */
class World {
  readonly service: Service = service(3, { slots: 4096, adapt: true });
  readonly states = new Map<string, ServerState>();
  /** Packets a second of each server that a factor of 1 would bring. */
  rates = [300, 100, 100];
  reported: ServiceLoads | undefined;
  isChanging = false;
  kept = '';
  readonly moves: { readonly at: number; readonly slots: number }[] = [];
  readonly shaping: LoadShaping;
  now = 0;
  tables: SlotTables = {};
  #since = 0;
  readonly #packets = new Map<string, number>();
  #timers: { readonly at: number; readonly callback: () => void }[] = [];

  constructor(factors: ReadonlyMap<string, Factors> = new Map()) {
    this.shaping = new LoadShaping(
      {
        fleet: () => new Map([['web', this.squad()]]),
        counters: () => this.#counters(),
        reported: () => this.reported,
        clock: () => this.now,
        startTimer: (callback, delay) => {
          const timer = { at: this.now + delay, callback };
          this.#timers.push(timer);
          return { cancel: () => (this.#timers = this.#timers.filter((other) => other !== timer)) };
        },
        turn: () => Promise.resolve(),
        reconcile: () => {
          this.#allocate();
          return Promise.resolve();
        },
        keep: (text) => (this.kept = text),
        moved: (name, slots) => {
          assert.is(name, 'web');
          this.moves.push({ at: this.now, slots });
        },
      },
      factors,
    );
    this.#allocate();
    this.shaping.follow([this.service]);
  }

  get isWaiting(): boolean {
    return this.#timers.length > 0;
  }

  setState(server: string, state: ServerState): void {
    this.states.set(server, state);
    this.#since = this.now;
  }

  squad(): Squad {
    const factors = this.shaping.factorsOf(this.service);
    const members = this.service.servers.map((server): Member => ({
      ...{ server, state: this.states.get(server.name) ?? 'up', since: this.#since },
      ...{ decider: 'watchdog', reason: '', alive: true },
    }));
    const standing = { down: new Set<string>(), leaving: new Set<string>(), ...(factors ? { factors } : {}) };
    const roster = { service: this.service, added: new Set<string>(), leaving: new Set<string>() };
    const transition = this.isChanging ? { transition: {} as NonNullable<Squad['transition']> } : {};
    return { roster, members, standing, tables: this.tables, ...transition };
  }

  /** Lets time pass, timer by timer. */
  async pass(time: number): Promise<void> {
    const end = this.now + time;
    for (;;) {
      const [next] = this.#timers.filter(({ at }) => at <= end).sort((one, other) => one.at - other.at);
      if (!next) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.#count(next.at - this.now);
      this.now = next.at;
      next.callback();
      while (!this.isWaiting) await Promise.resolve();
    }
    this.#count(end - this.now);
    this.now = end;
  }

  #allocate(): void {
    this.tables = slotTables(this.service, this.squad().standing);
  }

  #count(time: number): void {
    this.service.servers.forEach(({ name }, at) => {
      const factor = this.shaping.factorsOf(this.service)?.get(name) ?? 1;
      const more = ((this.rates[at] ?? 0) * factor * time) / 1000;
      this.#packets.set(name, (this.#packets.get(name) ?? 0) + more);
    });
  }

  #counters(): Map<string, Count> {
    return new Map(
      [...this.#packets].map(([name, packets]) => [
        serverCounter('web', name),
        { packets: BigInt(Math.round(packets)), bytes: 0n },
      ]),
    );
  }
}

test('the first step comes when the load is known, others a minute apart at least, and each is written down', async () => {
  const world = new World();
  const start = world.tables;
  await world.pass(5 * MINUTE);
  assert.equal(world.moves, []);
  await world.pass(MINUTE);
  assert.is(world.moves.length, 1);
  assert.ok(movedSlots(start, world.tables) <= 40);
  const factors = parseFactors(world.kept).get('web');
  assert.equal(factors, world.shaping.factorsOf(world.service));
  assert.ok((factors?.get('web1') ?? 1) < 1);
  await world.pass(10 * MINUTE);
  assert.ok(world.moves.length > 7 && world.moves.length <= 11, `${world.moves.length} steps`);
  world.moves.forEach(({ at, slots }, index) => {
    assert.ok(slots > 0 && slots <= 40, `${slots} slots`);
    assert.ok(at - (world.moves[index - 1]?.at ?? 0) >= MINUTE);
  });
  await world.pass(120 * MINUTE);
  const settled = world.moves.length;
  await world.pass(60 * MINUTE);
  assert.is(world.moves.length, settled, 'where the load is even, nothing moves any more');
});

test('nothing moves amid a change, while a server is not up, nor just after it is', async () => {
  for (const state of ['down', 'draining', 'drained'] as const) {
    const world = new World();
    world.setState('web2', state);
    await world.pass(20 * MINUTE);
    assert.equal(world.moves, [], state);
    world.setState('web2', 'up');
    await world.pass(5 * MINUTE);
    assert.equal(world.moves, [], `just after ${state}`);
    await world.pass(2 * MINUTE);
    assert.ok(world.moves.length > 0, `after ${state}`);
  }
  const world = new World();
  await world.pass(7 * MINUTE);
  const before = world.moves.length;
  assert.ok(before > 0);
  world.isChanging = true;
  await world.pass(60 * MINUTE);
  assert.is(world.moves.length, before);
  world.isChanging = false;
  await world.pass(2 * MINUTE);
  assert.ok(world.moves.length > before);
});

test('what servers report counts before their packets', async () => {
  const world = new World();
  const loads = new Map([
    ['web1', 10],
    ['web2', 10],
    ['web3', 30],
  ]);
  world.reported = { kind: 'script', loads, at: 0 };
  await world.pass(7 * MINUTE);
  const factors = world.shaping.factorsOf(world.service);
  assert.ok((factors?.get('web3') ?? 1) < 1 && (factors?.get('web1') ?? 1) > 1);
});

test('an earlier run’s factors hold; switched off they are gone, and nobody looks any more', () => {
  const factors = new Map([
    [
      'web',
      new Map([
        ['web1', 0.5],
        ['web2', 1.25],
        ['web3', 1.25],
      ]),
    ],
  ]);
  const world = new World(factors);
  assert.is(world.shaping.factorsOf(world.service), factors.get('web'));
  assert.ok(world.isWaiting);
  const plain = service(3);
  assert.is(world.shaping.factorsOf(plain), undefined);
  world.shaping.follow([plain]);
  assert.is(world.shaping.factorsOf(world.service), undefined);
  assert.is(parseFactors(world.kept).size, 0);
  assert.not.ok(world.isWaiting);
  world.shaping.close();
});

test.run();
