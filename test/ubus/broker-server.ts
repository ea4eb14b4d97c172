import type { Timer } from 'oneip:runtime';
import { Socket, fileStatus, removeFile, setTimer } from 'oneip:runtime';
import type { BrokerClient } from './broker.ts';
import { Broker } from './broker.ts';

/** A broker that listens at a unix socket, like ubusd. */
export class BrokerServer {
  readonly broker = new Broker();
  readonly #path: string;
  readonly #socket = new Socket('unix', 'stream');
  readonly #clients = new Set<() => void>();

  /** `pieceSize`: bytes that are written to a client at a time, each time in a turn of its own. */
  constructor(path: string, pieceSize = Infinity) {
    this.#path = path;
    if (fileStatus(path)) removeFile(path);
    this.#socket.bind({ path });
    this.#socket.listen();
    this.#socket.onReadable(() => {
      for (let socket = this.#socket.accept(); socket; socket = this.#socket.accept()) this.#serve(socket, pieceSize);
    });
  }

  stop(): void {
    this.#socket.close();
    for (const close of this.#clients) close();
    removeFile(this.#path);
  }

  #serve(socket: Socket, pieceSize: number): void {
    let waiting: Timer | undefined;
    const close = (): void => {
      waiting?.cancel();
      socket.close();
      this.#clients.delete(close);
    };
    this.#clients.add(close);
    const holder: { client?: BrokerClient } = {};
    const write = (bytes: Uint8Array): number => {
      if (waiting) return 0;
      try {
        const taken = Math.max(0, socket.send(bytes.subarray(0, pieceSize)));
        if (taken < bytes.length && taken === pieceSize) {
          waiting = setTimer(() => {
            waiting = undefined;
            holder.client?.writable();
          }, 0);
        } else if (taken < bytes.length) {
          socket.onWritable(() => {
            socket.onWritable(null);
            holder.client?.writable();
          });
        }
        return taken;
      } catch {
        // The client has gone; the end of its stream is about to be read.
        return 0;
      }
    };
    const client = this.broker.accept({ write, close });
    holder.client = client;
    const end = (): void => {
      close();
      client.closed();
    };
    socket.onReadable(() => {
      try {
        const received = socket.receive(65536);
        if (received?.data.length === 0) end();
        else if (received) client.received(received.data);
      } catch {
        end();
      }
    });
  }
}
