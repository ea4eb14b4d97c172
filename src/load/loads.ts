/**
 * What a load is a number of. Loads of two kinds cannot be compared, so that those of a service are always of one:
 *
 * - `watchdog`: what a script that watches the service prints, for each of its servers
 * - `script`: what the servers' own `load_script` prints, about the whole machine
 * - `processor`: share of its processors' time that a server uses, 0–1
 * - `packets`: packets a second that the router sends to a server for the service
 */
export type LoadKind = 'watchdog' | 'script' | 'processor' | 'packets';

/** The loads of a service's servers at a moment, all of one kind. */
export interface ServiceLoads {
  readonly kind: LoadKind;
  /** By server; 0 and more. It holds everybody who was asked for. */
  readonly loads: ReadonlyMap<string, number>;
  /** When the oldest of them was told. */
  readonly at: number;
}

/** A load as it was told, and how long it counts. Both are milliseconds of one clock. */
export interface ToldLoad {
  readonly load: number;
  readonly at: number;
  readonly until: number;
}

/** Loads of one kind, by server, with those that are too old or missing. */
export interface ToldLoads {
  readonly kind: LoadKind;
  readonly of: (server: string) => ToldLoad | undefined;
}

/**
 * The loads of all these servers in the first kind in which each of them has told its own lately. `undefined`: there is none,
 * or nobody to ask for.
 */
export function comparableLoads(
  servers: readonly string[],
  told: readonly ToldLoads[],
  now: number,
): ServiceLoads | undefined {
  if (servers.length === 0) return undefined;
  for (const { kind, of } of told) {
    const loads = new Map<string, number>();
    let oldest = now;
    for (const server of servers) {
      const last = of(server);
      if (!last || last.until <= now) continue;
      loads.set(server, Math.max(last.load, 0));
      oldest = Math.min(oldest, last.at);
    }
    if (loads.size === new Set(servers).size) return { kind, loads, at: oldest };
  }
  return undefined;
}

/**
 * How hard a server has it: what is to be equal for all servers of a service. An amount (connections, packets, what a script
 * counts) is shared out by weight; a share of the processors' time has what the server can do in it already.
 */
export function pressure(kind: LoadKind, load: number, weight: number): number {
  return kind === 'processor' ? load : load / weight;
}
