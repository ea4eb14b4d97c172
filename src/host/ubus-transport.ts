import { Socket, setTimer } from 'oneip:runtime';
import type { OpenTransport, Timer, Transport, TransportListener } from '../ubus/transport.ts';

const READ_SIZE = 65536;
/** Reads in one turn of the event loop; the socket is level-triggered, so that the rest comes in the next. */
const READS_PER_TURN = 16;
/** Bytes that may wait for a peer that does not read: four messages of the largest size. */
const QUEUE_LIMIT = 4 * 1048576;

/** Connects to ubusd at a unix socket. */
export function connectUnix(path: string): OpenTransport {
  return (listener) => {
    const socket = new Socket('unix', 'stream');
    try {
      return new UnixTransport(socket, socket.connect({ path }), listener);
    } catch (error) {
      socket.close();
      throw error;
    }
  };
}

/** A byte stream over a connected, or connecting, unix socket. */
export class UnixTransport implements Transport {
  readonly #socket: Socket;
  readonly #listener: TransportListener;
  readonly #queue: Uint8Array[] = [];
  #queued = 0;
  #connected: boolean;
  #closed = false;
  #news: Timer | undefined;

  constructor(socket: Socket, connected: boolean, listener: TransportListener) {
    this.#socket = socket;
    this.#listener = listener;
    this.#connected = connected;
    socket.onReadable(() => this.#read());
    if (!connected) socket.onWritable(() => this.#write());
  }

  send(bytes: Uint8Array): boolean {
    if (this.#closed || this.#queued + bytes.length > QUEUE_LIMIT) return false;
    if (bytes.length === 0) return true;
    this.#queue.push(bytes);
    this.#queued += bytes.length;
    if (this.#connected && this.#queue.length === 1) this.#write();
    return true;
  }

  close(): void {
    this.#news?.cancel();
    if (this.#closed) return;
    this.#closed = true;
    this.#queue.length = 0;
    this.#socket.close();
  }

  #read(): void {
    try {
      for (let reads = 0; reads < READS_PER_TURN && !this.#closed; reads++) {
        const received = this.#socket.receive(READ_SIZE);
        if (!received) return;
        if (received.data.length === 0) return this.#end('end of file');
        this.#listener.received(received.data);
      }
    } catch (error) {
      this.#end(error instanceof Error ? error.message : String(error));
    }
  }

  #write(): void {
    try {
      if (!this.#connected && this.#socket.getOption('SO_ERROR') !== 0) return this.#end('connection refused');
      this.#connected = true;
      for (let bytes = this.#queue[0]; bytes; bytes = this.#queue[0]) {
        const taken = this.#socket.send(bytes);
        if (taken > 0) this.#queued -= taken;
        if (taken < bytes.length) {
          if (taken > 0) this.#queue[0] = bytes.subarray(taken);
          this.#socket.onWritable(() => this.#write());
          return;
        }
        this.#queue.shift();
      }
      this.#socket.onWritable(null);
    } catch (error) {
      this.#end(error instanceof Error ? error.message : String(error));
    }
  }

  /** Tells in the next turn: whoever is just sending is not ready for the news. */
  #end(reason: string): void {
    if (this.#closed) return;
    this.close();
    this.#news = setTimer(() => this.#listener.closed(reason), 0);
  }
}
