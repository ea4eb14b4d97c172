/** `oneip metrics` as cron calls it: what it prints is complete and its status 0, whoever answers. */
import { getenv, setTimer } from 'oneip:runtime';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { connectUnix } from '../../src/host/ubus-transport.ts';
import { formatMetrics } from '../../src/service/metrics.ts';
import { publishService } from '../../src/service/object.ts';
import { UbusClient } from '../../src/ubus/client.ts';
import { BrokerServer } from '../ubus/broker-server.ts';
import { FakeControl, serverStatus, serviceStatus } from '../unit/support/fake-control.ts';
import { removeScratch, run, runtime, scratchPath } from './support/script.ts';
import { until } from './support/turns.ts';

const program = `${getenv('ONEIP_ROOT') ?? '.'}/build/lib/oneip/oneip.js`;
const socket = scratchPath();
const metrics = () => run([runtime, program, 'metrics', '--ubus', socket]);

test('no bus, a bus without a daemon, a daemon, one that refuses', async () => {
  const nobody = { status: 0, stdout: formatMetrics(undefined), stderr: '' };
  const told = ({ status, stdout, stderr }: Awaited<ReturnType<typeof run>>) => ({ status, stdout, stderr });
  assert.equal(told(await metrics()), nobody);

  const server = new BrokerServer(socket);
  const client = new UbusClient({ open: connectUnix(socket), setTimer });
  try {
    assert.equal(told(await metrics()), nobody);

    const control = new FakeControl();
    const probe = { passed: true, reason: 'ok', latency: 0.34, age: 1 };
    control.services = [serviceStatus('web', { servers: [serverStatus('web1', { probe, bytes: 2n ** 60n })] })];
    client.connect();
    await client.whenReady();
    publishService(client, control, { log: () => undefined, now: () => 0 });
    await until(() => server.broker.byPath('oneip') !== undefined, 'the object is there');
    const expected = formatMetrics(await control.status());
    assert.match(expected, 'oneip_server_bytes_total{service="web",server="web1"} 1152921504606846976\n');
    assert.equal(told(await metrics()), { status: 0, stdout: expected, stderr: '' });

    control.error = new Error('out of order');
    const refused = told(await metrics());
    assert.equal([refused.status, refused.stdout], [0, formatMetrics(undefined)]);
    assert.match(refused.stderr, /^oneip: /);
  } finally {
    client.close();
    server.stop();
  }
});

test.after(removeScratch);
test.run();
