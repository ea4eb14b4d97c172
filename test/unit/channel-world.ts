import { NOBODY } from '../../src/channel/message.ts';
import { RouterEnd } from '../../src/channel/router-end.ts';
import type { RouterOutcome, Wanted } from '../../src/channel/router-end.ts';
import { Seal } from '../../src/channel/seal.ts';
import { ServerEnd } from '../../src/channel/server-end.ts';
import type { ServerOutcome } from '../../src/channel/server-end.ts';
import { authenticator } from './support/authenticator.ts';
import { Random } from './support/random.ts';

// A router and its servers on a network that loses, doubles, delays and reorders, in simulated time. Nothing but the ends of
// the channel decides who holds which slot; after every event it is seen that no slot is held twice.

export const SLOTS = 16;
export const SERVERS = ['anna', 'bert', 'cora', 'dora'] as const;
export const TABLES = [
  { service: 'web', family: 4 },
  { service: 'web', family: 6 },
] as const;

const KEY = 'a key that nobody guesses';
/** A server that runs hears a router that runs at least this often, milliseconds; else it counts as cut off. */
const HEARD_WITHIN = 1000;
/** How late the longest delayed datagrams are. */
const LONGEST_DELAY = 2000;
/** From a server's death until the watchdogs tell. */
const DETECTION = 300;

export interface Weather {
  /** Share of datagrams that is lost. */
  readonly loss: number;
  readonly doubled: number;
  /** Share that comes up to two seconds late. */
  readonly delayed: number;
}

export const CALM: Weather = { loss: 0, doubled: 0, delayed: 0 };

/** The wanted owners by slot, as indexes into `SERVERS`. */
export type Owners = readonly number[];

interface Flight {
  readonly at: number;
  /** A server, or the router. */
  readonly to: string;
  readonly datagram: Uint8Array;
}

interface Death {
  readonly at: number;
  /** When it is started again. */
  readonly until: number;
}

const ROUTER = 'router';

export class ChannelWorld {
  now = 0;
  weather = CALM;
  /** Milliseconds by which all that the router sends comes later to a server. */
  readonly lateness = new Map<string, number>();
  /** What happened that must not. */
  readonly faults: string[] = [];
  /** Datagrams delivered so far, for those who record. */
  readonly recorded: Uint8Array[] = [];
  readonly #random: Random;
  readonly #seal = new Seal(KEY, authenticator);
  router: RouterEnd | undefined;
  readonly servers = new Map<string, ServerEnd>();
  readonly #deaths = new Map<string, Death>();
  readonly #heardAt = new Map<string, number>();
  #flights: Flight[] = [];
  #owners: Owners;

  constructor(seed: number, owners: Owners) {
    this.#random = new Random(seed);
    this.#owners = owners;
    this.#startRouter();
    for (const server of SERVERS) this.#startServer(server);
  }

  /** Every process that is dead starts now. */
  reviveAll(): void {
    for (const [name] of [...this.#deaths]) this.#revive(name);
  }

  kill(name: string, forTime: number): void {
    if (this.#deaths.has(name)) return;
    this.#deaths.set(name, { at: this.now, until: this.now + forTime });
    if (name === ROUTER) this.router = undefined;
    else this.servers.delete(name);
  }

  want(owners: Owners): void {
    this.#owners = owners;
    this.#tellRouter();
  }

  /** Brings a datagram to one end, as an attacker would; what comes of it is sent. */
  inject(to: string, datagram: Uint8Array): void {
    this.#deliver(to, datagram);
  }

  run(until: number): void {
    for (;;) {
      const at = Math.min(this.#nextTime(), until);
      this.now = Math.max(this.now, at);
      this.#step();
      if (this.now >= until && this.#nextTime() > until) return;
    }
  }

  /** Slots that somebody does not hold who should, or holds though he should not. */
  wrong(): string[] {
    return TABLES.flatMap((table) =>
      this.#owners.flatMap((owner, slot) =>
        [...this.servers].flatMap(([server, end]) =>
          end.owns(table, slot) === (SERVERS[owner] === server) ? [] : `${table.family}/${slot}: ${server} ${end.hold}`,
        ),
      ),
    );
  }

  #nextTime(): number {
    const ends = [...this.servers.values()].map((end) => end.next());
    const flights = this.#flights.map(({ at }) => at);
    const deaths = [...this.#deaths.values()].flatMap(({ at, until }) => [
      until,
      at + DETECTION > this.now ? at + DETECTION : Infinity,
    ]);
    return Math.min(this.router?.next(this.now) ?? Infinity, ...ends, ...flights, ...deaths);
  }

  #step(): void {
    for (const [name, { until, at }] of [...this.#deaths]) {
      if (until <= this.now) this.#revive(name);
      else if (at + DETECTION === this.now) this.#tellRouter();
    }
    const due = this.#flights.filter(({ at }) => at <= this.now);
    this.#flights = this.#flights.filter(({ at }) => at > this.now);
    for (const { to, datagram } of due) this.#deliver(to, datagram);
    if (this.router) this.#took(this.router.advance(this.now));
    for (const [server, end] of this.servers) {
      if (end.next() <= this.now) this.#served(server, end.advance(this.now));
    }
  }

  #deliver(to: string, datagram: Uint8Array): void {
    this.recorded.push(datagram);
    if (to === ROUTER) {
      if (this.router) this.#took(this.router.receive(datagram, this.now));
      return;
    }
    const end = this.servers.get(to);
    if (end) this.#served(to, end.receive(datagram, this.now));
  }

  #served(server: string, { messages, changed }: ServerOutcome): void {
    if (changed) this.#inspect();
    this.#broadcast(server, messages);
  }

  #took({ messages }: RouterOutcome): void {
    this.#broadcast(ROUTER, messages);
  }

  #broadcast(from: string, messages: readonly Uint8Array[]): void {
    for (const datagram of messages) {
      for (const to of from === ROUTER ? SERVERS : [ROUTER]) this.#send(from, to, datagram);
    }
  }

  #send(from: string, to: string, datagram: Uint8Array): void {
    const { loss, doubled, delayed } = this.weather;
    const chance = (): number => this.#random.word() / 2 ** 32;
    const isSpared = from === ROUTER && this.now > (this.#heardAt.get(to) ?? 0) + HEARD_WITHIN;
    if (chance() < loss && !isSpared) return;
    for (let copies = chance() < doubled ? 2 : 1; copies > 0; copies--) {
      const isLate = chance() < delayed && !isSpared;
      const held = from === ROUTER ? (this.lateness.get(to) ?? 0) : 0;
      const at = this.now + held + (isLate ? chance() * LONGEST_DELAY : 1 + chance() * 9);
      if (from === ROUTER && !isLate) this.#heardAt.set(to, this.now);
      this.#flights.push({ at, to, datagram });
    }
  }

  #revive(name: string): void {
    this.#deaths.delete(name);
    if (name === ROUTER) this.#startRouter();
    else this.#startServer(name);
  }

  #startRouter(): void {
    this.router = new RouterEnd({ seal: this.#seal, epoch: this.#life(), now: this.now });
    this.#tellRouter();
  }

  #startServer(server: string): void {
    const options = { server, seal: this.#seal, session: this.#life(), configured: () => [], now: this.now };
    this.servers.set(server, new ServerEnd(options));
    this.#heardAt.set(server, this.now);
    this.#tellRouter();
  }

  #life(): bigint {
    return BigInt(this.#random.word()) * 2n ** 32n + BigInt(this.#random.word()) + 1n;
  }

  #tellRouter(): void {
    if (!this.router) return;
    const down = new Set([...this.#deaths].flatMap(([name, { at }]) => (this.now >= at + DETECTION ? name : [])));
    const owners = Uint16Array.from(this.#owners, (owner) => (owner < SERVERS.length ? owner : NOBODY));
    const tables = TABLES.map((table) => ({ ...table, members: SERVERS, owners, meaning: '' }));
    const wanted: Wanted = { tables, servers: SERVERS, down };
    this.#took(this.router.want(wanted, this.now));
  }

  #inspect(): void {
    for (const table of TABLES) {
      for (let slot = 0; slot < SLOTS; slot++) {
        const holders = [...this.servers].filter(([, end]) => end.owns(table, slot)).map(([name]) => name);
        if (holders.length > 1)
          this.faults.push(`${this.now} ms: slot ${table.family}/${slot} of ${holders.join(' and ')}`);
      }
    }
  }
}
