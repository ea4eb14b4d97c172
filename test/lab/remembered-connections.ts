import type { Family } from '../../src/net/address.ts';
import { families, wanClient } from './addresses.ts';
import type { ControlClient } from './control-client.ts';
import type { Lab } from './lab.ts';
import { echoPort } from './servers.ts';
import { TrafficLoad, clock } from './traffic-load.ts';

// Connections of services whose router remembers who has which, through changes of the servers.

/** Milliseconds between two questions of a connection. */
export const period = 400;

/** Holds so many connections of each family and protocol to each of the ghosts, which take turns; resolves when all are open. */
export async function holdAll(
  lab: Lab,
  each: number,
  ghosts: readonly Readonly<Record<Family, string>>[],
): Promise<TrafficLoad> {
  const load = new TrafficLoad(lab.wan, 10_000);
  for (let number = 0; number < each; number++) {
    for (const family of families) {
      for (const protocol of ['tcp', 'udp'] as const) {
        for (const ghost of ghosts) {
          const source = wanClient(family, number * 521);
          load.hold({ protocol, source, destination: ghost[family], port: echoPort, period });
        }
      }
    }
  }
  await load.allOpen(30_000);
  return load;
}

/** Resolves when every flow has been asked once more, and nobody of those asked has been silent since. */
export async function goesOn(load: TrafficLoad): Promise<void> {
  const since = clock();
  await load.until('a while of answers', 10_000, () => load.breaks.length > 0 || clock() > since + 3 * period);
}

/** What broke, a line each. */
export function describeBreaks(load: TrafficLoad): string[] {
  return load.breaks.map(
    ({ options, server, reason, by }) => `${options.protocol} ${options.destination} ${server} ${reason} ${by}`,
  );
}

/** Streams new connections to a ghost. What it returns tells which servers the later half of the next so many got. */
export function streamTo(
  load: TrafficLoad,
  ghost: Readonly<Record<Family, string>>,
): (count: number) => Promise<ReadonlySet<string | undefined>> {
  load.stream(
    families.map((family) => ({ source: wanClient(family, 99), destination: ghost[family], port: echoPort })),
    50,
  );
  return async (count) => {
    const from = load.attempts.length;
    await load.until('new connections', 10_000, () => load.attempts.length >= from + count);
    return new Set(load.attempts.slice(from + count / 2).map(({ server }) => server));
  };
}

export async function setServer(control: ControlClient, service: string, server: string, state: string): Promise<void> {
  await control.order('set_server', { service, server, state });
}
