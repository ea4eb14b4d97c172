import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { encodeTable } from '../../src/ubus/blobmsg.ts';
import { Connection } from '../../src/ubus/connection.ts';
import type { IncomingCall } from '../../src/ubus/incoming.ts';
import type { Message } from '../../src/ubus/message.ts';
import { MessageType, decodeMessage, encodeMessage } from '../../src/ubus/message.ts';
import { Status } from '../../src/ubus/status.ts';
import type { TransportListener } from '../../src/ubus/transport.ts';
import { ManualClock } from '../ubus/memory-bus.ts';
import { statusOf } from '../ubus/scene.ts';

const OBJECT = 0x9abcdef0;
const OTHER = 0x80000001;

/** A connection whose other end is the test itself. */
class Line {
  readonly clock = new ManualClock();
  readonly sentBytes: Uint8Array[] = [];
  readonly connection: Connection;
  accepting = true;
  closedFor: string | undefined;
  #listener: TransportListener | undefined;

  constructor() {
    const open = (listener: TransportListener): { send: (bytes: Uint8Array) => boolean; close: () => void } => {
      this.#listener = listener;
      return {
        send: (bytes) => {
          if (this.accepting) this.sentBytes.push(bytes);
          return this.accepting;
        },
        close: () => undefined,
      };
    };
    this.connection = new Connection(open, this.clock.setTimer, {
      ready: () => undefined,
      closed: (reason) => (this.closedFor = reason),
      report: (problem) => assert.unreachable(problem),
    });
    this.say(MessageType.hello, 0, 77, {});
  }

  /** What the connection has sent. */
  get sent(): readonly Message[] {
    return this.sentBytes.map(decodeMessage);
  }

  say(type: number, seq: number, peer: number, attributes: Message['attributes']): void {
    this.#listener?.received(encodeMessage({ type, seq, peer, attributes }));
  }

  hangUp(): void {
    this.#listener?.closed('end of file');
  }
}

async function withObject(invoked: (call: IncomingCall) => void): Promise<Line> {
  const line = new Line();
  const adding = line.connection.addObject({ invoked }, 1000);
  line.say(MessageType.data, 1, 0, { objectId: OBJECT });
  line.say(MessageType.status, 1, 0, { status: 0 });
  assert.is(await adding, OBJECT);
  line.sentBytes.length = 0;
  return line;
}

test('requests look as those of libubus do', async () => {
  const line = await withObject(() => undefined);
  const { connection } = line;
  const requests = [
    connection.lookup(undefined, 1000),
    connection.lookup('a.*', 1000),
    connection.invoke(OTHER, 'm', { a: 1 }, { timeout: 1000 }),
    connection.subscribe(OBJECT, OTHER, 1000),
    connection.registerEvents(OBJECT, 'x.*', 1000),
    connection.sendEvent('x.y', {}, 1000),
    connection.ask(OBJECT, 'm', {}, 1000),
  ].map(statusOf);
  connection.notify(OBJECT, 'm', {});
  const sent = line.sent.map(({ type, peer, attributes }) => [type, peer, Object.keys(attributes).join()]);
  assert.equal(sent, [
    [MessageType.lookup, 0, ''],
    [MessageType.lookup, 0, 'objectPath'],
    [MessageType.invoke, OTHER, 'objectId,method,data'],
    [MessageType.subscribe, 0, 'objectId,target'],
    [MessageType.invoke, 1, 'objectId,method,data'],
    [MessageType.invoke, 1, 'objectId,method,data'],
    [MessageType.notify, OBJECT, 'objectId,method,data'],
    [MessageType.notify, OBJECT, 'objectId,method,data,noReply'],
  ]);
  line.hangUp();
  for (const status of await Promise.all(requests)) assert.is(status, Status.CONNECTION_FAILED);
  assert.is(line.closedFor, 'end of file');
  assert.is(line.clock.pending, 0);
});

test('an answer counts only from the object that was asked', async () => {
  const line = new Line();
  const answer = line.connection.invoke(OTHER, 'm', {}, { timeout: 1000 });
  line.say(MessageType.data, 1, OBJECT, { objectId: OBJECT, data: encodeTable({ forged: true }) });
  line.say(MessageType.status, 1, OBJECT, { status: 5 });
  line.say(MessageType.status, 1, 0, { status: 5 });
  line.say(MessageType.data, 1, OTHER, { objectId: OTHER, data: encodeTable({ genuine: true }) });
  line.say(MessageType.status, 1, OTHER, { status: 0 });
  assert.equal(await answer, { genuine: true });
});

test('a call is answered to its caller under its number, and ended once', async () => {
  const line = await withObject((call) => {
    call.reply({ part: 1 });
    call.finish(Status.OK);
    call.finish(Status.UNKNOWN_ERROR);
    call.reply({ late: true });
  });
  line.say(MessageType.invoke, 0xabcd, 55, { objectId: OBJECT, method: 'm', data: new Uint8Array(0) });
  const data = encodeTable({ part: 1 });
  assert.equal(
    line.sent.map(({ type, seq, peer, attributes }) => [type, seq, peer, Object.entries(attributes)]),
    [
      [MessageType.data, 0xabcd, 55, Object.entries({ objectId: OBJECT, data })],
      [MessageType.status, 0xabcd, 55, Object.entries({ status: 0, objectId: OBJECT })],
    ],
  );
});

test('events, and notifications that want no answer, get none', async () => {
  let calls = 0;
  const line = await withObject((call) => {
    calls++;
    call.reply({ unwanted: true });
    call.finish(Status.OK);
  });
  line.say(MessageType.invoke, 1, 0, { objectId: OBJECT, method: 'event', data: new Uint8Array(0) });
  line.say(MessageType.invoke, 2, 55, { noReply: true, objectId: OBJECT, method: 'm', data: new Uint8Array(0) });
  assert.is(calls, 2);
  assert.equal(line.sent, []);
});

test('an object that has been removed is called no more', async () => {
  const line = await withObject(() => assert.unreachable());
  void statusOf(line.connection.removeObject(OBJECT, 1000));
  line.say(MessageType.invoke, 9, 55, { objectId: OBJECT, method: 'm', data: new Uint8Array(0) });
  assert.equal(line.sent[1]?.attributes, { status: Status.NOT_FOUND, objectId: OBJECT });
});

test('the first call may come right behind the answer that names the object', async () => {
  const line = new Line();
  let calls = 0;
  const adding = line.connection.addObject({ invoked: () => calls++ }, 1000);
  line.say(MessageType.data, 1, 0, { objectId: OBJECT });
  line.say(MessageType.status, 1, 0, { status: 0 });
  line.say(MessageType.invoke, 9, 55, { objectId: OBJECT, method: 'm', data: new Uint8Array(0) });
  assert.is(calls, 1);
  await adding;
});

test('a number is not used again while its request waits', async () => {
  const line = new Line();
  const waiting = line.connection.invoke(OTHER, 'm', {}, { timeout: 1000 });
  for (let count = 0; count < 0x10000; count++) line.connection.notify(OBJECT, 'm', {});
  const numbers = line.sentBytes.map((bytes) => (bytes[2] ?? 0) * 256 + (bytes[3] ?? 0));
  assert.is(numbers.filter((seq) => seq === 1).length, 1);
  assert.is(numbers.filter((seq) => seq === 0).length, 1);
  line.say(MessageType.status, 1, OTHER, { status: 0 });
  assert.equal(await waiting, {});
});

test('what the transport does not take fails at once, and so does what nobody can be asked', async () => {
  const line = new Line();
  line.accepting = false;
  assert.is(await statusOf(line.connection.lookup('a', 1000)), Status.NO_MEMORY);
  assert.is(line.clock.pending, 0);
  line.connection.close();
  assert.is(await statusOf(line.connection.lookup('a', 1000)), Status.CONNECTION_FAILED);
  assert.is(line.closedFor, undefined, 'our own close is no news');
});

test('too many requests at once are refused', async () => {
  const line = new Line();
  const requests = Array.from({ length: 4097 }, () => statusOf(line.connection.lookup('a', 1000)));
  assert.is(await requests[4096], Status.NO_MEMORY);
  line.connection.close();
  assert.is(await requests[0], Status.CONNECTION_FAILED);
  assert.is(line.clock.pending, 0);
});

test.run();
