import * as assert from 'uvu/assert';
import { Status, UbusError } from '../../src/ubus/status.ts';
import { elapse } from './hitless-clients.ts';
import { echoPort, killServer, restartServer } from './servers.ts';
import { kernelSlots } from './slots.ts';
import { assertInUse, holdConnections, setServer, turns, watched, watchedSuite } from './watchdog-lab.ts';

const byTcp = { echo: { type: 'tcp', port: echoPort, interval: '100ms', timeout: '200ms' } };
const quick = { drain_timeout: '10m', idle_timeout: '1s', learn_time: '0s' };

const { test, run } = watchedSuite('orders', { servers: 3 }, (lab) => watched(lab, byTcp, { service: quick }));

test('down and auto: the answer comes when the kernel has it, and reason and decider are told', async ({
  lab,
  control,
}) => {
  await setServer(control, 's1', 'down', { reason: 'new disk' });
  await assertInUse(lab, control, 's1', false);
  const { decider, reason, until } = await control.server('web', 's1');
  assert.equal([decider, reason, until], ['operator', 'new disk', undefined]);
  assert.equal([...(await kernelSlots(lab.router, 'web')).keys()].sort(), ['s2', 's3']);
  await setServer(control, 's1', 'auto');
  await assertInUse(lab, control, 's1', true);
  assert.is((await control.server('web', 's1')).decider === 'operator', false);
});

test('down for a second: by itself it ends', async ({ lab, control }) => {
  const heard = control.events.length;
  const down = control.told('down', 's2');
  await setServer(control, 's2', 'down', { timeout: 1 });
  assert.ok(((await control.server('web', 's2')).until ?? 9) <= 1);
  const up = await control.told('up', 's2', 5_000, heard);
  const seconds = (up.time - (await down).time) / 1_000;
  assert.ok(seconds > 0.9 && seconds < 2, `${seconds} s`);
  await assertInUse(lab, control, 's2', true);
});

test('up overrules a watchdog, and auto gives it the word again', async ({ lab, control }) => {
  const [programs] = lab.programs;
  assert.ok(programs);
  await turns(lab, control, 'down', 's1', () => killServer(programs));
  await setServer(control, 's1', 'up', { reason: 'the probe lies' });
  await assertInUse(lab, control, 's1', true);
  await setServer(control, 's1', 'auto');
  await assertInUse(lab, control, 's1', false);
  await turns(lab, control, 'up', 's1', () => restartServer(programs));
});

test('a drain ends when the last old connection is idle, and not before; auto takes the server in again', async ({
  lab,
  control,
}) => {
  const load = await holdConnections(lab, 40);
  const old = [...load.held].filter(([, { server }]) => server === 's1');
  assert.ok(old.length > 5);
  await setServer(control, 's1', 'drain');
  assert.is((await control.server('web', 's1')).state, 'draining');
  assert.is((await kernelSlots(lab.router, 'web')).get('s1'), undefined);
  const { transition } = await control.service('web');
  assert.ok(transition && 's1' in transition.kept && transition.slots > 0, JSON.stringify(transition));
  await elapse(2_500);
  assert.is((await control.server('web', 's1')).state, 'draining', 'while connections are in use');
  assert.equal(load.breaks, []);
  const [last, ...others] = old;
  for (const [flow] of others) load.drop(flow);
  await elapse(2_500);
  assert.is((await control.server('web', 's1')).state, 'draining', 'while one connection is in use');
  const heard = control.events.length;
  load.drop(last?.[0] ?? -1);
  await control.told('drained', 's1', 5_000, heard);
  assert.is((await control.server('web', 's1')).state, 'drained');
  await control.until(({ action }) => action === 'transition', 5_000, heard);
  assert.is((await control.service('web')).transition, undefined);
  await setServer(control, 's1', 'auto');
  await assertInUse(lab, control, 's1', true);
  assert.equal(load.breaks, []);
  await load.end();
});

test('orders that make no sense are refused with a status, and change nothing', async ({ lab, control }) => {
  const refused = async (method: string, args: Record<string, string | number>, status: number) => {
    const error = await control.order(method, args).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    assert.ok(error instanceof UbusError && error.status === status, `${method}: ${String(error)}`);
  };
  const before = JSON.stringify(await kernelSlots(lab.router, 'web').then((slots) => [...slots]));
  await refused('set_server', { server: 'nobody', state: 'down' }, Status.NOT_FOUND);
  await refused('set_server', { server: 's1', service: 'mail', state: 'down' }, Status.NOT_FOUND);
  await refused('set_server', { server: 's1', state: 'tired' }, Status.INVALID_ARGUMENT);
  await refused('set_weight', { server: 's1', weight: 100_000 }, Status.INVALID_ARGUMENT);
  await refused('remove_server', { server: 'nobody' }, Status.NOT_FOUND);
  await refused('add_server', { server: 's9', service: 'web', address: 'here' }, Status.INVALID_ARGUMENT);
  assert.is(JSON.stringify(await kernelSlots(lab.router, 'web').then((slots) => [...slots])), before);
});

run();
