import { families, ghostPlaces, wanClient } from './addresses.ts';
import type { Lab } from './lab.ts';
import { spreadClients } from './scenario.ts';
import { echoPort } from './servers.ts';
import { TrafficLoad, type FlowOptions } from './traffic-load.ts';

/** How many there are, half of each family. */
export interface ClientCounts {
  /** Long-lived TCP connections. */
  readonly tcp: number;
  /** UDP flows. */
  readonly udp: number;
  /** New TCP connections a second. */
  readonly fresh: number;
}

/** Milliseconds between two questions of a flow. */
const periods = { tcp: 1_000, udp: 400 } as const;
/** Milliseconds after which a flow counts as silent, unless told otherwise. */
const usualPatience = 4_000;
/** Flows that are opened at a time, and the pause in between, so that their questions are spread over the period. */
const batch = 25;
const pause = 40;

/** The clients of one run: flows that live on, those that broke anew as a person would do it, and new connections. */
export class HitlessClients {
  readonly load: TrafficLoad;
  readonly #flows: readonly FlowOptions[];
  readonly #origins: readonly Pick<FlowOptions, 'source' | 'destination' | 'port'>[];
  #ended = false;

  constructor(lab: Lab, counts: ClientCounts, patience = usualPatience) {
    this.load = new TrafficLoad(lab.wan, patience);
    const destination = ghostPlaces.elsewhere;
    const port = echoPort;
    this.#flows = families.flatMap((family) => {
      const sources = spreadClients(family, (counts.tcp + counts.udp) / 2);
      return sources.map((source, index) => {
        const protocol = index < counts.tcp / 2 ? 'tcp' : 'udp';
        return { protocol, source, destination: destination[family], port, period: periods[protocol] } as const;
      });
    });
    this.#origins = Array.from({ length: 200 }, (_, index) => families[index % 2] ?? 4).map((family, index) => ({
      source: wanClient(family, 401 + index * 601),
      destination: destination[family],
      port,
    }));
    this.load.onBreak(({ options }) => {
      setTimeout(() => {
        if (!this.#ended) this.load.hold(options);
      }, 100);
    });
    if (counts.fresh > 0) this.load.stream(this.#origins, counts.fresh);
  }

  /** Opens all flows; resolves when all have been answered. */
  async open(): Promise<void> {
    for (const [index, flow] of this.#flows.entries()) {
      if (index % batch === 0) await elapse(pause);
      this.load.hold(flow);
    }
    await this.load.allOpen(10_000);
  }

  /** Closes every flow and opens one like it; resolves when all have been answered. */
  async reopen(): Promise<void> {
    for (const [index, [flow, { options }]] of [...this.load.held].entries()) {
      if (index % batch === 0) await elapse(pause);
      this.load.drop(flow);
      this.load.hold(options);
    }
    await this.load.allOpen(10_000);
  }

  /** Closes every flow for good. */
  closeAll(): void {
    for (const flow of [...this.load.held.keys()]) this.load.drop(flow);
  }

  async end(): Promise<void> {
    this.#ended = true;
    await this.load.end();
  }
}

/** Lets time pass, where a client or an operator takes it. */
export function elapse(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
