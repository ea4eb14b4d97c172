/**
 * The client over real unix sockets, against the broker of the tests or, where `ONEIP_UBUSD` names it, a real ubusd
 * (`ONEIP_UBUSD=/sbin/ubusd oneip-runtime …`).
 */
import type { Process } from 'oneip:runtime';
import { Socket, fileStatus, getenv, removeFile, setTimer, spawn } from 'oneip:runtime';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { LogicalInterfaces } from '../../src/host/logical-interfaces.ts';
import { connectUnix } from '../../src/host/ubus-transport.ts';
import type { Table } from '../../src/ubus/blobmsg.ts';
import { encodeTable } from '../../src/ubus/blobmsg.ts';
import { UbusClient } from '../../src/ubus/client.ts';
import { MessageReader } from '../../src/ubus/framing.ts';
import type { Message, MessageAttributes } from '../../src/ubus/message.ts';
import { MessageType, encodeMessage } from '../../src/ubus/message.ts';
import { method } from '../../src/ubus/object.ts';
import { Status } from '../../src/ubus/status.ts';
import { BrokerServer } from '../ubus/broker-server.ts';
import { statusOf } from '../ubus/scene.ts';
import { removeScratch, scratchPath } from './support/script.ts';
import { sleep, until } from './support/turns.ts';

const ubusd = getenv('ONEIP_UBUSD');
const path = scratchPath();

/** What speaks for the bus at the moment. */
class Bus {
  #server: BrokerServer | undefined;
  #process: Process | undefined;

  async start(pieceSize?: number): Promise<void> {
    if (ubusd === undefined) {
      this.#server = new BrokerServer(path, pieceSize);
    } else {
      this.#process = spawn([ubusd, '-s', path], {}, () => (this.#process = undefined));
      await until(() => fileStatus(path) !== null, 'ubusd listens');
    }
  }

  async stop(): Promise<void> {
    this.#server?.stop();
    this.#server = undefined;
    this.#process?.kill('SIGTERM');
    await until(() => this.#process === undefined, 'ubusd has ended');
    if (fileStatus(path)) removeFile(path);
  }
}

const reports: string[] = [];
const clients: UbusClient[] = [];

function connect(timeout = 20000): UbusClient {
  const client = new UbusClient({
    open: connectUnix(path),
    setTimer,
    report: (problem) => reports.push(problem),
    timeout,
  });
  clients.push(client);
  client.connect();
  return client;
}

async function connected(timeout?: number): Promise<UbusClient> {
  const client = connect(timeout);
  await client.whenReady();
  return client;
}

function onBus(name: string, play: (bus: Bus) => Promise<void>): void {
  test(name, async () => {
    const bus = new Bus();
    await bus.start();
    try {
      await play(bus);
    } finally {
      for (const client of clients.splice(0)) client.close();
      await bus.stop();
      reports.length = 0;
    }
  });
}

/** A client of bare messages, which reads only when told. */
class RawClient {
  readonly socket = new Socket('unix', 'stream');
  readonly #reader = new MessageReader();
  #seq = 0;

  constructor() {
    this.socket.connect({ path });
  }

  send(type: number, attributes: MessageAttributes, peer = 0): void {
    const bytes = encodeMessage({ type, seq: ++this.#seq, peer, attributes });
    assert.is(this.socket.send(bytes), bytes.length);
  }

  /** Reads until nothing has come for a while. */
  async read(): Promise<Message[]> {
    const messages: Message[] = [];
    for (let idle = 0; idle < 10;) {
      const received = this.socket.receive(65536);
      if (received) {
        idle = 0;
        assert.is(
          this.#reader.push(received.data, (message) => messages.push(message)),
          undefined,
        );
      } else {
        idle++;
        await sleep(20);
      }
    }
    return messages;
  }
}

const echo = method({}, (_, call) => ({ data: call.data?.length ?? 0 }));

onBus('calls, events and notifications go over the socket', async () => {
  const server = await connected();
  const object = server.publish('test', { echo, repeat: method({ text: 'string' }, ({ text = '' }) => ({ text })) });
  await object.whenEstablished();
  const client = await connected();
  const heard: unknown[] = [];
  client.listen('oneip.*', (name, data) => heard.push([name, data]));
  client.subscribe('test', { notified: (type, data) => (heard.push([type, data]), { answer: 1 }) });
  await until(() => object.hasSubscribers, 'subscribed');
  assert.equal(await client.call('test', 'repeat', { text: 'zażółć 😀' }), { text: 'zażółć 😀' });
  assert.equal(
    (await object.ask('asked', { a: 1 })).map(({ status, data }) => [status, data]),
    [[Status.OK, { answer: 1 }]],
  );
  object.notify('told', { b: 2 });
  await server.sendEvent('oneip.event', { c: 3 });
  await until(() => heard.length === 3, 'all is heard');
  assert.equal(heard, [
    ['asked', { a: 1 }],
    ['told', { b: 2 }],
    ['oneip.event', { c: 3 }],
  ]);
  assert.is(await statusOf(client.call('nowhere', 'echo')), Status.NOT_FOUND);
  assert.equal(reports, []);
});

onBus('messages of the largest size go both ways, and larger ones not at all', async () => {
  const server = await connected();
  await server.publish('test', { repeat: method({ text: 'string' }, ({ text = '' }) => ({ text })) }).whenEstablished();
  const client = await connected();
  for (const length of [70000, 1048500]) {
    const text = 'abcdefghij'.repeat(length / 10);
    assert.ok((await client.call('test', 'repeat', { text })).text === text, String(length));
  }
  let refusal = '';
  await client
    .call('test', 'repeat', { text: 'x'.repeat(1048576) })
    .catch((error: unknown) => (refusal = String(error)));
  assert.match(refusal, /at most 1048576/);
  assert.equal(await client.call('test', 'repeat', { text: '' }), { text: '' });
});

onBus('a restart of the bus is got over', async (bus) => {
  const server = await connected();
  const object = server.publish('test', { echo });
  await object.whenEstablished();
  const client = await connected();
  const subscription = client.subscribe('test', { notified: () => undefined });
  await until(() => subscription.joined, 'subscribed');
  await bus.stop();
  await until(() => !client.connected && !server.connected, 'noticed');
  assert.is(await statusOf(client.call('test', 'echo')), Status.CONNECTION_FAILED);
  await bus.start();
  await until(() => subscription.joined, 'joined again');
  assert.equal(await client.call('test', 'echo'), { data: 0 });
  assert.is(reports.filter((line) => line.includes('connection lost: end of file')).length, 2);
});

onBus('a late answer finds nobody, and the next call its own', async () => {
  const server = await connected();
  const later = method({}, () => new Promise<Table>((resolve) => setTimer(() => resolve({ late: true }), 150)));
  await server.publish('test', { later, echo }).whenEstablished();
  const client = await connected();
  assert.is(await statusOf(client.call('test', 'later', {}, { timeout: 50 })), Status.TIMEOUT);
  assert.equal(await client.call('test', 'echo'), { data: 0 });
  await sleep(200);
  assert.equal(await client.call('test', 'echo'), { data: 0 });
});

onBus('a server that vanishes in a call costs the caller its time-out, and no more', async () => {
  const server = await connected();
  let called = false;
  const never = method({}, () => ((called = true), new Promise<undefined>(() => undefined)));
  await server.publish('test', { never }).whenEstablished();
  const client = await connected();
  const status = statusOf(client.call('test', 'never', {}, { timeout: 300 }));
  await until(() => called, 'called');
  server.close();
  assert.is(await status, Status.TIMEOUT);
  assert.is(await statusOf(client.call('test', 'never')), Status.NOT_FOUND);
});

onBus('a caller that vanishes in a call does not disturb the server', async () => {
  const server = await connected();
  const answers: ((table: Table) => void)[] = [];
  const later = method({}, () => new Promise<Table>((resolve) => answers.push(resolve)));
  await server.publish('test', { later, echo }).whenEstablished();
  const caller = await connected();
  const status = statusOf(caller.call('test', 'later'));
  await until(() => answers.length === 1, 'called');
  caller.close();
  assert.is(await status, Status.CONNECTION_FAILED);
  answers[0]?.({ late: true });
  assert.equal(await (await connected()).call('test', 'echo'), { data: 0 });
  assert.equal(reports, []);
});

onBus('a client that does not read loses whole messages, and only its own', async () => {
  const server = await connected();
  const large = method({}, () => ({ text: 'x'.repeat(100000) }));
  await server.publish('test', { large, echo }).whenEstablished();
  const client = await connected();
  const objectId = (await client.lookup('test'))[0]?.id ?? 0;
  const slow = new RawClient();
  for (let round = 0; round < 40; round++) {
    slow.send(MessageType.invoke, { objectId, method: 'large', data: encodeTable({}) }, objectId);
  }
  await sleep(300);
  assert.equal(await client.call('test', 'echo'), { data: 0 });
  const messages = await slow.read();
  const whole = messages.filter(({ type }) => type === MessageType.data);
  assert.ok(whole.length > 0 && whole.length < 40, `${whole.length} answers`);
  assert.ok(whole.every(({ attributes }) => (attributes.data?.length ?? 0) > 100000));
  slow.send(MessageType.ping, {});
  assert.equal(
    (await slow.read()).map(({ type }) => type),
    [MessageType.data, MessageType.status],
  );
  slow.socket.close();
});

onBus('logical interfaces are followed', async (bus) => {
  const devices: Record<string, string | undefined> = { lan: 'br-lan', wan: undefined };
  const netifd = await connected();
  const object = netifd.publish('network.interface', {
    dump: method({}, () => ({
      interface: Object.entries(devices).map(([name, device]) => ({
        interface: name,
        up: device !== undefined,
        l3_device: device,
      })),
    })),
  });
  const interfaces = new LogicalInterfaces(await connected(), setTimer, () => undefined);
  await until(() => interfaces.devices.get('lan') === 'br-lan', 'lan is known');
  assert.is(interfaces.devices.size, 1);
  devices.wan = 'pppoe-wan';
  object.notify('interface.update', { interface: 'wan' });
  await until(() => interfaces.devices.get('wan') === 'pppoe-wan', 'wan is known');
  await bus.stop();
  devices.wan = 'eth1';
  await bus.start();
  await until(() => interfaces.devices.get('wan') === 'eth1', 'wan has changed');
  interfaces.close();
});

test('without anybody at the socket the client tries again until there is', async () => {
  const client = connect();
  await sleep(250);
  assert.not(client.connected);
  assert.match(reports.join(), /no connection: .*ENOENT|no connection: .*[Nn]o such file/);
  assert.is(reports.length, 1);
  const bus = new Bus();
  await bus.start();
  await client.whenReady();
  for (const each of clients.splice(0)) each.close();
  await bus.stop();
  reports.length = 0;
});

test('messages that arrive in pieces are put together', async () => {
  const server = new BrokerServer(path, 5);
  const publisher = await connected();
  await publisher
    .publish('test', { repeat: method({ text: 'string' }, ({ text = '' }) => ({ text })) })
    .whenEstablished();
  const client = await connected();
  const text = 'abc'.repeat(300);
  assert.equal(await client.call('test', 'repeat', { text }), { text });
  for (const each of clients.splice(0)) each.close();
  server.stop();
});

test('what a peer does not read waits up to a limit, and is refused beyond', async () => {
  const listening = new Socket('unix', 'stream');
  listening.bind({ path });
  listening.listen();
  let peer: Socket | null = null;
  listening.onReadable(() => {
    peer = listening.accept();
    peer?.send(encodeMessage({ type: MessageType.hello, seq: 0, peer: 5, attributes: {} }));
  });
  const client = await connected(300);
  const large = 'x'.repeat(1000000);
  const results = await Promise.all(Array.from({ length: 6 }, () => statusOf(client.sendEvent('oneip', { large }))));
  assert.is(results[0], Status.TIMEOUT);
  assert.is(results[5], Status.NO_MEMORY);
  assert.ok(client.connected);
  for (const each of clients.splice(0)) each.close();
  (peer as Socket | null)?.close();
  listening.close();
  removeFile(path);
});

test.after(removeScratch);

test.run();
