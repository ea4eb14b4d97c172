import { Socket, encodeUtf8, fileStatus, removeFile, setTimer } from 'oneip:runtime';
import { decodeUtf8 } from '../net/utf8.ts';

const READ_SIZE = 65536;
/** Milliseconds that a daemon may take to answer: it may be at work on the kernel. */
const PATIENCE = 2000;

/** Where the daemon that keeps its state in a directory tells those who connect what is in force at that moment. */
export function statusSocket(state: string): string {
  return `${state}/server.sock`;
}

/** Answers each who connects with a text, and hangs up. Keeps the process alive until closed. */
export class StatusSocket {
  readonly #path: string;
  readonly #socket = new Socket('unix', 'stream');

  /** Throws where the path cannot be a socket's: it is too long, or the disk is full. */
  constructor(path: string, text: () => string) {
    this.#path = path;
    try {
      // Of a daemon that was killed.
      removeIfThere(path);
      this.#socket.bind({ path });
      this.#socket.listen();
    } catch (error) {
      this.#socket.close();
      throw error;
    }
    this.#socket.onReadable(() => {
      for (let client = this.#socket.accept(); client; client = this.#socket.accept()) answer(client, text());
    });
  }

  close(): void {
    this.#socket.close();
    removeIfThere(this.#path);
  }
}

/** What the daemon answers; `undefined` where nobody does in time. */
export function askStatus(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = new Socket('unix', 'stream');
    const parts: Uint8Array[] = [];
    const end = (text: string | undefined): void => {
      timer.cancel();
      socket.close();
      resolve(text);
    };
    const timer = setTimer(() => end(undefined), PATIENCE);
    try {
      socket.connect({ path });
      socket.onReadable(() => {
        try {
          for (let next = socket.receive(READ_SIZE); next; next = socket.receive(READ_SIZE)) {
            if (next.data.length === 0) return end(textOf(parts));
            parts.push(next.data);
          }
        } catch {
          end(undefined);
        }
      });
    } catch {
      end(undefined);
    }
  });
}

/** The kernel has room for all of it: a stream socket takes 200 KB, and a status is some kilobytes. */
function answer(client: Socket, text: string): void {
  try {
    client.send(encodeUtf8(text));
  } catch {
    // Who has asked has gone again.
  } finally {
    client.close();
  }
}

/** Nothing, or half of a text, is none. */
function textOf(parts: readonly Uint8Array[]): string | undefined {
  const text = parts.map(decodeUtf8).join('');
  return text.endsWith('\n') ? text : undefined;
}

function removeIfThere(path: string): void {
  if (fileStatus(path) !== null) removeFile(path);
}
