import * as assert from 'uvu/assert';
import { test } from 'uvu';
import { ControlError } from '../../src/service/control.ts';
import { publishService } from '../../src/service/object.ts';
import { encodeTable } from '../../src/ubus/blobmsg.ts';
import { MessageType, encodeMessage } from '../../src/ubus/message.ts';
import { Status } from '../../src/ubus/status.ts';
import type { Scene } from '../ubus/scene.ts';
import { scene, statusOf } from '../ubus/scene.ts';
import { FakeControl } from './support/fake-control.ts';
import { Random } from './support/random.ts';
import { Mutator } from './ubus-fuzz-mutator.ts';

const SEED = 20_260_214;
const full = (globalThis as { ONEIP_FULL?: boolean }).ONEIP_FULL === true;
const MESSAGES = full ? 100_000 : 1000;

/** A daemon on the bus, and what it has written into the log. */
async function daemonOn(set: Scene): Promise<{ control: FakeControl; log: string[] }> {
  const client = await set.client();
  const control = new FakeControl();
  const log: string[] = [];
  publishService(client, control, { log: (line) => log.push(line), now: () => set.clock.now });
  await set.bus.settle();
  return { control, log };
}

scene('who asks for nonsense without end does not fill the log', async (set) => {
  const { control, log } = await daemonOn(set);
  const caller = await set.client();
  for (let count = 0; count < 500; count++) {
    control.error = new ControlError('not-found', `no server '${'x\n'.repeat(1000)}'`);
    const order = { server: 'web1', weight: 1 };
    assert.is(await statusOf(caller.call('oneip', 'set_weight', order)), Status.NOT_FOUND);
  }
  assert.ok(log.length <= 20, `${log.length} lines`);
  await set.wait(1000);
  control.error = new ControlError('not-found', 'no such server');
  await statusOf(caller.call('oneip', 'set_weight', { server: 'web1', weight: 1 }));
  assert.is(log.at(-1), `ubus: set_weight: no such server (and ${500 - (log.length - 1)} like it before)`);
  for (const line of log) {
    assert.not.match(line, /\n/);
    assert.ok(line.length < 300, line);
  }
});

scene('an event that cannot be read is passed over without a word', async (set) => {
  const { control, log } = await daemonOn(set);
  const listener = [...set.broker.objects.values()].find(({ patterns }) => patterns.includes('oneip.watchdog'));
  assert.ok(listener);
  const invoke = (data: Uint8Array | undefined): void =>
    listener.client.send({
      type: MessageType.invoke,
      seq: 1,
      peer: 0,
      attributes: { objectId: listener.id, method: 'oneip.watchdog', ...(data && { data }) },
    });
  for (let count = 0; count < 100; count++) invoke(count % 2 === 0 ? new Uint8Array([1, 2, 3]) : undefined);
  await set.bus.settle();
  assert.equal([set.reports, log, control.asked], [[], [], []]);
  invoke(encodeTable({ server: 'web1', state: 'down' }));
  await set.bus.settle();
  assert.equal(control.asked, [['report', { server: 'web1', up: false }]]);
});

scene(
  'mutated calls, events and answers: each is answered or passed over, and the next call is served',
  async (set) => {
    const { control, log } = await daemonOn(set);
    const caller = await set.client();
    const object = set.broker.byPath('oneip');
    const listener = [...set.broker.objects.values()].find(({ patterns }) => patterns.includes('oneip.watchdog'));
    assert.ok(object && listener);
    const call = (method: string, args: Parameters<typeof encodeTable>[0]): Uint8Array =>
      encodeMessage({
        type: MessageType.invoke,
        seq: 7,
        peer: 99,
        attributes: { objectId: object.id, method, user: 'root', group: 'root', data: encodeTable(args) },
      });
    const event = { objectId: listener.id, method: 'oneip.watchdog' };
    const corpus = [
      call('status', { service: 'web' }),
      call('set_server', { server: 'web1', service: 'web', state: 'down', timeout: 60, reason: 'x', persist: false }),
      call('set_weight', { server: 'web1', weight: 50 }),
      call('add_server', { server: 'web9', service: 'web', address: '192.168.1.19', weight: 100 }),
      call('remove_server', { server: 'web9', drain: true }),
      call('simulate', { client: '192.0.2.1', port: 80 }),
      call('dump', {}),
      encodeMessage({
        ...{ type: MessageType.invoke, seq: 3, peer: 0 },
        attributes: { ...event, data: encodeTable({ server: 'web1', state: 'down', reason: 'x', ttl: 5 }) },
      }),
      encodeMessage({ type: MessageType.notify, seq: 1, peer: 0, attributes: { objectId: object.id, active: true } }),
      encodeMessage({ type: MessageType.data, seq: 1, peer: 0, attributes: { objectId: object.id } }),
      encodeMessage({ type: MessageType.status, seq: 1, peer: 0, attributes: { status: 0 } }),
      encodeMessage({ type: MessageType.unsubscribe, seq: 1, peer: 0, attributes: { target: 5 } }),
    ];
    const mutator = new Mutator(corpus, new Random(SEED));
    for (let count = 0; count < MESSAGES; count++) {
      object.client.sendBytes(mutator.nextFramed());
      if (count % 50 === 0) await set.bus.settle();
    }
    await set.bus.settle();
    const reached = control.asked.length;
    console.log(`\n# ${MESSAGES} mutated messages: ${reached} requests came through, ${log.length} lines in the log`);
    assert.ok(reached > MESSAGES / 50);
    assert.equal(set.reports, []);
    assert.is((await caller.call('oneip', 'status')).uptime, 100);
  },
);

test.run();
