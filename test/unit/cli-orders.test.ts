import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parseArguments } from '../../src/cli/arguments.ts';
import { drainProgress } from '../../src/cli/drain-progress.ts';
import { formatEvent } from '../../src/cli/event-line.ts';
import { formatJson } from '../../src/cli/json.ts';
import { objection, outcome, readOrder } from '../../src/cli/order.ts';
import type { Order } from '../../src/cli/order.ts';
import { refusalText } from '../../src/cli/refusal.ts';
import { readSimulations } from '../../src/cli/simulate.ts';
import { redraw } from '../../src/cli/screen.ts';
import { coloured } from '../../src/cli/style.ts';
import { simulationReply } from '../../src/service/reply.ts';
import type { DaemonStatus, ServerStatus, ServiceStatus } from '../../src/service/control.ts';
import { ControlError } from '../../src/service/control.ts';
import { decodeTable, encodeTable } from '../../src/ubus/blobmsg.ts';
import type { Table } from '../../src/ubus/blobmsg.ts';
import { Status, UbusError } from '../../src/ubus/status.ts';
import { serverStatus, serviceStatus } from './support/fake-control.ts';

function order(line: string): Order {
  const invocation = parseArguments(line.split(' '));
  if (typeof invocation === 'string') throw new Error(invocation);
  return readOrder(invocation);
}

for (const [line, method, args] of [
  ['failover web1', 'set_server', { server: 'web1', state: 'down' }],
  [
    'drain web1 --service web --timeout 5m --reason disk --persist --wait',
    'set_server',
    { server: 'web1', service: 'web', state: 'drain', timeout: 300, reason: 'disk', persist: true },
  ],
  ['up web1 --timeout 90', 'set_server', { server: 'web1', state: 'up', timeout: 90 }],
  ['auto web1', 'set_server', { server: 'web1', state: 'auto' }],
  ['weight web1 50', 'set_weight', { server: 'web1', weight: 50 }],
  ['weight web1 0 --service web --persist', 'set_weight', { server: 'web1', service: 'web', weight: 0, persist: true }],
  [
    'add web9 --service web --address 192.168.1.19 --address6 FD00::9 --weight 5',
    'add_server',
    { server: 'web9', service: 'web', address: '192.168.1.19', address6: 'fd00::9', weight: 5 },
  ],
  ['remove web1 --now', 'remove_server', { server: 'web1', drain: false }],
  ['remove web1 --wait --service web', 'remove_server', { server: 'web1', service: 'web' }],
] as const) {
  test(`'oneip ${line}' asks for ${method}`, () => {
    const made = order(line);
    assert.is(made.method, method);
    assert.equal({ ...made.args }, args);
  });
}

for (const [line, sentence] of [
  ['drain web1 --timeout soon', "'soon' is no time; accepted: 90, 90s, 5m, 1h, 2d"],
  ['drain web1 --timeout 0', '0 is no time-out: 1–2592000 seconds'],
  ['weight web1 much', "'much' is no weight; accepted: 0–1000"],
  ['weight web1 -- -5', "'-5' is no weight; accepted: 0–1000"],
  ['weight web1 1001', '1001 is no weight: 0–1000'],
  ['add web9 --address 192.168.1.19', 'a new server needs a service'],
  ['add web9 --service web --address 192.168.1', "'192.168.1' is no IPv4 address"],
  ['add web9 --service web --address6 192.168.1.1', "'192.168.1.1' is no IPv6 address"],
  ['add web-9 --service web', "'web-9' is no name: 1–32 letters a–z, digits and underscores"],
] as const) {
  test(`'oneip ${line}': ${sentence}`, () => {
    assert.throws(
      () => order(line),
      (error: unknown) => error instanceof ControlError && error.kind === 'invalid' && error.message === sentence,
    );
  });
}

function status(...services: ServiceStatus[]): DaemonStatus {
  return { version: '1', uptime: 1, services };
}

const two = status(
  serviceStatus('web'),
  serviceStatus('dns', { servers: [serverStatus('web2'), serverStatus('ns1', { provenance: 'removing' })] }),
);

for (const [line, sentence] of [
  ['drain web1', undefined],
  ['drain web2 --service dns', undefined],
  ['drain web9', "no server 'web9'; there is: web1, web2, ns1; did you mean 'web1'?"],
  ['drain mail', "no server 'mail'; there is: web1, web2, ns1"],
  ['drain web9 --service dns', "no server 'web9'; there is: web2, ns1; did you mean 'web2'?"],
  ['drain web1 --service dns', "server 'web1' is not in service 'dns'; it is in: web"],
  ['drain web1 --service mail', "no service 'mail'; there is: web, dns"],
  ['add web3 --service web --address 192.168.1.13', undefined],
  ['add web1 --service dns --address 192.168.1.13', undefined],
  ['add ns1 --service dns --address 192.168.1.13', undefined],
  ['add web1 --service web --address 192.168.1.13', "service 'web' has a server 'web1' already"],
  ['add web1 --service dns', undefined],
  ['add web3 --service web', "server 'web3' is new, and needs --address or --address6"],
  ['add web3 --service wep --address 192.168.1.13', "no service 'wep'; there is: web, dns; did you mean 'web'?"],
] as const) {
  test(`'oneip ${line}' as things stand: ${sentence ?? 'all right'}`, () => {
    assert.is(objection(two, order(line)), sentence);
  });
}

test('names beyond the sixteenth are not listed', () => {
  const many = Array.from({ length: 20 }, (_, index) => serverStatus(`s${index + 1}`));
  const sentence = objection(status(serviceStatus('web', { servers: many })), order('drain other'));
  assert.match(sentence ?? '', /: s1, .*, s16, …$/);
  assert.is(objection(status(), order('drain web1')), "no server 'web1'; there is none");
});

test('what an order has come to, service by service', () => {
  const down = (server: string) => serverStatus(server, { state: 'down', share: 0, until: 60 });
  const after = status(
    serviceStatus('web', { servers: [serverStatus('web1'), down('web2')] }),
    serviceStatus('dns', { servers: [down('web2')] }),
  );
  assert.equal(outcome(two, after, order('failover web2')), [
    'web: web2 is down, for 1m00s at most; weight 100, share 50.0 % → 0.0 %',
    'dns: web2 is down, for 1m00s at most; weight 100, share 50.0 % → 0.0 %',
  ]);
  assert.equal(outcome(two, two, order('weight web1 100')), ['web: web1 is up; weight 100, share 50.0 %']);
  assert.equal(outcome(two, status(serviceStatus('web', { servers: [] })), order('remove web1')), [
    'web: web1 is gone',
  ]);
  assert.equal(
    outcome(status(serviceStatus('web', { servers: [] })), two, order('add web1 --service web --address 192.168.1.11')),
    ['web: web1 is up; weight 100, share 50.0 %'],
  );
});

test('how far a drain is', () => {
  const web = (changes: Partial<ServerStatus>, kept = false): DaemonStatus =>
    status(
      serviceStatus('web', {
        servers: [serverStatus('web1', { since: 12, ...changes })],
        ...(kept && {
          transition: { since: 12, until: 3588, slots: 5, kept: [{ server: 'web1', packets: 1234n, idle: 3 }] },
        }),
      }),
    );
  const progress = (given: DaemonStatus, removal = false) => drainProgress(given, { server: 'web1' }, removal);
  assert.equal(progress(web({ state: 'draining', until: 3588 }, true)), {
    outcome: 'going',
    line: 'web1: draining in web for 12s, 1.2k packets, the last 3s ago, at most 59m48s more',
  });
  assert.equal(progress(web({ state: 'draining' })), { outcome: 'going', line: 'web1: draining in web for 12s' });
  assert.equal(progress(web({ state: 'drained' })), { outcome: 'done', line: 'web1: drained; it may be unplugged' });
  assert.equal(progress(web({ state: 'disabled' })).outcome, 'done');
  assert.equal(progress(web({ state: 'up', reason: 'ordered' })), {
    outcome: 'broken-off',
    line: 'web1: up again in web: ordered',
  });
  assert.equal(progress(web({ state: 'down', reason: 'no answer' })), {
    outcome: 'broken-off',
    line: 'web1: down in web: no answer',
  });
  assert.is(progress(status(serviceStatus('web', { servers: [] }))).outcome, 'broken-off');
  assert.equal(progress(status(serviceStatus('web', { servers: [] })), true), {
    outcome: 'done',
    line: 'web1: removed',
  });
  assert.is(progress(web({ state: 'drained', provenance: 'removing' }), true).outcome, 'going');
  assert.is(progress(web({ state: 'up', provenance: 'removing' }), true).outcome, 'going');
  assert.is(progress(web({ state: 'down', provenance: 'removing' }), true).outcome, 'going');
  const both = status(
    serviceStatus('web', { servers: [serverStatus('web1', { state: 'drained' })] }),
    serviceStatus('dns', { servers: [serverStatus('web1', { state: 'draining' })] }),
  );
  assert.is(progress(both).outcome, 'going');
});

test('events are lines', () => {
  const event = { action: 'down', service: 'web', server: 'web1', reason: 'no\nanswer' };
  assert.is(formatEvent('12:30:05', event), '12:30:05  down        web/web1  no answer');
  assert.is(formatEvent('12:30:05', { action: 'reload' }), '12:30:05  reload');
  assert.is(formatEvent('1', { action: 5, server: [] } as unknown as Table), '1');
  assert.match(formatEvent('12:30:05', event, coloured), '\x1b[31mdown      \x1b[0m  web/web1');
});

test('a refusal is a sentence that tells where to look', () => {
  const text = (code: number, failing?: string) => refusalText(new UbusError(code), failing);
  assert.match(text(Status.PERMISSION_DENIED), /^refused: .*log/);
  assert.is(text(Status.PERMISSION_DENIED, 'nft: no space'), 'refused: nft: no space');
  assert.is(text(Status.UNKNOWN_ERROR, 'nft: no space'), 'unknown error: nft: no space');
  assert.match(text(Status.METHOD_NOT_FOUND), 'another version');
  assert.match(text(Status.TIMEOUT), 'in time');
  assert.match(text(Status.NOT_FOUND), 'not found');
});

test('simulations come back as they were', () => {
  const simulations = [
    { service: 'web', server: 'web1', slot: 7, hash: 4294967295, slots: 4096, why: ['a', 'b'] },
    { service: 'dns', slots: 256, why: ['denied'] },
  ];
  const wire = decodeTable(encodeTable(simulationReply(simulations)));
  assert.equal(readSimulations(wire as Table), simulations);
});

test('JSON: what JSON.stringify writes, and integers of any size', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.constantFrom(0, 1, 2), (value, indent) => {
      assert.is(formatJson(value as Parameters<typeof formatJson>[0], indent), JSON.stringify(value, null, indent));
    }),
  );
  assert.is(
    formatJson({ packets: 2n ** 62n, left: undefined, list: [1n] }),
    '{"packets":4611686018427387904,"list":[1]}',
  );
  assert.is(formatJson(NaN), 'null');
});

test('a page is drawn over the one before, and nothing of that is left', () => {
  assert.is(redraw('a\nb\n'), '\x1b[Ha\x1b[K\r\nb\x1b[K\x1b[J');
});

test.run();
