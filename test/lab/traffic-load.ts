import type { Namespace } from './namespace.ts';
import { tool } from './paths.ts';
import type { LineProcess } from './process.ts';

/** Milliseconds of the clock by which `traffic-load` stamps what it tells (CLOCK_MONOTONIC). */
export function clock(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** A TCP connection or UDP flow that asks its server again and again who it is. */
export interface FlowOptions {
  readonly protocol: 'tcp' | 'udp';
  readonly source: string;
  readonly destination: string;
  readonly port: number;
  /** Milliseconds between two questions. */
  readonly period: number;
}

export type BreakReason =
  /** A server other than the first has answered. */
  | 'MOVED'
  /** No answer for as long as the patience lasts. */
  | 'SILENT'
  /** The server has closed the connection. */
  | 'EOF'
  /** Name of an error, such as `ECONNRESET`. */
  | (string & {});

/** The end of a flow that nobody wanted. Times are of `clock`. */
export interface Break {
  readonly flow: number;
  readonly options: FlowOptions;
  readonly time: number;
  readonly reason: BreakReason;
  readonly began: number;
  /** Last answer; 0: there was none. */
  readonly good: number;
  /** Server that it had; empty: it was never answered. */
  readonly server: string;
  /** The other one that has answered, a question of `asked`; empty unless the reason is `MOVED`. */
  readonly by: string;
  readonly asked: number;
}

/** A new connection with one question, answered by `server` or failed for `reason`. */
export interface Attempt {
  readonly began: number;
  readonly time: number;
  readonly server?: string;
  readonly source?: string;
  readonly reason?: BreakReason;
}

/** A datagram of `since` that was not answered within a second, though a later one was. */
export interface Loss {
  readonly flow: number;
  readonly since: number;
  /** Last answer before it; 0: there was none. */
  readonly good: number;
  /** When that was certain. */
  readonly time: number;
  /** Who had the flow; empty: nobody had answered yet. */
  readonly server: string;
}

/** A time in which the program was not given a processor. */
export interface Stall {
  readonly since: number;
  readonly time: number;
}

type Told =
  | { event: 'open'; time: number; flow: number; server: string }
  | ({ event: 'broken' } & Omit<Break, 'options'>)
  | ({ event: 'lost' } & Loss)
  | ({ event: 'new' } & Attempt)
  | ({ event: 'stall' } & Stall);

interface Held {
  readonly options: FlowOptions;
  server?: string;
}

/** Clients in one namespace whose connections live on, and a stream of new ones beside them; see `traffic-load.c`. */
export class TrafficLoad {
  readonly breaks: Break[] = [];
  readonly attempts: Attempt[] = [];
  readonly losses: Loss[] = [];
  readonly stalls: Stall[] = [];
  readonly #process: LineProcess;
  readonly #held = new Map<number, Held>();
  #onBreak: (broken: Break) => void = () => undefined;
  readonly #listeners = new Set<() => void>();
  #lastId = -1;

  /** `patience`: milliseconds without an answer after which a flow counts as silent. */
  constructor(namespace: Namespace, patience = 3_000) {
    this.#process = namespace.start([tool('traffic-load')]);
    this.#process.onLine((line) => this.#take(line));
    this.#process.send(`patience ${patience}`);
  }

  /** Opens a flow, and returns its number. A broken one is not opened again. */
  hold(options: FlowOptions): number {
    const { protocol, source, destination, port, period } = options;
    // Numbers of flows that are over are used again: the program knows 4096.
    do this.#lastId = (this.#lastId + 1) % 4096;
    while (this.#held.has(this.#lastId));
    this.#held.set(this.#lastId, { options });
    this.#process.send(`hold ${this.#lastId} ${protocol} ${source} ${destination} ${port} ${period}`);
    return this.#lastId;
  }

  /** Closes a flow. */
  drop(flow: number): void {
    this.#held.delete(flow);
    this.#process.send(`drop ${flow}`);
  }

  /** Opens so many new connections a second, from each of the origins by turns; 0 ends that. */
  stream(origins: readonly Pick<FlowOptions, 'source' | 'destination' | 'port'>[], rate: number): void {
    for (const { source, destination, port } of origins) this.#process.send(`origin ${source} ${destination} ${port}`);
    this.#process.send(`rate ${rate}`);
  }

  /** Called for each flow that breaks. */
  onBreak(listener: (broken: Break) => void): void {
    this.#onBreak = listener;
  }

  /** Flows that are held, with the server that they have got. */
  get held(): ReadonlyMap<number, { readonly options: FlowOptions; readonly server?: string }> {
    return this.#held;
  }

  /** Flows that are open, by their server. */
  openByServer(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const { server } of this.#held.values()) {
      if (server !== undefined) counts.set(server, (counts.get(server) ?? 0) + 1);
    }
    return counts;
  }

  /** Resolves once `condition` holds, which is looked at whenever something has happened; rejects after `timeout` milliseconds. */
  until(what: string, timeout: number, condition: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = () => {
        if (!condition()) return;
        clearTimeout(timer);
        this.#listeners.delete(look);
        resolve();
      };
      const timer = setTimeout(() => {
        this.#listeners.delete(look);
        reject(new Error(`${what}: not within ${timeout} ms; ${this.#process.tail(3)}`));
      }, timeout);
      this.#listeners.add(look);
      look();
    });
  }

  /** Resolves once every flow that is held has been answered; rejects after `timeout` milliseconds. */
  allOpen(timeout: number): Promise<void> {
    const isOpen = ({ server }: Held) => server !== undefined;
    return this.until('answers to all flows', timeout, () => [...this.#held.values()].every(isOpen));
  }

  /** Closes everything and ends. */
  async end(): Promise<void> {
    this.#process.closeInput();
    const status = await this.#process.ended;
    if (status !== 0) throw new Error(`traffic-load: status ${status}\n${this.#process.tail(3)}`);
  }

  #take(line: string): void {
    if (!line.startsWith('{')) throw new Error(line);
    // The last line of a program that was killed.
    if (!line.endsWith('}')) return;
    const told = JSON.parse(line) as Told;
    switch (told.event) {
      case 'open': {
        const held = this.#held.get(told.flow);
        if (held) held.server = told.server;
        break;
      }
      case 'broken': {
        const held = this.#held.get(told.flow);
        // Dropped while the line was under way.
        if (!held) break;
        this.#held.delete(told.flow);
        const broken = { ...told, options: held.options };
        this.breaks.push(broken);
        this.#onBreak(broken);
        break;
      }
      case 'lost':
        this.losses.push(told);
        break;
      case 'new':
        this.attempts.push(told);
        break;
      case 'stall':
        this.stalls.push(told);
    }
    for (const listener of [...this.#listeners]) listener();
  }
}
