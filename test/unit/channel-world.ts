import { NOBODY } from '../../src/channel/message.ts';
import { RouterEnd } from '../../src/channel/router-end.ts';
import type { RouterOutcome, Wanted } from '../../src/channel/router-end.ts';
import { Seal } from '../../src/channel/seal.ts';
import { ServerEnd } from '../../src/channel/server-end.ts';
import type { ServerOutcome } from '../../src/channel/server-end.ts';
import { KernelLease } from '../../src/server/lease.ts';
import { authenticator } from './support/authenticator.ts';
import { Random } from './support/random.ts';

// A router and its servers on a network that loses, doubles, delays and reorders, in simulated time. Nothing but the ends of
// the channel decides who holds which slot. What begins is taken by kernels: each goes on with what its daemon has loaded, killed,
// stopped or deaf as that may be, until its lease is over. After every event it is seen that no slot is taken twice.

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
/** After somebody came to life, until ears may be stopped again: those who have been alone for long must hear of it. */
const SETTLING = 3000;

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

/** What a server's kernel has been told. */
interface Kernel {
  readonly lease: KernelLease;
  until: number;
  /** By table and slot. */
  readonly slots: ReadonlySet<string>;
}

export const ROUTER = 'router';

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
  /** When who is dead is started again. */
  readonly #deaths = new Map<string, number>();
  /** When who is stopped goes on, and what waits for it. */
  readonly #pauses = new Map<string, number>();
  #waiting: Flight[] = [];
  /** Ways that nothing passes, as `FROM>TO`. */
  readonly #cuts = new Set<string>();
  #quietUntil = 0;
  readonly #kernels = new Map<string, Kernel>();
  /** When a message was last on its way, by the way. */
  readonly #heardAt = new Map<string, number>();
  #flights: Flight[] = [];
  #owners: Owners;
  readonly #configured: Uint16Array;

  /** The configuration has the first owners. */
  constructor(seed: number, owners: Owners) {
    this.#random = new Random(seed);
    this.#owners = owners;
    this.#configured = Uint16Array.from(owners, (owner) => (owner < SERVERS.length ? owner : NOBODY));
    this.#startRouter();
    for (const server of SERVERS) this.#startServer(server);
  }

  /** Every process that is dead or stopped goes on now, and everybody hears everybody. */
  reviveAll(): void {
    this.mend();
    for (const [name] of [...this.#pauses]) this.#resume(name);
    for (const [name] of [...this.#deaths]) this.#revive(name);
  }

  /** Its kernel goes on. */
  kill(name: string, forTime: number): void {
    if (this.#deaths.has(name)) return;
    this.#pauses.delete(name);
    this.#waiting = this.#waiting.filter(({ to }) => to !== name);
    this.#deaths.set(name, this.now + forTime);
    if (name === ROUTER) this.router = undefined;
    else this.servers.delete(name);
  }

  /** Stops a process as SIGSTOP does: it does nothing, and what comes waits. */
  pause(name: string, forTime: number): void {
    if (!this.#deaths.has(name)) this.#pauses.set(name, this.now + forTime);
  }

  /** Nothing passes from one to the other any more. Unless it has to be, not at once after somebody has come to life. */
  cut(from: string, to: string, hasToBe = false): void {
    if (hasToBe || this.now >= this.#quietUntil) this.#cuts.add(`${from}>${to}`);
  }

  mend(): void {
    this.#cuts.clear();
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

  /** Slots that somebody does not take who should, or takes though he should not. */
  wrong(): string[] {
    return TABLES.flatMap((table) =>
      this.#owners.flatMap((owner, slot) =>
        [...this.servers].flatMap(([server, end]) =>
          this.#takes(server, keyOf(table, slot)) === (SERVERS[owner] === server)
            ? []
            : `${table.family}/${slot}: ${server} ${end.hold}`,
        ),
      ),
    );
  }

  /** Slots that a server's kernel takes now, of both families. */
  takenBy(server: string): number {
    const kernel = this.#kernels.get(server);
    return kernel && kernel.until > this.now ? kernel.slots.size : 0;
  }

  #nextTime(): number {
    const ends = [...this.servers].map(([server, end]) => (this.#pauses.has(server) ? Infinity : end.next()));
    const flights = this.#flights.map(({ at }) => at);
    const router = this.#pauses.has(ROUTER) ? undefined : this.router;
    return Math.min(
      router?.next(this.now) ?? Infinity,
      ...ends,
      ...flights,
      ...this.#deaths.values(),
      ...this.#pauses.values(),
    );
  }

  #step(): void {
    for (const [name, until] of [...this.#deaths]) if (until <= this.now) this.#revive(name);
    for (const [name, until] of [...this.#pauses]) if (until <= this.now) this.#resume(name);
    const due = this.#flights.filter(({ at }) => at <= this.now);
    this.#flights = this.#flights.filter(({ at }) => at > this.now);
    for (const flight of due) {
      if (this.#pauses.has(flight.to)) this.#waiting.push(flight);
      else this.#deliver(flight.to, flight.datagram);
    }
    if (this.router && !this.#pauses.has(ROUTER)) this.#took(this.router.advance(this.now));
    for (const [server, end] of this.servers) {
      if (!this.#pauses.has(server) && end.next() <= this.now) this.#served(server, end.advance(this.now));
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

  /** What the daemon does: first the kernel, then messages. */
  #served(server: string, { messages, changed }: ServerOutcome): void {
    const end = this.servers.get(server);
    const kernel = this.#kernels.get(server);
    if (!end || !kernel) return;
    const time = kernel.lease.renew(end.heldUntil(), this.now);
    const slots = changed
      ? new Set(
          TABLES.flatMap((table) =>
            this.#owners.flatMap((_, slot) => (end.owns(table, slot) ? keyOf(table, slot) : [])),
          ),
        )
      : kernel.slots;
    this.#kernels.set(server, {
      ...{ lease: kernel.lease, slots },
      until: time === undefined ? kernel.until : this.now + time,
    });
    if (changed || time !== undefined) this.#inspect();
    this.#broadcast(server, messages);
  }

  #took({ messages }: RouterOutcome): void {
    this.#broadcast(ROUTER, messages);
  }

  #broadcast(from: string, messages: readonly Uint8Array[]): void {
    for (const datagram of messages) {
      for (const to of [ROUTER, ...SERVERS]) if (to !== from) this.#send(from, to, datagram);
    }
  }

  #send(from: string, to: string, datagram: Uint8Array): void {
    const { loss, doubled, delayed } = this.weather;
    const way = `${from}>${to}`;
    if (this.#cuts.has(way)) return;
    const chance = (): number => this.#random.word() / 2 ** 32;
    const isSpared = this.now > (this.#heardAt.get(way) ?? 0) + HEARD_WITHIN;
    if (chance() < loss && !isSpared) return;
    for (let copies = chance() < doubled ? 2 : 1; copies > 0; copies--) {
      const isLate = chance() < delayed && !isSpared;
      const held = from === ROUTER ? (this.lateness.get(to) ?? 0) : 0;
      const at = this.now + held + (isLate ? chance() * LONGEST_DELAY : 1 + chance() * 9);
      if (!isLate) this.#heardAt.set(way, this.now);
      this.#flights.push({ at, to, datagram });
    }
  }

  #revive(name: string): void {
    this.#deaths.delete(name);
    this.#settle();
    if (name === ROUTER) this.#startRouter();
    else this.#startServer(name);
  }

  /** Its timers are over when what waits is read, or some of it is read before: as chance will have it. */
  #resume(name: string): void {
    this.#pauses.delete(name);
    this.#settle();
    const waiting = this.#waiting.filter(({ to }) => to === name);
    this.#waiting = this.#waiting.filter(({ to }) => to !== name);
    const isTimerFirst = this.#random.below(2) === 0;
    if (isTimerFirst && name === ROUTER && this.router) this.#took(this.router.advance(this.now));
    const end = this.servers.get(name);
    if (isTimerFirst && end) this.#served(name, end.advance(this.now));
    for (const { datagram } of waiting) this.#deliver(name, datagram);
    if (name === ROUTER) this.#tellRouter();
  }

  #settle(): void {
    this.mend();
    this.#quietUntil = this.now + SETTLING;
  }

  #startRouter(): void {
    this.router = new RouterEnd({ seal: this.#seal, epoch: this.#life(), now: this.now });
    this.#tellRouter();
  }

  #startServer(server: string): void {
    const configured = () => TABLES.map((table) => ({ ...table, members: SERVERS, owners: this.#configured }));
    const options = { server, seal: this.#seal, session: this.#life(), configured, now: this.now };
    this.servers.set(server, new ServerEnd(options));
    this.#kernels.set(server, { lease: new KernelLease(), until: -Infinity, slots: new Set() });
    this.#tellRouter();
  }

  #life(): bigint {
    return BigInt(this.#random.word()) * 2n ** 32n + BigInt(this.#random.word()) + 1n;
  }

  #tellRouter(): void {
    if (!this.router || this.#pauses.has(ROUTER)) return;
    const owners = Uint16Array.from(this.#owners, (owner) => (owner < SERVERS.length ? owner : NOBODY));
    const tables = TABLES.map((table) => ({ ...table, members: SERVERS, owners, meaning: '' }));
    const wanted: Wanted = { tables, servers: SERVERS };
    this.#took(this.router.want(wanted, this.now));
  }

  #takes(server: string, key: string): boolean {
    const kernel = this.#kernels.get(server);
    return kernel !== undefined && kernel.until > this.now && kernel.slots.has(key);
  }

  #inspect(): void {
    for (const table of TABLES) {
      for (let slot = 0; slot < SLOTS; slot++) {
        const holders = SERVERS.filter((server) => this.#takes(server, keyOf(table, slot)));
        if (holders.length > 1)
          this.faults.push(`${this.now} ms: slot ${table.family}/${slot} of ${holders.join(' and ')}`);
      }
    }
  }
}

function keyOf({ service, family }: (typeof TABLES)[number], slot: number): string {
  return `${service}/${family}/${slot}`;
}
