import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { layOut, lengthOf } from '../../src/cli/columns.ts';
import { formatLatency, formatSeconds, parseSeconds } from '../../src/cli/duration.ts';
import { bar, formatQuantity, formatShare } from '../../src/cli/quantity.ts';
import { packetRates } from '../../src/cli/rates.ts';
import { readStatus } from '../../src/cli/status-reader.ts';
import { formatStatus } from '../../src/cli/status-table.ts';
import { coloured } from '../../src/cli/style.ts';
import type { DaemonStatus, ServerStatus } from '../../src/service/control.ts';
import { statusReply } from '../../src/service/status-reply.ts';
import { decodeTable, encodeTable } from '../../src/ubus/blobmsg.ts';
import type { Table } from '../../src/ubus/blobmsg.ts';
import { serverStatus, serviceStatus } from './support/fake-control.ts';

const lines = (text: string): string[] => text.split('\n');

const busy: DaemonStatus = {
  version: '1',
  uptime: 5,
  failing: 'nft: no space',
  services: [
    serviceStatus('web', {
      ghosts: ['198.51.100.1', '2001:db8:100::1'],
      transition: { since: 900, until: 2700, slots: 1024, kept: [{ server: 'web3', packets: 12345n, idle: 3 }] },
      servers: [
        serverStatus('web1', {
          share: 2 / 3,
          slots: 2731,
          since: 4000,
          reason: 'answers',
          probe: { passed: true, reason: 'ok', latency: 0.34, age: 0.1 },
        }),
        serverStatus('web2', {
          address6: 'fd00:1::12',
          share: 1 / 3,
          slots: 1365,
          since: 4000,
          provenance: 'added',
          probe: { passed: false, reason: 'time-out', age: 0.1 },
        }),
        serverStatus('web3', {
          state: 'draining',
          share: 0,
          slots: 0,
          since: 12,
          reason: 'kernel\nupdate',
          until: 3588,
          provenance: 'removing',
        }),
        serverStatus('web4', {
          state: 'down',
          share: 0,
          slots: 0,
          since: 1e5,
          until: 20,
          damped: true,
          reason: 'no ARP',
        }),
      ],
    }),
    serviceStatus('dns', { protocols: ['udp', 'tcp'], ports: [], inactive: 'no device wan2', servers: [] }),
  ],
};

test('status: what the load makes of a weight stands beside it', () => {
  const servers = [serverStatus('web1', { effectiveWeight: 87.5 }), serverStatus('web2')];
  const status = { version: '1', uptime: 5, services: [serviceStatus('web', { servers })] };
  const read = readStatus(decodeTable(encodeTable(statusReply(status))) ?? {});
  assert.is(read.services[0]?.servers[0]?.effectiveWeight, 87.5);
  const [, , one, two] = lines(formatStatus(read));
  assert.match(one ?? '', / 100 → 87\.5 /);
  assert.match(two ?? '', / 100 /);
  assert.not.match(two ?? '', /→/);
});

test('status: a header and a table for each service', () => {
  assert.equal(lines(formatStatus(busy)), [
    'failing: nft: no space',
    '',
    'web  198.51.100.1, 2001:db8:100::1  tcp 80, 443  4096 slots',
    '  transition ██▌        15m00s of at most 1h00m: 1024 slots (25.0 %) keep old connections',
    '  web3 had 12.3k packets of old connections, the last 3s ago',
    '  server  address       IPv6 address  state     since  weight   share              slots    probe  why',
    '  web1    192.168.1.11                up        1h06m     100  66.7 %  ██████████   2731  0.34 ms  answers',
    '  web2    192.168.1.12  fd00:1::12    up        1h06m     100  33.3 %  █████        1365   failed  configured; probe: time-out; added at run time',
    '  web3    192.168.1.13                draining    12s     100   0.0 %                  0           kernel update; ends in 59m48s; being removed',
    '  web4    192.168.1.14                down       1d3h     100   0.0 %                  0           no ARP; auto in 20s; damped: it flaps',
    '',
    'dns  198.51.100.1  udp tcp all ports  4096 slots',
    '  not running: no device wan2',
    '  no servers',
    '',
  ]);
  assert.is(formatStatus({ version: '1', uptime: 5, services: [] }), 'no services\n');
});

test('status: what does not fit goes, the least telling first', () => {
  const rates = new Map([['web', new Map([['web1', 123_456]])]]);
  const heads = [120, 100, 70, 40].map((width) => lines(formatStatus(busy, { width, rates }))[5]);
  assert.equal(heads, [
    '  server  address       state     since  weight   share              packets/s    probe  why',
    '  server  address       state     since  weight   share  packets/s    probe  why',
    '  server  state     weight   share  packets/s  why',
    '  server  state      share  packets/s',
  ]);
  assert.is(
    lines(formatStatus(busy, { width: 70, rates }))[8],
    '  web3    draining     100   0.0 %             kernel update; ends in…',
  );
});

test('status: no line is wider than the terminal, coloured or not, and colours change nothing else', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 200 }), (width) => {
      const plain = formatStatus(busy, { width });
      for (const line of lines(plain)) assert.ok(lengthOf(line) <= width, `${width}: ${line}`);
      const painted = formatStatus(busy, { width, paint: coloured });
      const bare = lines(painted.replace(/\x1b\[\d+m/g, '')).map((line) => line.trimEnd());
      assert.equal(
        bare,
        lines(plain).map((line) => line.trimEnd()),
      );
    }),
  );
  const painted = formatStatus(busy, { paint: coloured });
  for (const part of ['\x1b[32mup\x1b[0m', '\x1b[31mdown\x1b[0m', '\x1b[33mdraining\x1b[0m', '\x1b[31mfailed\x1b[0m'])
    assert.ok(painted.includes(part), part);
});

test('a table: columns that say nothing are left out, elastic ones are cut before others go', () => {
  const column = (title: string, cells: string[], dispensable = 0) => ({
    title,
    cells: cells.map((text) => ({ text })),
    dispensable,
  });
  const columns = [column('a', ['1', '22']), column('b', ['', '']), column('c', ['x', ''], 1)];
  assert.equal(layOut(columns, undefined), ['a   c', '1   x', '22']);
  assert.equal(layOut(columns, 4), ['a', '1', '22']);
  const long = [column('a', ['1']), { ...column('why', ['a sentence with very many words']), elastic: true }];
  assert.equal(layOut(long, 24), ['a  why', '1  a sentence with very…']);
  assert.equal(layOut([], 10), ['']);
});

test('what the daemon sends is read back', () => {
  const reply = decodeTable(encodeTable(statusReply(busy))) as Table;
  const server = (status: ServerStatus): ServerStatus => ({ ...status, since: Math.floor(status.since) });
  assert.equal(readStatus(reply), {
    ...busy,
    services: busy.services.map((service) => ({ ...service, servers: service.servers.map(server) })),
  });
});

test('of a reply of another shape as much is read as is there', () => {
  const json = fc.jsonValue() as fc.Arbitrary<Table[string]>;
  const odd = fc.dictionary(fc.constantFrom('servers', 'transition', 'probe', 'ports', 'kept', 'state', 'x'), json);
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom('services', 'version', 'failing'), fc.oneof(json, odd)), (reply) => {
      assert.type(formatStatus(readStatus(reply), { width: 80 }), 'string');
    }),
    { numRuns: 50 },
  );
});

test('where nobody counts packets there is no rate, and none is made up', () => {
  const { packets, bytes, ...uncounted } = serverStatus('web1');
  assert.ok(packets !== undefined && bytes !== undefined);
  const status: DaemonStatus = { version: '1', uptime: 5, services: [serviceStatus('web', { servers: [uncounted] })] };
  const rates = packetRates(status, status, 1);
  assert.equal(rates.get('web'), new Map());
  const [, titles = '', row = ''] = formatStatus(status, { rates }).split('\n');
  assert.match(row.slice(titles.indexOf('packets/s'), titles.indexOf('packets/s') + 'packets/s'.length), /^ +-$/);
});

test('packets per second are what has passed between two looks', () => {
  const at = (packets: Record<string, bigint>): DaemonStatus => ({
    version: '1',
    uptime: 0,
    services: [
      serviceStatus('web', {
        servers: Object.entries(packets).map(([name, count]) => serverStatus(name, { packets: count })),
      }),
    ],
  });
  const rates = packetRates(at({ web1: 100n, web2: 50n }), at({ web1: 300n, web2: 40n, web3: 7n }), 2);
  assert.equal([...(rates.get('web') ?? [])], [['web1', 100]]);
  assert.is(packetRates(at({ web1: 1n }), at({ web1: 2n }), 0).size, 0);
});

for (const [text, seconds] of [
  ['90', 90],
  ['0', 0],
  ['90s', 90],
  ['5m', 300],
  ['2h', 7200],
  ['3d', 259_200],
  ['', undefined],
  ['m', undefined],
  ['-5', undefined],
  ['1.5h', undefined],
  ['5 m', undefined],
  ['1h30m', undefined],
  ['5w', undefined],
  ['9999999999', undefined],
] as const) {
  test(`the time '${text}' is ${seconds} seconds`, () => {
    assert.is(parseSeconds(text), seconds);
  });
}

test('times, numbers, shares and bars are short', () => {
  assert.equal([0, 59.9, 60, 3599, 3600, 86_399, 86_400, 1e7, -3].map(formatSeconds), [
    '0s',
    '59s',
    '1m00s',
    '59m59s',
    '1h00m',
    '23h59m',
    '1d0h',
    '115d17h',
    '0s',
  ]);
  assert.equal([0.345, 12.34, 250.6, 1234].map(formatLatency), ['0.34 ms', '12.3 ms', '251 ms', '1.2 s']);
  assert.equal([0, 0.5, 3.25, 42.4, 999, 999.6, 1234, 99_960, 345_678, 1e6, 2.5e9].map(formatQuantity), [
    '0',
    '0.5',
    '3.3',
    '42',
    '999',
    '1.0k',
    '1.2k',
    '100k',
    '346k',
    '1M',
    '2.5G',
  ]);
  assert.equal([0, 0.0004, 1 / 3, 1].map(formatShare), ['0.0 %', '0.0 %', '33.3 %', '100.0 %']);
  assert.equal(
    [0, 0.001, 0.5, 0.99, 1, 7].map((part) => bar(part, 4)),
    ['    ', '▏   ', '██  ', '████', '████', '████'],
  );
});

test.run();
