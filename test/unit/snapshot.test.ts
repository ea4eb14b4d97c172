import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Environment } from '../../src/config/environment.ts';
import { formatSnapshot, parseSnapshot } from '../../src/membership/snapshot.ts';
import type { Snapshot } from '../../src/membership/snapshot.ts';
import { NO_ORDERS, orderWeight } from '../../src/membership/orders.ts';
import { address, environment } from './support/deployments.ts';

const around: Environment = {
  ...environment({ wanHardware: false, lanMtu: 1400 }),
  addresses: [
    { device: 'ppp0', address: address('203.0.113.9'), prefixLength: 32, peer: address('203.0.113.1') },
    { device: 'br-lan', address: address('fd00:1::1'), prefixLength: 64 },
  ],
  interfaces: new Map([['wan', 'ppp0']]),
};

const snapshot: Snapshot = {
  configuration: 'config service \'web\' # ü\n\tlist ghost "198.51.100.1"\n',
  orders: orderWeight(NO_ORDERS, { service: 'web', server: 'web1', weight: 3 }),
  standings: [
    { service: 'web', down: ['web2'], leaving: [{ name: 'web9', weight: 7, address: address('192.168.1.19') }] },
    { service: 'mail', down: [], leaving: [], factors: new Map([['mail1', 0.75]]) },
  ],
  numbers: new Map([
    ['br-lan/web1', 1],
    ['br-lan/web2', 7],
  ]),
  observation: {
    environment: around,
    hardware: new Map([['192.168.1.11', '02:00:00:00:01:01']]),
    strictReversePath: new Set(['br-lan']),
    occupied: new Set(['br-lan 192.168.1.222']),
  },
};

test('what was written is read', () => {
  const read = parseSnapshot(formatSnapshot(snapshot));
  assert.ok(read);
  assert.is(read.configuration, snapshot.configuration);
  assert.equal([...read.numbers], [...snapshot.numbers]);
  assert.equal(read.orders, snapshot.orders);
  assert.equal(read.standings, snapshot.standings);
  const { environment: found, hardware, strictReversePath, occupied } = read.observation;
  assert.equal([...found.links], [...around.links]);
  assert.equal(found.addresses, around.addresses);
  assert.equal([...found.interfaces], [...around.interfaces]);
  assert.equal([...hardware], [...snapshot.observation.hardware]);
  assert.equal([...strictReversePath], ['br-lan']);
  assert.equal([...occupied], ['br-lan 192.168.1.222']);
});

test('equal snapshots are equal texts, and different ones are not', () => {
  const text = formatSnapshot(snapshot);
  assert.is(formatSnapshot({ ...snapshot, numbers: new Map(snapshot.numbers) }), text);
  assert.is(formatSnapshot(parseSnapshot(text) ?? snapshot), text);
  assert.is.not(formatSnapshot({ ...snapshot, configuration: '' }), text);
  const hardware = new Map([['192.168.1.11', '02:00:00:00:01:99']]);
  assert.is.not(formatSnapshot({ ...snapshot, observation: { ...snapshot.observation, hardware } }), text);
});

test('what is not ours, or was cut off, is none', () => {
  const text = formatSnapshot(snapshot);
  const others = [
    '',
    '{',
    'null',
    '[]',
    '{}',
    '{"version":1}',
    '{"version":0}',
    text.replace('"version":2', '"version":1'),
  ];
  for (const other of [...others, text.slice(0, 100)]) assert.is(parseSnapshot(other), undefined, other);
});

test('addresses that are none are passed over', () => {
  const read = parseSnapshot(formatSnapshot(snapshot).replace('fd00:1::1', 'nonsense'));
  assert.is(read?.observation.environment.addresses.length, 1);
});

test.run();
