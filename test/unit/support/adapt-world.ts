import type { Service } from '../../../src/config/model.ts';
import type { SlotTables } from '../../../src/deployment/deployment.ts';
import { EVERYBODY_UP, slotTables } from '../../../src/deployment/slot-tables.ts';
import { NOTHING_KNOWN, observe, target, turned } from '../../../src/load/adapt.ts';
import type { Adaptation } from '../../../src/load/adapt.ts';
import type { Factors } from '../../../src/load/factors.ts';
import { findStep, movedSlots } from '../../../src/load/step.ts';
import type { Random } from './random.ts';

const MINUTE = 60_000;
const SAMPLE = 10_000;

export interface Traffic {
  /** Load that the clients of each slot make. */
  readonly slots: readonly number[];
  /** A sample of a server's load is off by up to this part of it, either way. */
  readonly noise: number;
}

/** A service whose load is shaped, in a world in which a server's load is that of the clients of its slots. */
export class AdaptWorld {
  readonly service: Service;
  tables: SlotTables;
  factors: Factors = new Map();
  /** Slots moved in each minute so far. */
  readonly moved: number[] = [];
  #known: Adaptation = NOTHING_KNOWN;
  #now = 0;
  readonly #random: Random;

  constructor(service: Service, random: Random) {
    this.service = service;
    this.#random = random;
    this.tables = slotTables(service);
  }

  /** Load over weight of each server, exactly. */
  pressures(traffic: Traffic): number[] {
    const loads = this.service.servers.map(() => 0);
    this.tables[4]?.forEach((owner, slot) => (loads[owner] = (loads[owner] ?? 0) + (traffic.slots[slot] ?? 0)));
    return loads.map((load, at) => load / (this.service.servers[at]?.weight ?? 1));
  }

  /** The heaviest pressure, as a multiple of the average. */
  spread(traffic: Traffic): number {
    const pressures = this.pressures(traffic);
    const weights = this.service.servers.map(({ weight }) => weight);
    const total = pressures.reduce((sum, value, at) => sum + value * (weights[at] ?? 0), 0);
    return (Math.max(...pressures) * weights.reduce((sum, weight) => sum + weight, 0)) / total;
  }

  /** A minute in which nothing but the load changes anything; the slots that have moved at its end. */
  minute(traffic: Traffic): number {
    const { servers } = this.service;
    for (let end = this.#now + MINUTE; this.#now < end;) {
      this.#now += SAMPLE;
      const pressures = this.pressures(traffic);
      const off = () => 1 + traffic.noise * (2 * (this.#random.below(1_000_000) / 1_000_000) - 1);
      const loads = new Map(servers.map(({ name, weight }, at) => [name, (pressures[at] ?? 0) * weight * off()]));
      const sample = { kind: 'packets' as const, loads, at: this.#now };
      this.#known = observe(this.#known, sample, servers, this.factors, { now: this.#now, elapsed: SAMPLE });
    }
    const moved = this.#step();
    this.moved.push(moved);
    return moved;
  }

  #step(): number {
    const { service, tables, factors } = this;
    const wanted = target(this.#known, service.servers, factors);
    if (!wanted) return 0;
    const work = findStep(service, { ...EVERYBODY_UP, factors }, tables, service.servers, wanted);
    let next = work.next();
    while (!next.done) next = work.next();
    if (!next.value) return 0;
    this.#known = turned(this.#known, factors, wanted);
    this.factors = next.value.factors;
    this.tables = slotTables(service, { ...EVERYBODY_UP, factors: this.factors });
    return movedSlots(tables, this.tables);
  }
}
