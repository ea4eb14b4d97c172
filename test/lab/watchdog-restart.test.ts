import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { UbusError } from '../../src/ubus/status.ts';
import { ghostPlaces } from './addresses.ts';
import { LabBus } from './bus.ts';
import { ControlClient, withControl, type StatusReply } from './control-client.ts';
import { elapse } from './hitless-clients.ts';
import { withLab, type Lab } from './lab.ts';
import { isServed } from './repair.ts';
import { figure } from './scenario.ts';
import { echoPort, killServer, restartServer } from './servers.ts';
import { kernelSlots } from './slots.ts';
import { assertInUse, holdConnections, serverOf, setServer, turns, watched } from './watchdog-lab.ts';

const byTcp = { echo: { type: 'tcp', port: echoPort, interval: '100ms', timeout: '200ms' } };
const quick = { drain_timeout: '10m', idle_timeout: '1s', learn_time: '0s' };

/** What orders have made of the servers of `web`. */
function standing({ services }: StatusReply): Record<string, unknown> {
  const servers = Object.entries(services['web']?.servers ?? {});
  return Object.fromEntries(
    servers.map(([name, { state, decider, weight, slots, added }]) => [name, { state, decider, weight, slots, added }]),
  );
}

test("orders survive the daemon's sudden death, and its orderly restart", () =>
  withLab({ servers: 5 }, (lab) => {
    const config = watched(lab, byTcp, { servers: lab.servers.slice(0, 4), service: quick });
    return withControl(lab, config, async (control) => {
      await setServer(control, 's1', 'down', { reason: 'new disk' });
      await control.order('set_weight', { server: 's2', service: 'web', weight: 300 });
      await control.order('remove_server', { server: 's3', service: 'web', drain: 0 });
      const { address } = serverOf(lab, 5);
      await control.order('add_server', { server: 's5', service: 'web', address: address[4], address6: address[6] });
      const ordered = standing(await control.status());
      assert.equal(Object.keys(ordered).sort(), ['s1', 's2', 's4', 's5']);
      const slots = await kernelSlots(lab.router, 'web');
      for (const end of ['crash', 'stop'] as const) {
        await lab.daemon[end]();
        await lab.daemon.start(config);
        const back = await rejoin(control);
        assert.equal(standing(back), ordered, `after ${end}`);
        assert.equal([...(await kernelSlots(lab.router, 'web'))].sort(), [...slots].sort());
        assert.is((await control.server('web', 's1')).reason, 'new disk');
      }
    });
  }));

/** The status, as soon as the daemon is on the bus again. */
async function rejoin(control: ControlClient): Promise<StatusReply> {
  for (let tries = 0; ; tries++) {
    try {
      return await control.status();
    } catch (error) {
      if (!(error instanceof UbusError) || tries > 200) throw error;
      await elapse(50);
    }
  }
}

test('without a bus servers are watched all the same, and the daemon joins one that appears later', () =>
  withLab({ servers: 3 }, async (lab) => {
    await lab.daemon.start(watched(lab, byTcp));
    const [programs] = lab.programs;
    assert.ok(programs);
    await killServer(programs);
    while ((await kernelSlots(lab.router, 'web')).has('s1')) await elapse(20);
    const bus = await LabBus.start(lab.daemon.ubusSocket, {});
    const control = await ControlClient.join(bus, 15_000);
    await assertInUse(lab, control, 's1', false);
    await turns(lab, control, 'up', 's1', () => restartServer(programs));
    await setServer(control, 's2', 'down');
    await assertInUse(lab, control, 's2', false);
    control.close();
    await bus.stop();
  }));

test('a reload keeps a server down that is down, and orders too', () =>
  withLab({ servers: 4 }, (lab) => {
    const config = watched(lab, byTcp);
    return withControl(lab, config, async (control) => {
      const [programs] = lab.programs;
      assert.ok(programs);
      await turns(lab, control, 'down', 's1', () => killServer(programs));
      await setServer(control, 's2', 'down');
      const heard = control.events.length;
      // The question is a new one, so that nothing is known yet by its answers.
      await lab.daemon.reload(watched(lab, { other: { type: 'tcp', port: echoPort, interval: '10s', timeout: '1s' } }));
      await assertInUse(lab, control, 's1', false);
      await assertInUse(lab, control, 's2', false);
      await lab.daemon.reload(config);
      await assertInUse(lab, control, 's1', false);
      assert.equal(
        control.events.slice(heard).filter(({ action }) => action === 'up'),
        [],
      );
      await turns(lab, control, 'up', 's1', () => restartServer(programs));
    });
  }));

test('the daemon dies in the middle of a transition: connections go on, and the next one serves', () =>
  withLab({ servers: 4 }, (lab) => {
    const config = watched(lab, byTcp, { servers: lab.servers.slice(0, 3), service: quick });
    return withControl(lab, config, async (control) => {
      const load = await holdConnections(lab, 60);
      const { address } = serverOf(lab, 4);
      await control.order('add_server', { server: 's4', service: 'web', address: address[4], address6: address[6] });
      assert.ok((await control.service('web')).transition);
      await lab.daemon.crash();
      await elapse(1_000);
      assert.equal(load.breaks, [], 'while nobody looks after it');
      await lab.daemon.start(config);
      await rejoin(control);
      await elapse(1_000);
      figure(`daemon killed in a transition and started again: ${load.breaks.length} of 120 connections broke`);
      assert.ok(load.breaks.every(({ reason, server }) => reason === 'ECONNRESET' && server !== 's4'));
      await everybodyServed(lab);
      assert.ok((await kernelSlots(lab.router, 'web')).has('s4'));
      await load.end();
    });
  }));

async function everybodyServed(lab: Lab): Promise<void> {
  for (let client = 200; client < 210; client++) {
    assert.ok(await isServed(lab, ghostPlaces.elsewhere, client), `client ${client}`);
  }
}

test.run();
