import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DATAGRAM } from '../../src/channel/message.ts';
import { RouterEnd } from '../../src/channel/router-end.ts';
import { Seal } from '../../src/channel/seal.ts';
import { ServerEnd } from '../../src/channel/server-end.ts';
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
  const world = new ChannelWorld(1, FIRST, 0);
  world.run(3000);
  assert.equal(world.wrong(), []);
  const delivered = world.recorded.length;
  world.want(SECOND);
  world.run(world.now + 1000);
  assert.equal(world.wrong(), []);
  assert.is(tablesSince(world, delivered), 2 * TABLES.length);
});

test('one that hears late keeps nobody else waiting for long, and little more is said', () => {
  const world = new ChannelWorld(2, FIRST, 0);
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

/** Many ends on a network that takes 10 ms for everything, in simulated time. */
class Crowd {
  readonly names: readonly string[];
  readonly servers: readonly ServerEnd[];
  readonly router: RouterEnd;
  /** What the router has sent. */
  sent: Uint8Array[] = [];
  now = 0;
  #flying: readonly Uint8Array[] = [];

  constructor(count: number) {
    // Tags have a test of their own.
    const seal = new Seal('', { hmacSha256: () => new Uint8Array(32), equalBytes: () => true });
    this.names = Array.from({ length: count }, (_, index) => `web${index}`);
    const common = { seal, configured: () => [], now: 0 };
    this.servers = this.names.map((server, index) => new ServerEnd({ ...common, server, session: BigInt(index + 1) }));
    this.router = new RouterEnd({ seal, epoch: 7n, now: 0 });
  }

  want(owners: Uint16Array): void {
    const table = { service: 'web', members: this.names, owners, meaning: '' };
    const tables = [
      { ...table, family: 4 as const },
      { ...table, family: 6 as const },
    ];
    this.#send(this.router.want({ tables, servers: this.names }, this.now).messages);
  }

  step(): void {
    this.now += 10;
    const arrived = this.#flying;
    this.#flying = [];
    const reports = this.servers.flatMap((server) => [
      ...arrived.flatMap((datagram) => server.receive(datagram, this.now).messages),
      ...(server.next() <= this.now ? server.advance(this.now).messages : []),
      // Nothing is open anywhere.
      ...server.releasing().flatMap((table) => server.keep(table, [], this.now).messages),
    ]);
    for (const report of reports) this.#send(this.router.receive(report, this.now).messages);
    if (this.router.next(this.now) <= this.now) this.#send(this.router.advance(this.now).messages);
  }

  /** Servers that do not hold exactly what they shall. */
  wrong(owners: Uint16Array): number {
    const held = this.servers.map((end) => end.tables());
    return held.filter((tables, server) => {
      const name = this.names[server];
      const isRight = tables.every(({ members, owners: told }) => {
        const own = members.indexOf(name ?? '');
        return owners.every((owner, slot) => (owner === server) === (told[slot] === own));
      });
      return tables.length !== 2 || !isRight;
    }).length;
  }

  #send(messages: readonly Uint8Array[]): void {
    this.sent.push(...messages);
    this.#flying = [...this.#flying, ...messages];
  }
}

test('75 servers with 4096 slots: a change is everywhere at once, and no message goes in fragments', () => {
  const crowd = new Crowd(75);
  const first = Uint16Array.from({ length: 4096 }, (_, slot) => slot % 75);
  crowd.want(first);
  while (crowd.now < 2000) crowd.step();
  assert.is(crowd.wrong(first), 0);
  const second = first.map((owner, slot) => (slot % 8 === 0 ? (owner + 1) % 75 : owner));
  crowd.sent = [];
  const begin = crowd.now;
  crowd.want(second);
  while (crowd.wrong(second) > 0 && crowd.now < begin + 1000) crowd.step();
  // Out and back, and out again; those that have just reported wait for 20 ms.
  assert.ok(crowd.now - begin <= 100, `after ${crowd.now - begin} ms`);
  const tables = crowd.sent.filter((datagram) => datagram[3] === 2);
  assert.is(tables.length, 3 * 2 * 2, 'three parts, two families, released and granted');
  for (const { length } of crowd.sent) assert.ok(length <= DATAGRAM, `${length} bytes`);
});

test.run();
