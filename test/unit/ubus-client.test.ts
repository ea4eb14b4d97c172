import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Table } from '../../src/ubus/blobmsg.ts';
import { int64 } from '../../src/ubus/blobmsg.ts';
import { UbusClient } from '../../src/ubus/client.ts';
import { encodeMessage, MessageType } from '../../src/ubus/message.ts';
import { method } from '../../src/ubus/object.ts';
import { Status, UbusError } from '../../src/ubus/status.ts';
import { scene, statusOf } from '../ubus/scene.ts';

const echo = method({}, (_, call) => ({ from: call.user ?? '' }));

scene('a call reaches the method with its arguments, and the answer comes back', async (set) => {
  const server = await set.client();
  const seen: unknown[] = [];
  const object = server.publish('test', {
    weigh: method(
      { name: 'string', weight: 'int32', total: 'int64', share: 'double', on: 'int8', list: 'array' },
      (args, call) => {
        seen.push({ ...args }, call.user, call.group);
        return { total: int64(7), nested: { list: [1, 'two', null] } };
      },
    ),
    silent: method({}, () => undefined),
  });
  await object.whenEstablished();
  const caller = await set.client();
  const args = { name: 'a', weight: 3, total: 4, share: 1, on: 1, list: [], ubus_rpc_session: 'x' };
  assert.equal(await caller.call('test', 'weigh', args), { total: 7, nested: { list: [1, 'two', null] } });
  assert.equal(seen, [{ name: 'a', weight: 3, total: 4, share: 1, on: true, list: [] }, 'root', 'root']);
  assert.equal(await caller.call('test', 'silent'), {});
  await caller.call('test', 'weigh', { name: null });
  assert.equal(seen[3], {}, 'null counts as left out');
});

scene('arguments of another type never reach the method', async (set) => {
  const server = await set.client();
  const types = {
    text: 'string',
    number: 'int32',
    short: 'int16',
    flag: 'int8',
    table: 'table',
    list: 'array',
    real: 'double',
  } as const;
  server.publish('test', { take: method(types, () => undefined) });
  const caller = await set.client();
  for (const args of [
    { text: 1 },
    { number: 'x' },
    { number: 2 ** 31 },
    { number: 2n ** 62n },
    { number: 1.5 },
    { short: 32768 },
    { flag: 'yes' },
    { table: [] },
    { list: {} },
    { real: 'x' },
  ]) {
    assert.is(
      await statusOf(caller.call('test', 'take', args)),
      Status.INVALID_ARGUMENT,
      JSON.stringify(Object.keys(args)),
    );
  }
});

scene('statuses: what a method throws, what there is not, and what nobody expected', async (set) => {
  const server = await set.client();
  server.publish('test', {
    refuse: method({}, () => {
      throw new UbusError(Status.NO_DATA);
    }),
    odd: method({}, () => {
      throw new UbusError(200);
    }),
    partly: method({}, (_, call) => {
      call.reply({ half: true });
      throw new UbusError(Status.NOT_SUPPORTED);
    }),
    broken: method({}, () => {
      throw new TypeError('a mistake');
    }),
    brokenLater: method({}, async () => {
      await Promise.resolve();
      throw new TypeError('a later mistake');
    }),
    tooMuch: method({}, () => ({ text: 'x'.repeat(1048576) })),
  });
  const caller = await set.client();
  assert.is(await statusOf(caller.call('test', 'refuse')), Status.NO_DATA);
  assert.is(await statusOf(caller.call('test', 'odd')), 200);
  assert.is(await statusOf(caller.call('test', 'missing')), Status.METHOD_NOT_FOUND);
  assert.is(await statusOf(caller.call('test', 'toString')), Status.METHOD_NOT_FOUND);
  assert.is(await statusOf(caller.call('nowhere', 'x')), Status.NOT_FOUND);
  await caller.call('test', 'partly').catch((error: UbusError) => {
    assert.is(error.status, Status.NOT_SUPPORTED);
    assert.equal(error.data, { half: true });
    assert.match(error.message, /test partly: not supported/);
  });
  assert.equal(set.reports, []);
  assert.is(await statusOf(caller.call('test', 'broken')), Status.UNKNOWN_ERROR);
  assert.is(await statusOf(caller.call('test', 'brokenLater')), Status.UNKNOWN_ERROR);
  assert.is(await statusOf(caller.call('test', 'tooMuch')), Status.UNKNOWN_ERROR);
  assert.match(set.reports.join('\n'), /a mistake[^]*a later mistake[^]*at most 1048576/);
  let refused = '';
  await caller
    .call('test', 'refuse', { text: 'x'.repeat(1048576) })
    .catch((error: unknown) => (refused = String(error)));
  assert.match(refused, /at most 1048576/);
  assert.is(await statusOf(caller.call('test', 'refuse')), Status.NO_DATA, 'the connection lives on');
});

scene('calls wait for deferred answers, which come in any order, and may have several parts', async (set) => {
  const server = await set.client();
  const open: ((table: Table) => void)[] = [];
  server.publish('test', {
    later: method({}, () => new Promise<Table>((resolve) => open.push(resolve))),
    parts: method({}, (_, call) => {
      call.reply({ part: 1 });
      call.reply({ part: 2 });
      return { part: 3 };
    }),
  });
  const caller = await set.client();
  const answers: unknown[] = [];
  for (const number of [0, 1, 2]) void caller.call('test', 'later').then((answer) => answers.push([number, answer]));
  await set.bus.settle();
  for (const number of [2, 0, 1]) {
    open[number]?.({ number });
    await set.bus.settle();
  }
  assert.equal(answers, [
    [2, { number: 2 }],
    [0, { number: 0 }],
    [1, { number: 1 }],
  ]);
  const parts: unknown[] = [];
  assert.equal(await caller.call('test', 'parts', {}, { data: (table) => parts.push(table.part) }), { part: 3 });
  assert.equal(parts, [1, 2, 3]);
});

scene('a caller gives up in time, and the late answer finds nobody', async (set) => {
  const server = await set.client();
  let answer: (table: Table) => void = () => undefined;
  server.publish('test', {
    later: method({}, () => new Promise<Table>((resolve) => (answer = resolve))),
    now: method({}, () => ({ now: true })),
  });
  const caller = await set.client();
  const late = statusOf(caller.call('test', 'later', {}, { timeout: 200 }));
  await set.bus.settle();
  await set.wait(199);
  let over = false;
  void late.then(() => (over = true));
  await set.bus.settle();
  assert.not(over);
  await set.wait(1);
  assert.is(await late, Status.TIMEOUT);
  const between = caller.call('test', 'now');
  answer({ late: true });
  assert.equal(await between, { now: true });
  assert.equal(await caller.call('test', 'now'), { now: true });
});

scene('a server that vanishes in a call is only noticed by the time-out', async (set) => {
  const server = await set.client();
  server.publish('test', { later: method({}, () => new Promise<undefined>(() => undefined)) });
  const caller = await set.client();
  const call = statusOf(caller.call('test', 'later'));
  await set.bus.settle();
  server.close();
  await set.wait(1000);
  assert.is(await call, Status.TIMEOUT);
  assert.is(await statusOf(caller.call('test', 'later')), Status.NOT_FOUND);
});

scene('to close fails what waits, and leaves no timer behind', async (set) => {
  const server = await set.client();
  server.publish('test', { later: method({}, () => new Promise<undefined>(() => undefined)) });
  await set.bus.settle();
  const client = await set.client();
  // Refused, and waiting to be tried again.
  client.publish('test', {});
  const call = statusOf(client.call('test', 'later'));
  await set.bus.settle();
  client.close();
  assert.is(await call, Status.CONNECTION_FAILED);
});

scene('attempts to connect get rarer, and frequent again after a connection that held', async (set) => {
  const { broker } = set;
  set.bus.broker = undefined;
  const times: number[] = [];
  const open = set.bus.open;
  const client = new UbusClient({
    open: (listener) => {
      times.push(set.clock.now);
      return open(listener);
    },
    setTimer: set.clock.setTimer,
  });
  client.connect();
  await set.wait(20000);
  assert.equal(
    times.splice(0).map((time, index, all) => time - (all[index - 1] ?? 0)),
    [0, 100, 200, 400, 800, 1600, 3200, 5000, 5000],
  );
  set.bus.broker = broker;
  await set.wait(5000);
  assert.ok(client.connected);
  await set.wait(5000);
  times.length = 0;
  broker.stop();
  await set.bus.settle();
  const lost = set.clock.now;
  await set.wait(100);
  assert.equal(times, [lost + 100]);
  assert.ok(client.connected);
  client.close();
  await set.wait(10000);
  assert.is(times.length, 1);
});

scene('a peer that does not greet is left, and so is one whose framing is lost', async (set) => {
  const client = new UbusClient({
    open: () => ({ send: () => true, close: () => undefined }),
    setTimer: set.clock.setTimer,
    report: (problem) => set.reports.push(problem),
  });
  client.connect();
  await set.wait(5000);
  assert.match(set.reports.join(), /no HELLO; trying again/);
  client.close();
  set.reports.length = 0;

  const victim = await set.client();
  assert.ok(victim.connected);
  const [line] = set.broker.clients.values();
  line?.sendBytes(encodeMessage({ type: 77, seq: 1, peer: 0, attributes: {} }));
  line?.sendBytes(
    encodeMessage({ type: MessageType.invoke, seq: 1, peer: 5, attributes: { objectId: 99, method: 'x' } }),
  );
  line?.sendBytes(encodeMessage({ type: MessageType.status, seq: 999, peer: 0, attributes: {} }));
  await set.bus.settle();
  assert.ok(victim.connected, 'odd messages are passed over');
  line?.sendBytes(Uint8Array.from([0, 2, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff]));
  await set.bus.settle();
  assert.not(victim.connected);
  assert.match(set.reports.join(), /connection lost: framing lost: a message whose length/);
  await set.wait(100);
  assert.ok(victim.connected);
});

scene('an answer that cannot be read fails its call alone', async (set) => {
  const server = await set.client();
  server.publish('test', {
    broken: method({}, () => {
      const [line] = [...set.broker.clients.values()].slice(-1);
      const attributes = { objectId: [...set.broker.objects.keys()][0] ?? 0, data: Uint8Array.from([1, 2, 3]) };
      // The caller's first request was its look-up.
      line?.send({ type: MessageType.data, seq: 2, peer: attributes.objectId, attributes });
      return undefined;
    }),
    echo,
  });
  const caller = await set.client();
  assert.is(await statusOf(caller.call('test', 'broken')), Status.PARSE_ERROR);
  assert.equal(await caller.call('test', 'echo'), { from: 'root' });
});

scene('objects are listed with their methods, all, by prefix, or by path', async (set) => {
  const client = await set.client();
  client.publish('b.two', { weigh: method({ weight: 'int32', any: 'unspec' }, () => undefined) });
  client.publish('a.one', {});
  await set.bus.settle();
  const paths = async (path?: string): Promise<string[]> => (await client.lookup(path)).map((object) => object.path);
  assert.equal(await paths(), ['a.one', 'b.two']);
  assert.equal(await paths('b.*'), ['b.two']);
  assert.equal((await client.lookup('b.two'))[0]?.signature, { weigh: { weight: 5, any: 0 } });
  assert.is(await statusOf(client.lookup('c*')), Status.NOT_FOUND);
});

scene('it all works in pieces of three bytes', async (set) => {
  set.bus.pieceSize = 3;
  const server = await set.client();
  server.publish('test', { echo });
  const caller = await set.client();
  assert.equal(await caller.call('test', 'echo', { text: 'x'.repeat(500) }), { from: 'root' });
});

test.run();
