import { rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import type { WritableTable } from '../../src/ubus/blobmsg.ts';
import { encodeTable } from '../../src/ubus/blobmsg.ts';
import type { Message } from '../../src/ubus/message.ts';
import { MessageType, encodeMessage } from '../../src/ubus/message.ts';
import { MessageReader } from '../../src/ubus/framing.ts';
import { Broker, type BrokerClient } from '../ubus/broker.ts';
import { within } from './control-client.ts';

/** Client ids: of those who send what is to be made wrong, whose answers lead nowhere, and of the one who waits for his. */
const CALLER = 4711;
const ASKER = 0x51f05a3c;
/** Milliseconds that the daemon may take to come back, waits between its attempts included, and to answer a call. */
const PATIENCE = 15_000;

interface Answering {
  readonly answered: (status: number) => void;
  readonly fail: (error: Error) => void;
}

/** What is there of the daemon on one connection. */
export interface Guest {
  /** Ids of the object `oneip`, and of the one that hears the event `oneip.watchdog`. */
  readonly object: number;
  readonly listener: number;
  /** Sends bytes as they are; resolves when the socket has taken them. */
  send(bytes: Uint8Array): Promise<void>;
  /** Calls a method of `oneip` and waits for the status. All that has been sent before has been read by then. */
  call(method: string, args?: WritableTable): Promise<number>;
  /** True once the connection has ended. */
  ended(): boolean;
  /** Hangs up, and waits until that is done. */
  close(): Promise<void>;
}

/** A bus at a unix socket that greets the daemon as ubusd does, and then sends whatever a test wants. */
export class FuzzBus {
  readonly #path: string;
  readonly #server: Server;
  readonly #waiting: ((stream: Socket) => void)[] = [];
  #arrived: Socket[] = [];
  /** Why the daemon's own bytes could not be read, which must never be. */
  readonly complaints: string[] = [];
  #seq = 0;

  private constructor(path: string) {
    this.#path = path;
    this.#server = createServer((stream) => {
      stream.unref();
      stream.on('error', () => undefined);
      const waiting = this.#waiting.shift();
      if (waiting) waiting(stream);
      else this.#arrived.push(stream);
    });
    // A test that has failed shall not wait for the daemon.
    this.#server.unref();
  }

  /** Resolves once clients can connect. */
  static async start(path: string): Promise<FuzzBus> {
    const bus = new FuzzBus(path);
    await new Promise<void>((resolve) => bus.#server.listen(path, resolve));
    return bus;
  }

  /** The daemon's next connection, with all that it publishes there. */
  async welcome(): Promise<Guest> {
    const stream = await this.#nextStream();
    const broker = new Broker();
    let notify = (): void => undefined;
    const answers = new Map<number, Answering>();
    stream.on('close', () => {
      for (const { fail } of answers.values()) fail(new Error('the connection has ended in a call'));
    });
    const client = broker.accept({
      write: (bytes) => {
        stream.write(bytes);
        return bytes.length;
      },
      close: () => stream.destroy(),
    });
    this.#read(stream, client, (message) => {
      if (message.type === MessageType.status && message.peer === ASKER)
        answers.get(message.seq)?.answered(message.attributes.status ?? -1);
      notify();
    });
    const ids = await within(
      'the daemon to publish its object',
      PATIENCE,
      new Promise<{ object: number; listener: number }>((resolve) => {
        notify = () => {
          const object = broker.byPath('oneip');
          const listener = [...broker.objects.values()].find(({ patterns }) => patterns.includes('oneip.watchdog'));
          if (object && listener) resolve({ object: object.id, listener: listener.id });
        };
      }),
    );
    const send = (bytes: Uint8Array): Promise<void> =>
      new Promise((resolve) => {
        if (stream.destroyed || bytes.length === 0) resolve();
        else stream.write(bytes, () => resolve());
      });
    return {
      ...ids,
      send,
      call: async (method, args = {}) => {
        const seq = (this.#seq = (this.#seq + 1) & 0xffff);
        const answered = new Promise<number>((resolve, fail) => answers.set(seq, { answered: resolve, fail }));
        void send(invocation(ids.object, method, args, { seq, peer: ASKER }));
        return within(`an answer to ${method}`, PATIENCE, answered);
      },
      ended: () => stream.destroyed,
      close: () => closed(stream),
    };
  }

  /**
   * The daemon's next connection, on which each answer of ours is made into something else; ends it when there have been so
   * many, or the daemon has.
   */
  async betray(spoil: (answer: Uint8Array) => Uint8Array, answers: number): Promise<void> {
    const stream = await this.#nextStream();
    const broker = new Broker();
    let left = answers + 1;
    const done = new Promise<void>((resolve) => {
      stream.on('close', resolve);
      const client = broker.accept({
        write: (bytes) => {
          // The greeting is as it should be.
          if (!stream.destroyed) stream.write(left === answers + 1 ? bytes : spoil(bytes));
          if (--left === 0) resolve();
          return bytes.length;
        },
        close: () => stream.destroy(),
      });
      this.#read(stream, client, () => undefined);
    });
    await within('the daemon to ask for something', PATIENCE, done);
    await closed(stream);
  }

  async stop(): Promise<void> {
    for (const stream of this.#arrived) stream.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
    rmSync(this.#path, { force: true });
  }

  #nextStream(): Promise<Socket> {
    // Those that the daemon has given up meanwhile are of no use.
    this.#arrived = this.#arrived.filter((stream) => !stream.destroyed);
    const arrived = this.#arrived.shift();
    if (arrived) return Promise.resolve(arrived);
    return within('the daemon to come back', PATIENCE, new Promise((resolve) => this.#waiting.push(resolve)));
  }

  #read(stream: Socket, client: BrokerClient, seen: (message: Message) => void): void {
    const reader = new MessageReader();
    stream.on('data', (bytes) => {
      client.received(bytes);
      const lost = reader.push(bytes, seen);
      if (lost !== undefined) this.complaints.push(lost);
    });
    stream.on('close', () => client.closed());
  }
}

/** A call of a method, as ubusd passes it on. */
export function invocation(
  object: number,
  method: string,
  args: WritableTable,
  { seq, peer } = { seq: 1, peer: CALLER },
): Uint8Array {
  const attributes = { objectId: object, method, user: 'root', group: 'root', data: encodeTable(args) };
  return encodeMessage({ type: MessageType.invoke, seq, peer, attributes });
}

/** An event, as ubusd delivers it. */
export function delivery(listener: number, event: string, data: WritableTable): Uint8Array {
  const attributes = { objectId: listener, method: event, data: encodeTable(data) };
  return encodeMessage({ type: MessageType.invoke, seq: 1, peer: 0, attributes });
}

function closed(stream: Socket): Promise<void> {
  if (stream.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    stream.on('close', () => resolve());
    stream.destroy();
  });
}
