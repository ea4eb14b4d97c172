import type { Reporter } from '../channel/router-end.ts';
import type { Watchdog } from '../config/model.ts';
import { comparableLoads } from '../load/loads.ts';
import type { ServiceLoads, ToldLoad, ToldLoads } from '../load/loads.ts';
import { parseLoadNumber } from '../server/load-number.ts';
import type { ProbeResult, ProbeTarget } from '../watchdog/prober.ts';

/** Milliseconds after which what a server has told over the channel is not what it is any more; it tells twice a second. */
const CHANNEL_HOLD = 5000;
/** Runs of a script that may be without a number until the last one counts no more. */
const MISSED_RUNS = 3;

export interface ReportedLoadsOptions {
  /** Milliseconds of a clock that only goes forward. */
  readonly clock: () => number;
  /** What a server has told over the channel, if it has. */
  readonly reporter: (server: string) => Pick<Reporter, 'at' | 'load'> | undefined;
  /** Watchdogs in force. */
  readonly watchdogs: () => readonly Watchdog[];
}

/** The load of servers as they, or scripts that watch them, tell it. What is old counts for nothing. */
export class ReportedLoads {
  readonly #options: ReportedLoadsOptions;
  /** Of scripts that watch: by path, then by service and server. */
  readonly #watched = new Map<string, Map<string, ToldLoad>>();

  constructor(options: ReportedLoadsOptions) {
    this.#options = options;
  }

  /** A script that watches has ended: where the first line of a success is a number, that is the server's load. */
  heard(path: string, { service, server }: Pick<ProbeTarget, 'service' | 'server'>, result: ProbeResult): void {
    const load = result.passed ? parseLoadNumber(result.reason) : undefined;
    if (load === undefined) return;
    const at = this.#options.clock();
    const until = at + MISSED_RUNS * intervalOf(path, this.#options.watchdogs());
    const told = this.#watched.get(path) ?? new Map<string, ToldLoad>();
    this.#watched.set(path, told.set(keyOf(service, server), { load, at, until }));
  }

  /**
   * The loads of these servers of a service, in the first kind that all of them have: what a watching script prints, their
   * `load_script`, their processors. `undefined`: there is none.
   */
  of(service: string, servers: readonly string[]): ServiceLoads | undefined {
    const now = this.#options.clock();
    this.#forget(now);
    const ofScripts = [...this.#watched.values()].map((told): ToldLoads => ({
      kind: 'watchdog',
      of: (server) => told.get(keyOf(service, server)),
    }));
    const ofChannel = (['script', 'processor'] as const).map((kind): ToldLoads => ({
      kind,
      of: (server) => this.#overChannel(kind, server),
    }));
    return comparableLoads(servers, [...ofScripts, ...ofChannel], now);
  }

  #overChannel(kind: 'script' | 'processor', server: string): ToldLoad | undefined {
    const reporter = this.#options.reporter(server);
    const load = kind === 'script' ? reporter?.load?.script : reporter?.load?.cpu;
    if (!reporter || load === undefined) return undefined;
    return { load, at: reporter.at, until: reporter.at + CHANNEL_HOLD };
  }

  /** Drops what counts no more: scripts and servers come and go. */
  #forget(now: number): void {
    for (const [path, told] of this.#watched) {
      for (const [key, { until }] of told) if (until <= now) told.delete(key);
      if (told.size === 0) this.#watched.delete(path);
    }
  }
}

function keyOf(service: string, server: string): string {
  return `${service}/${server}`;
}

/** Milliseconds between two runs of a script for a server, at most. */
function intervalOf(path: string, watchdogs: readonly Watchdog[]): number {
  const runs = watchdogs.filter(({ check }) => check.type === 'script' && check.path === path);
  return Math.max(...runs.map(({ interval, timeout }) => Math.max(interval, timeout)), 0);
}
