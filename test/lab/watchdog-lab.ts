import * as assert from 'uvu/assert';
import { families, ghostPlaces, wanClient } from './addresses.ts';
import { LabBus } from './bus.ts';
import { ControlClient, type Heard } from './control-client.ts';
import type { Lab } from './lab.ts';
import { configuration } from './scenario.ts';
import { echoPort } from './servers.ts';
import { kernelSlots } from './slots.ts';
import { labSuite } from './suite.ts';
import type { Server, TopologyOptions } from './topology.ts';
import { TrafficLoad } from './traffic-load.ts';
import { uciSection, type UciOptions } from './uci.ts';

/** The service `web` for TCP and UDP clients from outside, and watchdogs for it by their names. */
export function watched(
  lab: Lab,
  watchdogs: Readonly<Record<string, UciOptions>>,
  { service = {}, servers = lab.servers }: { service?: UciOptions; servers?: readonly Server[] } = {},
): string {
  const options = { port: [80, echoPort], source: ['wan'], ...service };
  return [
    configuration({ ...lab, servers }, { web: { options } }),
    ...Object.entries(watchdogs).map(([name, more]) =>
      uciSection('watchdog', name, { service: ['web'], fall: 2, rise: 2, half_life: '0s', ...more }),
    ),
  ].join('');
}

/** A lab that tests share, with a daemon on a bus and somebody there who commands it. */
export interface WatchedScene {
  readonly lab: Lab;
  readonly control: ControlClient;
}

/** Tests that share one lab; `configure` makes the configuration that the daemon starts with. */
export function watchedSuite(
  name: string,
  options: TopologyOptions,
  configure: (lab: Lab) => string | Promise<string>,
): { test(title: string, body: (scene: WatchedScene) => Promise<void>): void; run(): void } {
  let joined: Promise<ControlClient> | undefined;
  const { test, run } = labSuite(name, options, async (lab) => {
    // It and its client end with the process, which they do not keep from ending.
    const bus = await LabBus.start(lab.daemon.ubusSocket, {});
    joined = ControlClient.join(bus, 30_000);
    return configure(lab);
  });
  return {
    test: (title, body) => {
      test(title, async ({ lab }) => {
        if (!joined) throw new Error('there is no bus');
        await body({ lab, control: await joined });
      });
    },
    run,
  };
}

/** Server `sN` of a lab. */
export function serverOf({ servers }: Lab, number: number): Server {
  const found = servers[number - 1];
  if (!found) throw new Error(`no server s${number}`);
  return found;
}

/** Orders a state for a server of `web`, as `ubus call oneip set_server` does. */
export async function setServer(
  control: ControlClient,
  server: string,
  state: string,
  more: Readonly<Record<string, string | number>> = {},
): Promise<void> {
  await control.order('set_server', { server, service: 'web', state, ...more });
}

/** A server goes down, or comes up, by what `cause` does; resolves with the event, when the kernel's table says the same. */
export async function turns(
  lab: Lab,
  control: ControlClient,
  action: 'up' | 'down',
  server: string,
  cause: () => Promise<unknown>,
  timeout = 5_000,
): Promise<Heard> {
  const [event] = await Promise.all([control.told(action, server, timeout), cause()]);
  await assertInUse(lab, control, server, action === 'up');
  return event;
}

/** The daemon and the kernel agree on whether a server gets clients. */
export async function assertInUse(lab: Lab, control: ControlClient, server: string, isUp: boolean): Promise<void> {
  const { state, slots, reason } = await control.server('web', server);
  assert.is(state, isUp ? 'up' : 'down', reason);
  const inKernel = (await kernelSlots(lab.router, 'web')).get(server) ?? 0;
  assert.is(inKernel, slots, `slots of ${server} in the kernel`);
  assert.is(inKernel > 0, isUp, `${server} has ${inKernel} slots`);
}

/** Long-lived connections of so many clients of each family, all of them open. They ask every 200 ms. */
export async function holdConnections(lab: Lab, count: number): Promise<TrafficLoad> {
  const load = new TrafficLoad(lab.wan);
  for (let number = 0; number < count; number++) {
    for (const family of families) {
      const destination = ghostPlaces.elsewhere[family];
      load.hold({ protocol: 'tcp', source: wanClient(family, number * 37), destination, port: echoPort, period: 200 });
    }
  }
  await load.allOpen(10_000);
  return load;
}

/** `median 210 ms, worst 380 ms of 10`. */
export function summary(times: readonly number[]): string {
  const sorted = [...times].sort((one, other) => one - other);
  const middle = sorted[sorted.length >> 1] ?? NaN;
  return `median ${middle.toFixed(1)} ms, worst ${(sorted.at(-1) ?? NaN).toFixed(1)} ms of ${sorted.length}`;
}
