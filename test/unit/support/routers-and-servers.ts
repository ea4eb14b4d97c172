import { NOBODY } from '../../../src/allocation/table.ts';
import { adjust } from '../../../src/load/adjust.ts';
import { nextFactors, sharesOf } from '../../../src/load/least.ts';
import type { Random } from './random.ts';

/** Milliseconds of a step. */
export const STEP = 50;
/** Milliseconds between two looks of a router. */
const LOOK = 500;
const SLOTS = 4096;

export interface Load {
  readonly routers: number;
  readonly weights: readonly number[];
  /** New connections per second at each router. */
  readonly rate: number;
  /** Mean life time of a connection at a server, milliseconds. */
  readonly lifeOf: (server: number) => number;
  readonly scheduler: 'least' | 'random';
}

/** Who knows nothing of the others: its own connections, by server, and the table that it picks from. */
interface Router {
  readonly live: Float64Array;
  readonly factors: Map<number, number>;
  table: Uint16Array;
  readonly offset: number;
}

/** Routers that give connections to servers, by chance, step by step. */
export class RoutersAndServers {
  readonly #load: Load;
  readonly #random: Random;
  readonly #routers: Router[];
  /** Connections that end, by step: router and server of each. */
  readonly #ends = new Map<number, number[]>();
  readonly #up: boolean[];
  #step = 0;
  /** Entries of tables that have been changed. */
  moved = 0;
  /** New connections by server in the last second, second by second. */
  arrivals: Float64Array;
  readonly seconds: Float64Array[] = [];

  constructor(load: Load, random: Random) {
    this.#load = load;
    this.#random = random;
    this.#up = load.weights.map(() => true);
    this.arrivals = new Float64Array(load.weights.length);
    this.#routers = Array.from({ length: load.routers }, () => ({
      live: new Float64Array(load.weights.length),
      factors: new Map<number, number>(),
      table: new Uint16Array(SLOTS).fill(NOBODY),
      offset: random.below(LOOK / STEP),
    }));
    for (const router of this.#routers) this.#look(router);
  }

  /** A server goes, with all its connections, or comes back. */
  turn(server: number, up: boolean): void {
    this.#up[server] = up;
    for (const router of this.#routers) {
      if (!up) {
        router.live[server] = 0;
        router.factors.delete(server);
      }
      this.#look(router, 0);
    }
    if (up) return;
    for (const ends of this.#ends.values())
      for (let at = 0; at < ends.length; at += 2) if (ends[at + 1] === server) ends[at] = -1;
  }

  run(seconds: number): void {
    for (let end = this.#step + (seconds * 1000) / STEP; this.#step < end; this.#step++) {
      const ended = this.#ends.get(this.#step) ?? [];
      this.#ends.delete(this.#step);
      for (let at = 0; at < ended.length; at += 2) {
        const live = this.#routers[ended[at] ?? -1]?.live;
        if (live) live[ended[at + 1] ?? 0] = (live[ended[at + 1] ?? 0] ?? 0) - 1;
      }
      for (const [index, router] of this.#routers.entries()) this.#advance(index, router);
      if ((this.#step + 1) % (1000 / STEP) === 0) {
        this.seconds.push(this.arrivals);
        this.arrivals = new Float64Array(this.#load.weights.length);
      }
    }
  }

  /** Connections by server, over its weight. */
  loads(): number[] {
    return this.#load.weights.map(
      (weight, server) => this.#routers.reduce((total, { live }) => total + (live[server] ?? 0), 0) / weight,
    );
  }

  #advance(index: number, router: Router): void {
    const { rate, lifeOf, scheduler } = this.#load;
    for (let count = this.#poisson((rate * STEP) / 1000); count > 0; count--) {
      const server = router.table[this.#random.below(SLOTS)] ?? NOBODY;
      const life = Math.ceil((-Math.log(1 - this.#fraction()) * lifeOf(server)) / STEP);
      router.live[server] = (router.live[server] ?? 0) + 1;
      this.arrivals[server] = (this.arrivals[server] ?? 0) + 1;
      const at = this.#step + Math.max(life, 1);
      const ends = this.#ends.get(at) ?? [];
      if (ends.length === 0) this.#ends.set(at, ends);
      ends.push(index, server);
    }
    if (scheduler === 'least' && (this.#step + router.offset) % (LOOK / STEP) === 0) this.#look(router, LOOK);
  }

  #look(router: Router, elapsed = 0): void {
    const { weights, scheduler } = this.#load;
    const servers = [...weights.keys()].filter((server) => this.#up[server]);
    const ofUp = servers.map((server) => weights[server] ?? 0);
    const candidates = servers.map((server, index) => ({
      ...{ weight: ofUp[index] ?? 0, load: router.live[server] ?? 0, factor: router.factors.get(server) },
    }));
    const factors = scheduler === 'least' ? nextFactors(candidates, elapsed, 1) : servers.map(() => 1);
    servers.forEach((server, index) => router.factors.set(server, factors[index] ?? 1));
    const shares = sharesOf(ofUp, factors);
    const table = adjust(
      router.table,
      servers.map((owner, index) => ({ owner, share: shares[index] ?? 0 })),
    );
    if (table !== router.table) table.forEach((owner, slot) => (this.moved += owner === router.table[slot] ? 0 : 1));
    router.table = table;
  }

  /** 0 to below 1. */
  #fraction(): number {
    return this.#random.word() / 0x1_0000_0000;
  }

  /** Knuth's way, for small means. */
  #poisson(mean: number): number {
    const limit = Math.exp(-mean);
    let count = 0;
    for (let product = this.#fraction(); product > limit; product *= this.#fraction()) count++;
    return count;
  }
}
