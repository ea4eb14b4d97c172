import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { method } from '../../src/ubus/object.ts';
import { Status, UbusError } from '../../src/ubus/status.ts';
import { Broker } from '../ubus/broker.ts';
import { scene, statusOf } from '../ubus/scene.ts';

const echo = method({}, (_, call) => ({ from: call.user ?? '' }));

scene('events reach those whose pattern matches, once each, and not their sender', async (set) => {
  const sender = await set.client();
  const ear = await set.client();
  const heard: unknown[] = [];
  ear.listen('oneip.*', (name, data) => heard.push(['prefix', name, data]));
  ear.listen('oneip.changed', (name) => heard.push(['exact', name]));
  sender.listen('*', (name) => heard.push(['sender', name]));
  await set.bus.settle();
  await sender.sendEvent('oneip.changed', { value: 1 });
  await sender.sendEvent('oneip');
  await sender.sendEvent('oneip.');
  await set.bus.settle();
  assert.equal(heard, [
    ['prefix', 'oneip.changed', { value: 1 }],
    ['exact', 'oneip.changed'],
    ['prefix', 'oneip.', {}],
  ]);
  assert.is(await statusOf(sender.sendEvent('ubus.x')), Status.PERMISSION_DENIED);
});

scene('a cancelled listener, subscription or object is off the bus', async (set) => {
  const client = await set.client();
  const before = set.broker.objects.size;
  const registrations = [
    client.listen('a', () => undefined),
    client.publish('test', {}),
    client.subscribe('other', { notified: () => undefined }),
  ];
  await set.bus.settle();
  assert.is(set.broker.objects.size, before + 3);
  for (const registration of registrations) registration.cancel();
  // This one before it has come about.
  client.publish('other', {}).cancel();
  await set.bus.settle();
  assert.is(set.broker.objects.size, before);
});

scene('subscribers hear notifications, and the publisher hears their answers', async (set) => {
  const publisher = await set.client();
  const active: boolean[] = [];
  const object = publisher.publish('test', {}, (some) => active.push(some));
  await set.bus.settle();
  assert.equal(await object.ask('nobody', {}), []);
  const one = await set.client();
  const two = await set.client();
  const heard: unknown[] = [];
  const first = one.subscribe('test', { notified: (type, data) => void heard.push([1, type, data]) });
  const second = two.subscribe('test', {
    notified: (type) => {
      heard.push([2, type]);
      if (type === 'refused') throw new UbusError(Status.PERMISSION_DENIED);
      return { answer: 42 };
    },
  });
  await set.bus.settle();
  assert.ok(first.joined && second.joined && object.hasSubscribers);
  object.notify('quiet', { id: 8 });
  await set.bus.settle();
  assert.equal(heard.splice(0), [
    [2, 'quiet'],
    [1, 'quiet', { id: 8 }],
  ]);
  const answers = await object.ask('changed', { id: 7 });
  assert.equal(
    answers.map(({ status, data }) => [status, data]),
    [
      [Status.OK, { answer: 42 }],
      [Status.OK, undefined],
    ],
  );
  assert.is(
    (await object.ask('refused', {})).find(({ status }) => status !== Status.OK)?.status,
    Status.PERMISSION_DENIED,
  );
  first.cancel();
  two.close();
  await set.bus.settle();
  assert.not(object.hasSubscribers);
  publisher.close();
  assert.equal(active, [true, false]);
});

scene('a subscriber that does not answer is reported when time is up', async (set) => {
  const publisher = await set.client();
  const object = publisher.publish('test', {});
  await set.bus.settle();
  const mute = await set.client();
  mute.subscribe('test', { notified: () => new Promise<undefined>(() => undefined) });
  const good = await set.client();
  good.subscribe('test', { notified: () => ({ good: true }) });
  await set.bus.settle();
  const asked = object.ask('changed', {}, 500);
  await set.bus.settle();
  await set.wait(500);
  assert.equal(
    (await asked).map(({ status, data }) => [status, data]),
    [
      [Status.OK, { good: true }],
      [Status.TIMEOUT, undefined],
    ],
  );
});

scene('a subscription follows its object as it comes and goes', async (set) => {
  const subscriber = await set.client();
  const told: string[] = [];
  subscriber.subscribe('test', {
    notified: (type) => void told.push(type),
    joined: () => told.push('joined'),
    left: () => told.push('left'),
  });
  await set.bus.settle();
  const publisher = await set.client();
  const other = publisher.publish('other', {});
  await set.bus.settle();
  assert.equal(told, []);
  const object = publisher.publish('test', {});
  await set.bus.settle();
  assert.equal(told.splice(0), ['joined']);
  object.notify('one', {});
  await set.bus.settle();
  assert.equal(told.splice(0), ['one'], 'once');
  object.cancel();
  await set.bus.settle();
  assert.equal(told.splice(0), ['left']);
  other.cancel();
  const again = publisher.publish('test', {});
  await set.bus.settle();
  again.notify('two', {});
  await set.bus.settle();
  assert.equal(told, ['joined', 'two']);
});

scene('object and subscription may come at the same time, in any order', async (set) => {
  for (let turns = 0; turns < 40; turns++) {
    const publisher = await set.client();
    const subscriber = await set.client();
    const path = `test${turns}`;
    subscriber.subscribe(path, { notified: () => undefined });
    for (let turn = 0; turn < turns; turn++) await Promise.resolve();
    publisher.publish(path, {});
    await set.bus.settle();
    assert.is(set.broker.byPath(path)?.subscribers.length, 1, `after ${turns} turns`);
  }
});

scene('after a restart of the broker all is registered again', async (set) => {
  const server = await set.client();
  const object = server.publish('test', { echo });
  const caller = await set.client();
  const heard: string[] = [];
  caller.listen('oneip', (name) => heard.push(name));
  const subscription = caller.subscribe('test', {
    notified: (type) => void heard.push(type),
    left: () => heard.push('left'),
  });
  await set.bus.settle();
  const pending = statusOf(caller.call('test', 'echo'));
  set.broker.stop();
  set.bus.broker = undefined;
  await set.bus.settle();
  assert.is(await pending, Status.CONNECTION_FAILED);
  assert.not(caller.connected || object.established || object.hasSubscribers || subscription.joined);
  assert.is(await statusOf(caller.call('test', 'echo')), Status.CONNECTION_FAILED);
  assert.equal(heard.splice(0), ['left']);
  await set.wait(1000);
  assert.is(set.reports.length, 2, 'each client complains once');
  set.bus.broker = new Broker();
  await set.wait(5000);
  await caller.whenReady();
  assert.ok(caller.connected && object.established && subscription.joined);
  assert.equal(await caller.call('test', 'echo'), { from: 'root' });
  object.notify('again', {});
  await server.sendEvent('oneip');
  await set.bus.settle();
  assert.equal(heard, ['again', 'oneip']);
});

scene('a path that is taken is tried again until it is free', async (set) => {
  const first = await set.client();
  const blocking = first.publish('test', {});
  await set.bus.settle();
  const second = await set.client();
  const object = second.publish('test', { echo });
  await set.bus.settle();
  assert.not(object.established);
  assert.match(set.reports.join(), /publishing test: .*invalid argument; trying again/);
  await set.wait(5000);
  assert.is(set.reports.length, 1);
  blocking.cancel();
  await set.wait(5000);
  assert.ok(object.established);
  assert.equal(await first.call('test', 'echo'), { from: 'root' });
});

scene('code of the user that throws disturbs nobody else', async (set) => {
  const publisher = await set.client();
  const object = publisher.publish('test', {}, () => {
    throw new Error('in subscribersChanged');
  });
  await set.bus.settle();
  const client = await set.client();
  const subscription = client.subscribe('test', {
    notified: () => undefined,
    joined: () => {
      throw new Error('in joined');
    },
  });
  client.listen('oneip', () => {
    throw new Error('in listen');
  });
  await set.bus.settle();
  await publisher.sendEvent('oneip');
  await set.bus.settle();
  assert.ok(subscription.joined && object.established && client.connected);
  for (const place of ['subscribersChanged', 'joined', 'listen'])
    assert.match(set.reports.join('\n'), new RegExp(`in ${place}`));
});

test.run();
