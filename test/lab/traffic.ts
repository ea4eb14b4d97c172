import { tool } from './paths.ts';
import type { Namespace } from './namespace.ts';
import type { LineProcess } from './process.ts';

/** What a server has answered: who it is, and who it saw speaking to whom. */
export interface Answer {
  readonly server: string;
  readonly client: string;
  readonly clientPort: number;
  /** Address that the client spoke to, as the server saw it. */
  readonly local: string;
  readonly localPort: number;
}

/** Answer of a conversation that had none: `broken` with the error's name, or `silent`. */
export type Failure = { readonly broken: string } | { readonly silent: true };

/** True where a server has answered. */
export function answered(result: Answer | Failure): result is Answer {
  return 'server' in result;
}

/** Milliseconds after which a conversation counts as silent: longer than TCP's first retransmission (RFC 6298), 1 s. */
const patience = 3_000;

type Listener = (event: 'open' | 'heard' | 'broken', text: string) => void;

/** Many TCP connections and UDP sockets from many addresses of one namespace; see `traffic-client.c`. */
export class TrafficClient {
  readonly #process: LineProcess;
  readonly #listeners = new Map<number, Listener>();
  #count = 0;

  constructor(namespace: Namespace) {
    this.#process = namespace.start([tool('traffic-client')]);
    this.#process.onLine((line) => {
      const [, event, id, text] = /^(open|heard|broken) (\d+) ?(.*)$/.exec(line) ?? [];
      if (event === 'open' || event === 'heard' || event === 'broken') {
        this.#listeners.get(Number(id))?.(event, text ?? '');
      }
    });
  }

  /** Opens a TCP connection; resolves when it is open, broken, or silent for `limit` milliseconds. `sourcePort` 0 = any. */
  tcp(source: string, destination: string, port: number, sourcePort = 0, limit = patience): Promise<Conversation> {
    return this.#open('tcp', source, destination, port, sourcePort, limit);
  }

  /** Opens a connected UDP socket. */
  udp(source: string, destination: string, port: number, sourcePort = 0): Promise<Conversation> {
    return this.#open('udp', source, destination, port, sourcePort, patience);
  }

  async #open(
    protocol: string,
    source: string,
    destination: string,
    port: number,
    sourcePort: number,
    limit: number,
  ): Promise<Conversation> {
    const id = this.#count;
    this.#count += 1;
    const conversation = new Conversation(source, limit, (command) =>
      this.#process.send(command.replace('ID', String(id))),
    );
    this.#listeners.set(id, (event, text) => conversation.take(event, text));
    this.#process.send(`${protocol} ${id} ${source} ${sourcePort} ${destination} ${port}`);
    await conversation.opened;
    return conversation;
  }

  /** Closes all conversations and ends. */
  async end(): Promise<void> {
    this.#process.closeInput();
    await this.#process.ended;
  }
}

/** One TCP connection, or one UDP socket, of a `TrafficClient`. */
export class Conversation {
  readonly source: string;
  /** Resolves when it is open, broken, or silent for too long. */
  readonly opened: Promise<void>;
  readonly #command: (command: string) => void;
  #brokenBy: string | undefined;
  #isOpen = false;
  #settleOpened: () => void = () => undefined;
  readonly #waiting = new Map<string, (result: Answer | Failure) => void>();
  #questions = 0;

  constructor(source: string, limit: number, command: (command: string) => void) {
    this.source = source;
    this.#command = command;
    this.opened = new Promise((resolve) => {
      const timer = setTimeout(resolve, limit);
      this.#settleOpened = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** True once the connection has been made, and until it breaks. */
  get alive(): boolean {
    return this.#isOpen && this.#brokenBy === undefined;
  }

  /** Name of the error that ended it, `EOF` where the server closed it, or `undefined`. */
  get broken(): string | undefined {
    return this.#brokenBy;
  }

  /** Asks the server who it is. Datagrams are not repeated. */
  ask(timeout = patience): Promise<Answer | Failure> {
    if (this.#brokenBy !== undefined) return Promise.resolve({ broken: this.#brokenBy });
    this.#questions += 1;
    const question = `q${this.#questions}`;
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(question);
        resolve({ silent: true });
      }, timeout);
      this.#waiting.set(question, (result) => {
        clearTimeout(timer);
        this.#waiting.delete(question);
        resolve(result);
      });
      this.#command(`say ID ${question}`);
    });
  }

  close(): void {
    this.#command('close ID');
  }

  /** Takes in what the client program says of this conversation. */
  take(event: 'open' | 'heard' | 'broken', text: string): void {
    if (event === 'heard') {
      const [server = '', client = '', clientPort, local = '', localPort, question = ''] = text.split(' ');
      const answer = { server, client, clientPort: Number(clientPort), local, localPort: Number(localPort) };
      this.#waiting.get(question)?.(answer);
      return;
    }
    if (event === 'open') this.#isOpen = true;
    else {
      this.#brokenBy = text;
      for (const settle of this.#waiting.values()) settle({ broken: text });
    }
    this.#settleOpened();
  }
}
