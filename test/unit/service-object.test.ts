import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ControlError } from '../../src/service/control.ts';
import { publishService } from '../../src/service/object.ts';
import type { Publication } from '../../src/service/object.ts';
import type { Entry, Typed, WritableTable } from '../../src/ubus/blobmsg.ts';
import { BlobmsgType, decodeEntries, encodeTable, int64 } from '../../src/ubus/blobmsg.ts';
import type { UbusClient } from '../../src/ubus/client.ts';
import { Status } from '../../src/ubus/status.ts';
import { statusReply } from '../../src/service/status-reply.ts';
import type { Scene } from '../ubus/scene.ts';
import { scene, statusOf } from '../ubus/scene.ts';
import { Broker } from '../ubus/broker.ts';
import { FakeControl, serverStatus, serviceStatus } from './support/fake-control.ts';

interface Stage {
  readonly control: FakeControl;
  readonly publication: Publication;
  readonly log: string[];
  readonly daemon: UbusClient;
  readonly caller: UbusClient;
}

async function stage(set: Scene): Promise<Stage> {
  const daemon = await set.client();
  const control = new FakeControl();
  const log: string[] = [];
  const publication = publishService(daemon, control, { log: (line) => log.push(line), now: () => set.clock.now });
  await set.bus.settle();
  return { control, publication, log, daemon, caller: await set.client() };
}

/** A table as nested lists of `name: type value`, as it is on the wire. */
function onTheWire(table: WritableTable): unknown {
  const show = (typed: Typed): unknown =>
    typed.type === 'table' || typed.type === 'array'
      ? (typed.value as readonly (Entry | Typed)[]).map((item) =>
          Array.isArray(item) ? [item[0], show(item[1])] : show(item as Typed),
        )
      : `${typed.type} ${typed.value}`;
  return (decodeEntries(encodeTable(table)) ?? []).map(([name, typed]) => [name, show(typed)]);
}

scene('the object has these methods, with these types of arguments', async (set) => {
  const { caller } = await stage(set);
  const [object] = await caller.lookup('oneip');
  const { string, int32, int8 } = BlobmsgType;
  assert.equal(object?.signature, {
    status: { service: string },
    get_stats: {},
    set_server: { server: string, service: string, state: string, timeout: int32, reason: string, persist: int8 },
    set_weight: { server: string, service: string, weight: int32, persist: int8 },
    add_server: { server: string, service: string, address: string, address6: string, weight: int32, persist: int8 },
    remove_server: { server: string, service: string, drain: int8, persist: int8 },
    simulate: { service: string, client: string, port: int32 },
    plan: {},
    check: { config: string },
    reload: {},
    dump: {},
  });
});

scene('status: everything by name', async (set) => {
  const { control, caller } = await stage(set);
  control.failing = 'netlink: no buffer space';
  control.services = [
    serviceStatus('web', {
      transition: {
        since: 12.7,
        until: 3587.2,
        slots: 1024,
        kept: [{ server: 'web1', packets: 2n ** 40n, idle: 3.9 }],
      },
      servers: [
        serverStatus('web1', {
          address6: 'fd00::1',
          state: 'draining',
          decider: 'operator',
          reason: 'disk\0change',
          until: 99.2,
          provenance: 'removing',
          packets: 2n ** 62n,
          probe: { passed: false, reason: 'no answer', latency: 12.5, age: 0.25 },
        }),
      ],
    }),
    serviceStatus('dns', { inactive: 'no device wan2', ports: [], servers: [] }),
  ];
  assert.equal(await caller.call('oneip', 'status'), {
    version: '1.2.3',
    uptime: 100,
    failing: 'netlink: no buffer space',
    services: {
      web: {
        running: true,
        ghosts: ['198.51.100.1'],
        protocols: ['tcp'],
        ports: ['80', '443'],
        slots: 4096,
        transition: { since: 12, until: 3587, slots: 1024, kept: { web1: { packets: 2 ** 40, idle: 3 } } },
        servers: {
          web1: {
            address: '192.168.1.11',
            address6: 'fd00::1',
            state: 'draining',
            decider: 'operator',
            reason: 'disk\ufffdchange',
            since: 65,
            until: 99,
            weight: 100,
            share: 0.5,
            slots: 2048,
            packets: 2n ** 62n,
            bytes: 3456,
            added: false,
            removing: true,
            damped: false,
            probe: { passed: false, reason: 'no answer', latency: 0.0125, age: 0.25 },
          },
        },
      },
      dns: {
        running: false,
        inactive: 'no device wan2',
        ghosts: ['198.51.100.1'],
        protocols: ['tcp'],
        ports: [],
        slots: 4096,
        servers: {},
      },
    },
  });
  const named = await caller.call('oneip', 'status', { service: 'dns' });
  assert.equal(Object.keys(named['services'] as object), ['dns']);
  assert.is(await statusOf(caller.call('oneip', 'status', { service: 'mail' })), Status.NOT_FOUND);
});

test('status: types stay what they are whatever the number', () => {
  const servers = [
    serverStatus('web1', { share: 1, packets: 0n, probe: { passed: true, reason: 'ok', latency: 1000, age: 2 } }),
  ];
  const reply = statusReply({ version: '1', uptime: 5, services: [serviceStatus('web', { servers })] });
  assert.equal(onTheWire(reply), [
    ['version', 'string 1'],
    ['uptime', 'int32 5'],
    [
      'services',
      [
        [
          'web',
          [
            ['running', 'int8 1'],
            ['ghosts', ['string 198.51.100.1']],
            ['protocols', ['string tcp']],
            ['ports', ['string 80', 'string 443']],
            ['slots', 'int32 4096'],
            [
              'servers',
              [
                [
                  'web1',
                  [
                    ['address', 'string 192.168.1.11'],
                    ['state', 'string up'],
                    ['decider', 'string configuration'],
                    ['reason', 'string configured'],
                    ['since', 'int32 65'],
                    ['weight', 'int32 100'],
                    ['share', 'double 1'],
                    ['slots', 'int32 2048'],
                    ['packets', 'int64 0'],
                    ['bytes', 'int64 3456'],
                    ['added', 'int8 0'],
                    ['removing', 'int8 0'],
                    ['damped', 'int8 0'],
                    [
                      'probe',
                      [
                        ['passed', 'int8 1'],
                        ['reason', 'string ok'],
                        ['latency', 'double 1'],
                        ['age', 'double 2'],
                      ],
                    ],
                  ],
                ],
              ],
            ],
          ],
        ],
      ],
    ],
  ]);
});

scene('get_stats: counters, and their sums', async (set) => {
  const { control, caller } = await stage(set);
  control.services = [serviceStatus('web', { servers: [serverStatus('web1'), serverStatus('web2', { packets: 8n })] })];
  assert.equal(await caller.call('oneip', 'get_stats'), {
    uptime: 100,
    services: {
      web: {
        packets: 20,
        bytes: 6912,
        servers: { web1: { packets: 12, bytes: 3456 }, web2: { packets: 8, bytes: 3456 } },
      },
    },
  });
});

scene('what nobody counts is null, and not 0', async (set) => {
  const { control, caller } = await stage(set);
  const { packets, bytes, ...uncounted } = serverStatus('web1');
  assert.ok(packets !== undefined && bytes !== undefined);
  control.services = [serviceStatus('web', { servers: [uncounted, serverStatus('web2')] })];
  const none = { packets: null, bytes: null };
  assert.equal(await caller.call('oneip', 'get_stats'), {
    uptime: 100,
    services: { web: { ...none, servers: { web1: none, web2: { packets: 12, bytes: 3456 } } } },
  });
  const status = (await caller.call('oneip', 'status')) as { services: { web: { servers: { web1: object } } } };
  const { web1 } = status.services.web.servers;
  assert.equal({ ...web1, ...none }, web1);
});

scene('orders reach the daemon with all that was said, and are answered by a status alone', async (set) => {
  const { control, caller } = await stage(set);
  const orders: [string, WritableTable, string, object][] = [
    ['set_server', { server: 'web1', state: 'down' }, 'setServer', { server: 'web1', state: 'down' }],
    [
      'set_server',
      { server: 'web1', service: 'web', state: 'drain', timeout: 60, reason: 'new\ndisk', persist: true, other: 1 },
      'setServer',
      { server: 'web1', service: 'web', state: 'drain', timeout: 60, reason: 'new disk', persist: true },
    ],
    [
      'set_server',
      { server: 'web1', state: 'auto', timeout: int64(5), persist: 0 },
      'setServer',
      { server: 'web1', state: 'auto', timeout: 5, persist: false },
    ],
    ['set_weight', { server: 'web1', weight: 0 }, 'setWeight', { server: 'web1', weight: 0 }],
    [
      'set_weight',
      { server: 'web1', service: 'web', weight: 1000, persist: true },
      'setWeight',
      { server: 'web1', service: 'web', weight: 1000, persist: true },
    ],
    [
      'add_server',
      { server: 'web9', service: 'web', address: '192.168.1.19' },
      'addServer',
      { server: 'web9', service: 'web', address: '192.168.1.19' },
    ],
    ['add_server', { server: 'web9', service: 'web' }, 'addServer', { server: 'web9', service: 'web' }],
    [
      'add_server',
      { server: 'web9', service: 'web', address6: 'FD00:0::9', weight: 50, persist: true },
      'addServer',
      { server: 'web9', service: 'web', address6: 'fd00::9', weight: 50, persist: true },
    ],
    ['remove_server', { server: 'web1' }, 'removeServer', { server: 'web1' }],
    [
      'remove_server',
      { server: 'web1', service: 'web', drain: false, persist: true },
      'removeServer',
      { server: 'web1', service: 'web', drain: false, persist: true },
    ],
    ['reload', {}, 'reload', {}],
  ];
  for (const [name, args, called, request] of orders) {
    control.asked.length = 0;
    assert.equal(await caller.call('oneip', name, args), {}, name);
    assert.equal(control.asked, [name === 'reload' ? [called] : [called, request]]);
  }
});

scene('orders that make no sense never reach the daemon', async (set) => {
  const { control, caller, log } = await stage(set);
  const orders: [string, WritableTable][] = [
    ['set_server', {}],
    ['set_server', { server: 'web1' }],
    ['set_server', { server: '', state: 'up' }],
    ['set_server', { server: 'web1', service: '', state: 'up' }],
    ['set_server', { server: 'web1', state: 'UP' }],
    ['set_server', { server: 'web1', state: 'constructor' }],
    ['set_server', { server: 'web1', state: 'up', timeout: 0 }],
    ['set_server', { server: 'web1', state: 'up', timeout: -5 }],
    ['set_server', { server: 'web1', state: 'up', timeout: 2592001 }],
    ['set_server', { server: 'web1', state: 'up', timeout: 'soon' }],
    ['set_server', { server: 'web1', state: 'up', timeout: 1.5 }],
    ['set_server', { server: 'web1', state: 'up', persist: 'yes' }],
    ['set_weight', { server: 'web1' }],
    ['set_weight', { weight: 1 }],
    ['set_weight', { server: 'web1', weight: -1 }],
    ['set_weight', { server: 'web1', weight: 1001 }],
    ['set_weight', { server: 'web1', weight: '5' }],
    ['add_server', { server: 'web9', address: '192.168.1.19' }],
    ['add_server', { server: 'web 9', service: 'web', address: '192.168.1.19' }],
    ['add_server', { server: 'Web9', service: 'web', address: '192.168.1.19' }],
    ['add_server', { server: 'w'.repeat(33), service: 'web', address: '192.168.1.19' }],
    ['add_server', { server: 'web9', service: 'web', address: 'fd00::1' }],
    ['add_server', { server: 'web9', service: 'web', address: '192.168.1' }],
    ['add_server', { server: 'web9', service: 'web', address6: '192.168.1.19' }],
    ['add_server', { server: 'web9', service: 'web', address: '192.168.1.19', weight: 2000 }],
    ['remove_server', {}],
    ['simulate', {}],
    ['simulate', { client: '192.0.2.1', port: 0 }],
    ['simulate', { client: '192.0.2.1', port: 65536 }],
    ['status', { service: 5 }],
  ];
  for (const [name, args] of orders) {
    assert.is(await statusOf(caller.call('oneip', name, args)), Status.INVALID_ARGUMENT, JSON.stringify([name, args]));
  }
  assert.equal(control.asked, []);
  assert.ok(log.includes('ubus: set_weight: 1001 is no weight: 0–1000'));
});

scene('what the daemon refuses becomes a status, and its sentence a line of the log', async (set) => {
  const { control, caller, log } = await stage(set);
  for (const [kind, status] of [
    ['invalid', Status.INVALID_ARGUMENT],
    ['not-found', Status.NOT_FOUND],
    ['refused', Status.PERMISSION_DENIED],
  ] as const) {
    control.error = new ControlError(kind, `no: ${kind}`);
    assert.is(await statusOf(caller.call('oneip', 'set_weight', { server: 'web9', weight: 1 })), status);
    assert.is(log.at(-1), `ubus: set_weight: no: ${kind}`);
  }
  control.error = new Error('a bug');
  assert.is(await statusOf(caller.call('oneip', 'status')), Status.UNKNOWN_ERROR);
  assert.match(set.reports.at(-1) ?? '', 'a bug');
  control.taken = false;
  assert.is(await statusOf(caller.call('oneip', 'reload')), Status.PERMISSION_DENIED);
  assert.match(log.at(-1) ?? '', 'the configuration has errors');
});

scene('check: of the file, or of a text that has not been written yet and is not longer than 64 KiB', async (set) => {
  const { control, caller } = await stage(set);
  assert.equal(await caller.call('oneip', 'check', { config: '' }), { ok: true, problems: [] });
  await caller.call('oneip', 'check', { config: "config service 'web'" });
  await caller.call('oneip', 'check', {});
  const longest = '#'.repeat(65_536);
  await caller.call('oneip', 'check', { config: longest });
  assert.equal(control.asked, [['check', ''], ['check', "config service 'web'"], ['check'], ['check', longest]]);
  const tooLong = caller.call('oneip', 'check', { config: `${longest}#` });
  assert.is(await statusOf(tooLong), Status.INVALID_ARGUMENT);
  assert.is(await statusOf(caller.call('oneip', 'check', { config: 7 })), Status.INVALID_ARGUMENT);
  assert.is(control.asked.length, 4);
});

scene('simulate, plan, check: by name, the problems in their parts', async (set) => {
  const { control, caller } = await stage(set);
  control.simulations = [
    { service: 'web', server: 'web1', slot: 7, hash: 4294967295, slots: 4096, why: ['a', 'b'] },
    { service: 'dns', slots: 256, why: ['denied'] },
  ];
  assert.equal(await caller.call('oneip', 'simulate', { client: '192.0.2.1', service: 'web', port: 443 }), {
    services: {
      web: { server: 'web1', slot: 7, hash: 4294967295, slots: 4096, why: ['a', 'b'] },
      dns: { slots: 256, why: ['denied'] },
    },
  });
  assert.equal(control.asked, [['simulate', { client: '192.0.2.1', service: 'web', port: 443 }]]);

  const warning = { severity: 'warning', file: 'oneip', line: 3, message: 'is odd', section: "service 'web'" } as const;
  const text = "oneip:3: warning: service 'web' is odd";
  control.problems = [warning];
  control.changes = { nftables: ['add map'], network: [], transaction: '{"nftables": []}' };
  assert.equal(await caller.call('oneip', 'check'), { ok: true, problems: [{ ...warning, text }] });
  assert.equal(await caller.call('oneip', 'plan'), {
    changes: true,
    nftables: ['add map'],
    network: [],
    ok: true,
    problems: [{ ...warning, text }],
  });
  control.problems = [{ ...warning, severity: 'error', option: 'port', accepted: '1–65535' }];
  control.changes = { nftables: [], network: [], transaction: '' };
  const { ok, changes, problems } = await caller.call('oneip', 'plan');
  assert.equal([ok, changes], [false, false]);
  assert.equal(problems, [
    {
      ...warning,
      severity: 'error',
      option: 'port',
      accepted: '1–65535',
      text: "oneip:3: error: service 'web': option 'port' is odd; accepted: 1–65535",
    },
  ]);
});

scene('dump carries whatever the daemon holds, and says what does not fit', async (set) => {
  const { control, caller } = await stage(set);
  control.contents = {
    configuration: 'config\0',
    tables: new Map([['web', new Uint8Array([1, 2])]]),
    absent: undefined,
    counted: { packets: 2n ** 60n, nothing: null, deep: [new Set([true])], left: undefined },
    code: () => 0,
  };
  assert.equal(await caller.call('oneip', 'dump'), {
    configuration: 'config\ufffd',
    tables: { web: [1, 2] },
    absent: null,
    counted: { packets: 2n ** 60n, nothing: null, deep: [[true]] },
    code: null,
  });
  control.contents = { small: 1, large: 'x'.repeat(700_000), larger: 'y'.repeat(900_000) };
  const dump = await caller.call('oneip', 'dump');
  assert.equal(Object.keys(dump), ['small', 'large', 'omitted']);
  assert.equal(dump['omitted'], ['larger']);
  let nested: unknown = 'end';
  for (let level = 0; level < 200; level++) nested = { nested };
  control.contents = { nested };
  assert.ok('nested' in (await caller.call('oneip', 'dump')));
});

scene('a change is notified to subscribers and sent as an event, with the same content', async (set) => {
  const { publication, caller } = await stage(set);
  const heard: unknown[] = [];
  caller.listen('oneip', (name, data) => heard.push(['event', name, data]));
  caller.subscribe('oneip', { notified: (type, data) => void heard.push(['notified', type, data]) });
  await set.bus.settle();
  publication.announce({ action: 'down', service: 'web', server: 'web1', reason: 'no\0answer' });
  publication.announce({ action: 'reload' });
  await set.bus.settle();
  const down = { action: 'down', service: 'web', server: 'web1', reason: 'no\ufffdanswer' };
  assert.equal(heard, [
    ['notified', 'down', down],
    ['event', 'oneip', down],
    ['notified', 'reload', { action: 'reload' }],
    ['event', 'oneip', { action: 'reload' }],
  ]);
});

scene('without a bus nothing is said; when it returns, everything does', async (set) => {
  const { control, publication, caller, log } = await stage(set);
  set.broker.stop();
  set.bus.broker = undefined;
  await set.bus.settle();
  publication.announce({ action: 'up', server: 'web1' });
  await set.bus.settle();
  assert.equal(log, []);
  set.bus.broker = new Broker();
  await set.wait(10_000);
  const heard: unknown[] = [];
  caller.listen('oneip', (_, data) => heard.push(data));
  await set.bus.settle();
  assert.is((await caller.call('oneip', 'status'))['version'], '1.2.3');
  await caller.sendEvent('oneip.watchdog', { server: 'web1', state: 'up' });
  publication.announce({ action: 'up', server: 'web1' });
  await set.bus.settle();
  assert.equal(control.asked.at(-1), ['report', { server: 'web1', up: true }]);
  assert.equal(heard, [{ action: 'up', server: 'web1' }]);
});

scene('health told from outside', async (set) => {
  const { control, caller, log } = await stage(set);
  for (const [event, report] of [
    [
      { server: 'web1', state: 'down' },
      { server: 'web1', up: false },
    ],
    [
      { server: 'web1', state: 'up', service: 'web', reason: 'load\n3', ttl: 0.5, more: [1] },
      { server: 'web1', up: true, service: 'web', reason: 'load 3', ttl: 0.5 },
    ],
    [
      { server: 'web1', state: 'up', service: null, reason: null, ttl: int64(86400) },
      { server: 'web1', up: true, ttl: 86400 },
    ],
    [
      { server: 'web1', state: 'up', reason: '😀'.repeat(300) },
      { server: 'web1', up: true, reason: '😀'.repeat(200) },
    ],
  ] as const) {
    control.asked.length = 0;
    await caller.sendEvent('oneip.watchdog', event);
    await set.bus.settle();
    assert.equal(control.asked, [['report', report]]);
  }
  assert.equal(log, []);
});

scene('malformed reports are ignored, with one line a second', async (set) => {
  const { control, caller, log } = await stage(set);
  const malformed: WritableTable[] = [
    {},
    { server: 'web1' },
    { server: 5, state: 'up' },
    { server: '', state: 'up' },
    { server: 'web1', state: 'dead' },
    { server: 'web1', state: true },
    { server: 'web1', state: ['up'] },
    { server: 'web1', state: 'up', service: 5 },
    { server: 'web1', state: 'up', service: '' },
    { server: 'web1', state: 'up', reason: { text: 'x' } },
    { server: 'web1', state: 'up', ttl: '60' },
    { server: 'web1', state: 'up', ttl: 0 },
    { server: 'web1', state: 'up', ttl: -1 },
    { server: 'web1', state: 'up', ttl: NaN },
    { server: 'web1', state: 'up', ttl: 86401 },
    { server: 'web1', state: 'up', ttl: 2n ** 62n },
  ];
  for (const event of malformed) {
    await caller.sendEvent('oneip.watchdog', event);
    await set.bus.settle();
  }
  assert.equal(control.asked, []);
  assert.equal(log, ["event oneip.watchdog ignored: needs 'server', the name of one"]);
  await set.wait(1000);
  await caller.sendEvent('oneip.watchdog', { server: 'web1', state: 'de\nad' });
  await set.bus.settle();
  assert.equal(log.slice(1), [
    "event oneip.watchdog ignored: needs 'state', up or down, not 'de\\nad' (and 15 like it before)",
  ]);
});

scene('closed, it is off the bus', async (set) => {
  const { control, publication, caller } = await stage(set);
  publication.close();
  publication.close();
  await set.bus.settle();
  assert.is(await statusOf(caller.call('oneip', 'status')), Status.NOT_FOUND);
  await caller.sendEvent('oneip.watchdog', { server: 'web1', state: 'up' });
  await set.bus.settle();
  assert.equal(control.asked, []);
});

test.run();
