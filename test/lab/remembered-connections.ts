import * as assert from 'uvu/assert';
import type { Family } from '../../src/net/address.ts';
import { families, scatteredClient, wanClient } from './addresses.ts';
import type { ControlClient } from './control-client.ts';
import type { Lab } from './lab.ts';
import { figure } from './scenario.ts';
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
          const source = scatteredClient(family, number);
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

/** Streams new connections to the ghosts. What it returns tells which servers the later half of the next so many got. */
function streamTo(
  load: TrafficLoad,
  ghosts: readonly Readonly<Record<Family, string>>[],
): (count: number) => Promise<ReadonlySet<string | undefined>> {
  const source = (family: Family) => wanClient(family, 99);
  load.stream(
    ghosts.flatMap((ghost) =>
      families.map((family) => ({ source: source(family), destination: ghost[family], port: echoPort })),
    ),
    50,
  );
  return async (count) => {
    const from = load.attempts.length;
    await load.until('new connections', 20_000, () => load.attempts.length >= from + count);
    return new Set(load.attempts.slice(from + count / 2).map(({ server }) => server));
  };
}

/** Who is changed, and how a configuration is made. */
export interface Changeable {
  readonly control: ControlClient;
  readonly services: readonly string[];
  /** One of them in which the server that drains has connections for longer than that takes. */
  readonly patient: string;
  /** Ghosts to which new connections go meanwhile. */
  readonly ghosts: readonly Readonly<Record<Family, string>>[];
  /** With these weights, and these servers out of the four. */
  configurationOf(lab: Lab, weights?: Readonly<Record<string, number>>, servers?: Lab['servers']): string;
}

/**
 * No connection breaks, and no new one fails, when servers are drained, reweighted, taken out and brought back, and the daemon is
 * killed and started again. Ends the load.
 */
export async function outliveChanges(lab: Lab, load: TrafficLoad, changeable: Changeable): Promise<void> {
  const { control, services, patient, ghosts, configurationOf } = changeable;
  const { daemon } = lab;
  const answersOf = streamTo(load, ghosts);
  for (const service of services) await setServer(control, service, 's2', 'drain');
  assert.not.ok((await answersOf(60)).has('s2'), 'who is drained gets no new connection');
  assert.is((await control.server(patient, 's2')).state, 'draining', 'while it has old ones');
  await goesOn(load);
  for (const service of services) await setServer(control, service, 's2', 'auto');
  assert.ok((await answersOf(100)).has('s2'));
  await daemon.reload(configurationOf(lab, { s1: 300, s3: 50 }));
  await goesOn(load);
  await daemon.reload(configurationOf(lab, {}, lab.servers.slice(0, 3)));
  assert.not.ok((await answersOf(60)).has('s4'), 'who is taken out gets no new connection');
  await goesOn(load);
  await daemon.reload(configurationOf(lab));
  assert.ok((await answersOf(100)).has('s4'));
  await goesOn(load);
  await daemon.crash();
  await goesOn(load);
  await daemon.start(configurationOf(lab));
  await goesOn(load);
  assert.equal(describeBreaks(load), []);
  assert.equal(
    load.attempts.filter(({ reason }) => reason !== undefined),
    [],
  );
  figure(
    `${load.held.size} connections through all changes: none broken; ${load.attempts.length} new ones beside them`,
  );
  await load.end();
}

export async function setServer(control: ControlClient, service: string, server: string, state: string): Promise<void> {
  await control.order('set_server', { service, server, state });
}
