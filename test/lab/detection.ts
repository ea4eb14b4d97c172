import * as assert from 'uvu/assert';
import type { ControlClient } from './control-client.ts';
import { elapse } from './hitless-clients.ts';
import { cutCable, mendCable } from './hitless-fleet.ts';
import type { Lab } from './lab.ts';
import { echoPort, killServer, restartServer, type ServerPrograms } from './servers.ts';
import type { Server } from './topology.ts';
import { clock } from './traffic-load.ts';
import { serverOf, turns } from './watchdog-lab.ts';

// How long it takes until a server that fails is out, measured again and again. All times are milliseconds.

export const byTcp = { echo: { type: 'tcp', port: echoPort, interval: '200ms', timeout: '200ms' } };

/** Asks so seldom that what is noticed within a second was noticed without asking. */
export const byPing = { alive: { type: 'ping', interval: '20s', timeout: '1s' } };

/** Options of a service whose changes end soon. */
export const forgetful = { idle_timeout: '1s', learn_time: '0s' };

/** Kills one server's processes after the other: until the daemon tells of the new table, and from their return likewise. */
export async function timeKills(
  lab: Lab,
  control: ControlClient,
  count: number,
): Promise<{ readonly out: number[]; readonly back: number[] }> {
  const [out, back]: [number[], number[]] = [[], []];
  const programs = new Map<string, ServerPrograms>(lab.programs.map((one) => [one.server.name, one]));
  for (let number = 0; number < count; number++) {
    const { name } = serverOf(lab, 1 + (number % lab.servers.length));
    const running = programs.get(name);
    assert.ok(running);
    let begin = clock();
    const down = await turns(lab, control, 'down', name, () => killServer(running));
    out.push(down.time - begin);
    assert.is((await control.server('web', name)).decider, 'watchdog');
    const up = await turns(lab, control, 'up', name, async () => {
      programs.set(name, await restartServer(running));
      begin = clock();
    });
    back.push(up.time - begin);
  }
  return { out, back };
}

/** Cuts one server's cable after the other: from when the kernel knows until the daemon tells of the new table. */
export async function timeCuts(lab: Lab, control: ControlClient, count: number): Promise<number[]> {
  const times: number[] = [];
  for (let number = 0; number < count; number++) {
    const server = serverOf(lab, 1 + (number % lab.servers.length));
    let known = 0;
    const down = await turns(lab, control, 'down', server.name, async () => {
      known = await carrierLost(lab, server, () => cutCable(server));
    });
    times.push(down.time - known);
    const heard = control.events.length;
    await turns(lab, control, 'up', server.name, () => mendCable(server));
    // The next one shall fail in the steady state.
    await control.until(({ action }) => action === 'transition', 5_000, heard);
  }
  return times;
}

/** When the router's kernel told that a port has lost its carrier. */
async function carrierLost({ router }: Lab, { port }: Server, cause: () => Promise<void>): Promise<number> {
  const monitor = router.start(['stdbuf', '-oL', 'ip', 'monitor', 'link']);
  const isLoss = (line: string) => (new RegExp(`${port}@.*NO-CARRIER`).test(line) ? clock() : undefined);
  // Whether it listens yet is seen by a change that we make ourselves, and that is nothing to the daemon.
  const listens = monitor.waitFor((line) => (line.startsWith('1: lo:') ? true : undefined));
  for (let heard = false; !heard;) {
    await router.ip(['link set lo alias heard']);
    heard = await Promise.race([listens, elapse(50).then(() => false)]);
  }
  const told = monitor.waitFor(isLoss);
  await cause();
  const time = await told;
  await monitor.stop();
  return time;
}
