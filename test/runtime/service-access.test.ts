/**
 * The access list of ubusd against the real one, whose paths `ONEIP_UBUSD` and `ONEIP_UBUS` give: root may do everything, the
 * user nobody look and listen. Without them nothing is checked here but the file's form, and that is said.
 */
import { decodeUtf8, fileStatus, getenv, makeDirectory, readFile, setTimer, spawn, writeFile } from 'oneip:runtime';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { connectUnix } from '../../src/host/ubus-transport.ts';
import { publishService } from '../../src/service/object.ts';
import { UbusClient } from '../../src/ubus/client.ts';
import { Status } from '../../src/ubus/status.ts';
import { FakeControl } from '../unit/support/fake-control.ts';
import type { Outcome } from './support/script.ts';
import { removeScratch, run, scratchPath } from './support/script.ts';
import { until } from './support/turns.ts';

const ubusd = getenv('ONEIP_UBUSD') ?? '';
const tool = getenv('ONEIP_UBUS') ?? '';
const present = ubusd !== '' && tool !== '';
const root = getenv('ONEIP_ROOT') ?? '.';
const LOOKING = ['status', 'get_stats', 'simulate', 'plan', 'check'];
const CHANGING = ['set_server', 'set_weight', 'add_server', 'remove_server', 'reload'];

function listOf(file: string): unknown {
  return JSON.parse(decodeUtf8(readFile(`${root}/files/${file}`)));
}

test('both access lists: looking is no changing, and together they are all methods', () => {
  if (!present) console.log('# NOT CHECKED AGAINST A REAL ubusd: ONEIP_UBUSD and ONEIP_UBUS name none');
  const users = listOf('usr/share/acl.d/oneip.json') as { access: { oneip: { methods: string[] } } };
  assert.equal(users.access.oneip.methods, LOOKING);
  const { oneip } = listOf('usr/share/rpcd/acl.d/oneip.json') as {
    oneip: Record<'read' | 'write', { ubus: { oneip: string[] } }>;
  };
  assert.equal(oneip.read.ubus.oneip, [...LOOKING, 'dump', ':subscribe']);
  assert.equal(oneip.write.ubus.oneip, CHANGING);
});

async function meetUsers(socket: string): Promise<void> {
  const client = new UbusClient({ open: connectUnix(socket), setTimer });
  client.connect();
  await client.whenReady();
  const control = new FakeControl();
  const publication = publishService(client, control, { log: () => undefined, now: () => 0 });
  try {
    await until(() => client.connected, 'connected');
    await client.lookup();
    const root = (...words: string[]): Promise<Outcome> => run([tool, '-s', socket, ...words]);
    const nobody = (...words: string[]): Promise<Outcome> =>
      run(['setpriv', '--reuid', 'nobody', '--regid', 'nogroup', '--clear-groups', tool, '-s', socket, ...words]);
    const listing = (await root('-v', 'list', 'oneip')).stdout;
    for (const line of [
      '"status":{"service":"String"}',
      '"set_server":{"server":"String","service":"String","state":"String","timeout":"Integer","reason":"String","persist":"Boolean"}',
      '"set_weight":{"server":"String","service":"String","weight":"Integer","persist":"Boolean"}',
      '"simulate":{"service":"String","client":"String","port":"Integer"}',
    ])
      assert.ok(listing.includes(line), listing);
    assert.is((await root('call', 'oneip', 'set_server', '{"server":"web1","state":"down"}')).status, 0);
    assert.equal(control.asked, [['setServer', { server: 'web1', state: 'down' }]]);
    assert.is(
      (await root('call', 'oneip', 'set_weight', '{"server":"web1","weight":-1}')).status,
      256 - Status.INVALID_ARGUMENT,
    );
    assert.is((await root('send', 'oneip.watchdog', '{"server":"web1","state":"down","ttl":5}')).status, 0);
    await until(() => control.asked.length === 2, 'the report has come');
    assert.equal(control.asked[1], ['report', { server: 'web1', up: false, ttl: 5 }]);

    const seen = (await nobody('-v', 'list', 'oneip')).stdout;
    for (const method of LOOKING) {
      assert.ok(seen.includes(`"${method}":`), `${method}: ${seen}`);
      const args = method === 'simulate' ? ['{"client":"192.0.2.1"}'] : [];
      assert.is((await nobody('call', 'oneip', method, ...args)).status, 0, method);
    }
    control.asked.length = 0;
    for (const method of [...CHANGING, 'dump']) {
      assert.not(seen.includes(`"${method}":`), `${method}: ${seen}`);
      const { status } = await nobody('call', 'oneip', method, '{"server":"web1","state":"down","weight":1}');
      assert.is(status, 256 - Status.PERMISSION_DENIED, method);
    }
    await nobody('send', 'oneip.watchdog', '{"server":"web1","state":"down"}');
    await client.lookup();
    assert.equal(control.asked, []);

    const listening = nobody('-t', '2', 'listen', 'oneip');
    const subscribing = nobody('-t', '2', 'subscribe', 'oneip');
    let told = 0;
    const again = (): void => {
      publication.announce({ action: 'down', service: 'web', server: 'web1', reason: 'no answer' });
      if (++told < 15) setTimer(again, 100);
    };
    again();
    const event = { action: 'down', service: 'web', server: 'web1', reason: 'no answer' };
    const first = ({ stdout }: Outcome): unknown => JSON.parse(stdout.split('\n')[0] ?? '');
    assert.equal(first(await listening), { oneip: event });
    assert.equal(first(await subscribing), { down: event });
  } finally {
    publication.close();
    client.close();
  }
}

if (present) {
  test('the real ubusd keeps others than root to looking', async () => {
    const socket = scratchPath();
    const lists = `${scratchPath()}.d`;
    makeDirectory(lists);
    writeFile(`${lists}/oneip.json`, readFile(`${root}/files/usr/share/acl.d/oneip.json`));
    let ended = false;
    const daemon = spawn([ubusd, '-s', socket, '-A', lists], {}, () => (ended = true));
    try {
      await until(() => fileStatus(socket) !== null, 'ubusd listens');
      assert.is((await run(['chmod', '666', socket])).status, 0);
      await meetUsers(socket);
    } finally {
      daemon.kill('SIGTERM');
      await until(() => ended, 'ubusd has ended');
    }
  });
}

test.after(removeScratch);
test.run();
