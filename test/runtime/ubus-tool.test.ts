/**
 * The client against the real thing: ubusd and the `ubus` tool, whose paths `ONEIP_UBUSD` and `ONEIP_UBUS` give. Without
 * them nothing is checked here, and that is said.
 */
import { fileStatus, getenv, setTimer, spawn } from 'oneip:runtime';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { LogicalInterfaces } from '../../src/host/logical-interfaces.ts';
import { connectUnix } from '../../src/host/ubus-transport.ts';
import { Typed, double, int64 } from '../../src/ubus/blobmsg.ts';
import { UbusClient } from '../../src/ubus/client.ts';
import { method } from '../../src/ubus/object.ts';
import { Status, UbusError } from '../../src/ubus/status.ts';
import type { Outcome } from './support/script.ts';
import { removeScratch, run, scratchPath } from './support/script.ts';
import { sleep, until } from './support/turns.ts';

const ubusd = getenv('ONEIP_UBUSD') ?? '';
const tool = getenv('ONEIP_UBUS') ?? '';
const present = ubusd !== '' && tool !== '';
const path = scratchPath();

const ubus = (...words: string[]): Promise<Outcome> => run([tool, '-s', path, ...words]);

const values = {
  nothing: null,
  list: [1, 'two', [true]],
  table: { inner: 'x' },
  text: 'zażółć "😀"',
  small: 5,
  wide: int64(5),
  large: 2n ** 62n,
  negative: new Typed('int16', -3),
  flag: true,
  real: double(1.5),
};
const printed = {
  nothing: null,
  list: [1, 'two', [true]],
  table: { inner: 'x' },
  text: 'zażółć "😀"',
  small: 5,
  wide: 5,
  large: 2 ** 62,
  negative: -3,
  flag: true,
  real: 1.5,
};

function publish(client: UbusClient): ReturnType<UbusClient['publish']> {
  return client.publish('test.object', {
    values: method({}, () => values),
    take: method({ text: 'string', number: 'int32', flag: 'int8', list: 'array', table: 'table' }, (args) => ({
      ...args,
    })),
    later: method({}, () => sleep(100).then(() => ({ late: true }))),
    refuse: method({}, () => {
      throw new UbusError(Status.NO_DATA);
    }),
  });
}

const clients: UbusClient[] = [];

function connect(): UbusClient {
  const client = new UbusClient({ open: connectUnix(path), setTimer });
  clients.push(client);
  client.connect();
  return client;
}

test('what the environment names is there', () => {
  if (!present) console.log('# NOT CHECKED AGAINST A REAL ubusd: ONEIP_UBUSD and ONEIP_UBUS name none');
  for (const program of [ubusd, tool]) assert.ok(program === '' || fileStatus(program) !== null, program);
});

/** Starts the real ubusd for the time of a test. */
async function withUbusd(play: () => Promise<void>): Promise<void> {
  let ended = false;
  const daemon = spawn([ubusd, '-s', path], {}, () => (ended = true));
  try {
    await until(() => fileStatus(path) !== null, 'ubusd listens');
    await play();
  } finally {
    for (const client of clients) client.close();
    daemon.kill('SIGTERM');
    await until(() => ended, 'ubusd has ended');
  }
}

async function meetTools(): Promise<void> {
  const client = connect();
  const object = publish(client);
  await object.whenEstablished();

  assert.is((await ubus('list')).stdout, 'test.object\n');
  const listing = (await ubus('-v', 'list', 'test.object')).stdout;
  assert.match(listing, /^'test\.object' @[0-9a-f]+\n\t"values":\{\}\n/);
  assert.ok(
    listing.includes('"take":{"text":"String","number":"Integer","flag":"Boolean","list":"Array","table":"Table"}'),
    listing,
  );

  assert.equal(JSON.parse((await ubus('call', 'test.object', 'values')).stdout), printed);
  const args = { text: 'x', number: 7, flag: true, list: [1, 'a'], table: { deep: { deeper: [null] } } };
  assert.equal(
    JSON.parse((await ubus('call', 'test.object', 'take', JSON.stringify({ ...args, other: 1 }))).stdout),
    args,
  );
  assert.equal(JSON.parse((await ubus('call', 'test.object', 'later')).stdout), { late: true });
  const statuses = [];
  for (const words of [['refuse'], ['missing'], ['take', '{"text":1}']])
    statuses.push((await ubus('call', 'test.object', ...words)).status);
  // The tool exits with the negated status.
  const expected = [Status.NO_DATA, Status.METHOD_NOT_FOUND, Status.INVALID_ARGUMENT].map((status) => 256 - status);
  assert.equal(statuses, expected);

  const listening = ubus('-t', '1', 'listen', 'oneip.*');
  const subscribing = ubus('-t', '1', 'subscribe', 'test.object');
  await until(() => object.hasSubscribers, 'the tool has subscribed');
  await sleep(100);
  await client.sendEvent('oneip.changed', { number: 1 });
  object.notify('changed', { number: 2 });
  assert.equal(JSON.parse((await listening).stdout), { 'oneip.changed': { number: 1 } });
  assert.equal(JSON.parse((await subscribing).stdout), { changed: { number: 2 } });
  await until(() => !object.hasSubscribers, 'the tool has unsubscribed');

  const heard: unknown[] = [];
  await client.listen('other.*', (name, data) => heard.push([name, data])).whenEstablished();
  assert.is((await ubus('send', 'other.event', '{"big":4294967296,"real":0.5,"list":[true,null]}')).status, 0);
  await until(() => heard.length > 0, 'heard');
  assert.equal(heard, [['other.event', { big: 4294967296, real: 0.5, list: [true, null] }]]);

  const waiting = ubus('-t', '5', 'wait_for', 'network.interface');
  await sleep(100);
  const netifd = connect();
  const devices = new Map([['wan', 'eth1']]);
  const dump = method({}, () => ({
    interface: [...devices].map(([name, device]) => ({ interface: name, up: true, l3_device: device, device })),
  }));
  const interface_ = netifd.publish('network.interface', { dump });
  assert.is((await waiting).status, 0);
  const interfaces = new LogicalInterfaces(client, setTimer, () => undefined);
  await until(() => interfaces.devices.get('wan') === 'eth1', 'wan is known');
  devices.set('wan', 'pppoe-wan');
  interface_.notify('interface.update', { interface: 'wan' });
  await until(() => interfaces.devices.get('wan') === 'pppoe-wan', 'wan has changed');
}

if (present) test('real tools and this client understand each other', () => withUbusd(meetTools));
test.after(removeScratch);
test.run();
