import { flowKey } from '../../src/channel/flow.ts';
import type { FlowKey } from '../../src/channel/flow.ts';
import { NOBODY } from '../../src/channel/message.ts';
import { RouterEnd } from '../../src/channel/router-end.ts';
import type { RouterOutcome, Wanted } from '../../src/channel/router-end.ts';
import { Seal } from '../../src/channel/seal.ts';
import { ServerEnd } from '../../src/channel/server-end.ts';
import type { ServerOutcome } from '../../src/channel/server-end.ts';
import { addressFromBytes } from '../../src/net/address.ts';
import { KernelLease } from '../../src/server/lease.ts';
import { authenticator } from './support/authenticator.ts';
import { Random } from './support/random.ts';

// A router and its servers on a network that loses, doubles, delays and reorders, in simulated time. Nothing but the ends of
// the channel decides who holds which slot. What begins is taken by kernels: each goes on with what its daemon has loaded, killed,
// stopped or deaf as that may be, until its lease is over. After every event it is seen that no slot is taken twice, and no datagram
// of an open flow. Flows send now and then; who has answered one is asked for the next datagram, too, as long as neither has ended.

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
/** Milliseconds without a datagram after which a server's kernel forgets a flow, and between looks at which it has forgotten. */
const FLOW_TIMEOUT = 3000;
const FLOW_LOOK = 700;
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
  /** Slots that have been let go of, in which open flows go on until it is known which those are. */
  readonly releasing: ReadonlySet<string>;
  readonly kept: ReadonlySet<FlowKey>;
  readonly elsewhere: ReadonlySet<FlowKey>;
  /** Flows that are open, and when the last datagram came. */
  readonly open: Map<FlowKey, number>;
}

interface SimulatedFlow {
  readonly table: (typeof TABLES)[number];
  readonly slot: number;
  readonly place: string;
  readonly key: FlowKey;
  due: number;
  /** Who has taken its last datagram, and may be asked to take the next one. */
  server: string | undefined;
  at: number;
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
  /** Of the flows, so that they change nothing of what becomes of messages. */
  readonly #chance: Random;
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
  readonly #flows: readonly SimulatedFlow[];
  #lookAt = 0;
  /** Datagrams that were taken, by nobody, and by another server than the one before for no reason that there is. */
  readonly datagrams = { taken: 0, lost: 0 };
  /** When a message was last on its way, by the way. */
  readonly #heardAt = new Map<string, number>();
  #flights: Flight[] = [];
  #owners: Owners;
  readonly #configured: Uint16Array;

  /** The configuration has the first owners, and each slot so many flows. */
  constructor(seed: number, owners: Owners, flows = 2) {
    this.#random = new Random(seed);
    this.#chance = new Random(seed + 1);
    this.#owners = owners;
    this.#configured = Uint16Array.from(owners, (owner) => (owner < SERVERS.length ? owner : NOBODY));
    this.#flows = TABLES.flatMap((table) =>
      owners.flatMap((_, slot) => Array.from({ length: flows }, (_, count) => this.#flow(table, slot, count))),
    );
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

  /** Flows that not exactly one server would take whose slots are somebody's. */
  stray(): string[] {
    return this.#flows.flatMap(({ table, slot, place, key }) => {
      const takers = this.#takersOf(place, key);
      const isSomebodys = (this.#owners[slot] ?? SERVERS.length) < SERVERS.length;
      return takers.length === 1 || (!isSomebodys && takers.length === 0)
        ? []
        : `${table.family}/${slot}: flow of ${takers.join(' and ')}`;
    });
  }

  /** Flows of which the servers' kernels hold that others have their slots, by the keeper. */
  keptBy(server: string): number {
    return this.#kernels.get(server)?.kept.size ?? 0;
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
      ...this.#flows.map(({ due }) => due),
      this.#lookAt,
    );
  }

  #step(): void {
    for (const [name, until] of [...this.#deaths]) if (until <= this.now) this.#revive(name);
    for (const [name, until] of [...this.#pauses]) if (until <= this.now) this.#resume(name);
    for (const flow of this.#flows) if (flow.due <= this.now) this.#flowSends(flow);
    if (this.#lookAt <= this.now) this.#look();
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
    // Others may have got what it had, or were about to.
    const isConfirmed = end.standing(this.now).lease !== undefined;
    if (end.hold !== 'holding' || kernel.until <= this.now || !isConfirmed) this.#excuse(server);
    const time = kernel.lease.renew(end.heldUntil(), this.now);
    const slots = changed
      ? new Set(
          TABLES.flatMap((table) =>
            this.#owners.flatMap((_, slot) => (end.owns(table, slot) ? keyOf(table, slot) : [])),
          ),
        )
      : kernel.slots;
    const { lease, open } = kernel;
    const shares = changed ? this.#sharesOf(end) : kernel;
    this.#kernels.set(server, {
      ...{ lease, open, slots, releasing: shares.releasing, kept: shares.kept, elsewhere: shares.elsewhere },
      until: time === undefined ? kernel.until : this.now + time,
    });
    if (changed || time !== undefined) this.#inspect();
    this.#broadcast(server, messages);
    for (const { service, family, slots } of end.releasing()) {
      this.#forgetFlows(open);
      const here = this.#flows.filter(
        ({ table, slot, key }) => table.family === family && slots[slot] === 1 && open.has(key),
      );
      const flows = here.map(({ key }) => key);
      this.#served(server, end.keep({ service, family }, flows, this.now));
    }
  }

  #sharesOf(end: ServerEnd): Pick<Kernel, 'releasing' | 'kept' | 'elsewhere'> {
    const shares = TABLES.map((table) => end.flowsOf(table));
    const releasing = end
      .releasing()
      .flatMap(({ slots, ...name }) =>
        TABLES.filter(({ family }) => family === name.family).flatMap((table) =>
          [...slots].flatMap((isReleased, slot) => (isReleased === 1 ? keyOf(table, slot) : [])),
        ),
      );
    return {
      releasing: new Set(releasing),
      kept: new Set(shares.flatMap(({ kept }) => [...kept])),
      elsewhere: new Set(shares.flatMap(({ elsewhere }) => [...elsewhere])),
    };
  }

  #flow(table: (typeof TABLES)[number], slot: number, count: number): SimulatedFlow {
    const length = table.family === 4 ? 4 : 16;
    const client = addressFromBytes(new Uint8Array(length).fill(10 + slot));
    const ghost = addressFromBytes(new Uint8Array(length).fill(200));
    const key = flowKey({ client, clientPort: 1000 + count, ghost, port: 53 });
    const due = this.#chance.below(1000);
    return { table, slot, place: keyOf(table, slot), key, due, server: undefined, at: -Infinity };
  }

  #flowSends(flow: SimulatedFlow): void {
    const { place, key, server, at } = flow;
    // Most are busy, and some silent for so long that they may have ended.
    flow.due = this.now + (this.#chance.below(20) === 0 ? 2 * FLOW_TIMEOUT : 100) + this.#chance.below(1500);
    const takers = this.#takersOf(place, key);
    for (const taker of takers) this.#kernels.get(taker)?.open.set(key, this.now);
    const [taker] = takers;
    const isServed = server !== undefined && (this.#kernels.get(server)?.until ?? 0) > this.now;
    const isOpen = isServed && this.now < at + FLOW_TIMEOUT;
    if (isOpen && taker !== server)
      this.faults.push(`${this.now} ms: open flow ${place} of ${server} taken by ${taker ?? 'nobody'}`);
    if (taker === undefined) this.datagrams.lost++;
    else this.datagrams.taken++;
    // Who has gone on without a router may have to begin anew with the next one.
    const isConfirmed = this.servers.get(taker ?? '')?.standing(this.now).lease !== undefined;
    flow.server = isConfirmed ? taker : undefined;
    flow.at = this.now;
  }

  /** Who would take a datagram now. */
  #takersOf(place: string, key: FlowKey): string[] {
    return SERVERS.filter((server) => {
      const kernel = this.#kernels.get(server);
      if (!kernel || kernel.until <= this.now) return false;
      if (kernel.kept.has(key)) return true;
      if (kernel.elsewhere.has(key)) return false;
      const isOpen = this.now < (kernel.open.get(key) ?? -Infinity) + FLOW_TIMEOUT;
      return kernel.slots.has(place) || (kernel.releasing.has(place) && isOpen);
    });
  }

  #forgetFlows(open: Map<FlowKey, number>): void {
    for (const [key, at] of open) if (this.now >= at + FLOW_TIMEOUT) open.delete(key);
  }

  /** What the daemons do now and then: tell which flows have ended. A server whose kernel has stopped for a moment may lose flows. */
  #look(): void {
    this.#lookAt = this.now + FLOW_LOOK;
    for (const [server, kernel] of this.#kernels) {
      this.#forgetFlows(kernel.open);
      const end = this.servers.get(server);
      if (!end || this.#pauses.has(server)) continue;
      for (const table of TABLES) {
        const ended = [...end.flowsOf(table).kept].filter((key) => !kernel.open.has(key));
        if (ended.length > 0) this.#served(server, end.end(table, ended, this.now));
      }
    }
  }

  /** Of what this server had open nothing is demanded any more. */
  #excuse(server: string): void {
    for (const flow of this.#flows) if (flow.server === server) flow.server = undefined;
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
    this.#excuse(server);
    this.#kernels.set(server, {
      ...{ lease: new KernelLease(), until: -Infinity, slots: new Set(), releasing: new Set() },
      ...{ kept: new Set(), elsewhere: new Set(), open: this.#kernels.get(server)?.open ?? new Map() },
    });
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
    for (const { place, key } of this.#flows) {
      const takers = this.#takersOf(place, key);
      if (takers.length > 1) this.faults.push(`${this.now} ms: flow in slot ${place} of ${takers.join(' and ')}`);
    }
  }
}

function keyOf({ service, family }: (typeof TABLES)[number], slot: number): string {
  return `${service}/${family}/${slot}`;
}
