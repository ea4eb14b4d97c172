import { fileStatus, interfaceIndex } from 'oneip:runtime';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Journal } from '../../src/host/journal.ts';
import { Network } from '../../src/host/network.ts';
import { describeNetworkChange } from '../../src/network/describe.ts';
import { type AddressEntry, EMPTY_NETWORK, type NetworkState } from '../../src/network/state.ts';
import { addressOf } from './support/address.ts';
import { addHost, enterNamespace, shell } from './support/namespace.ts';
import { closeOpened } from './support/opened.ts';
import { removeScratch, scratchPath } from './support/script.ts';

await enterNamespace();
await shell('ip link set lo up');

let journal: string;

test.before.each(() => {
  journal = scratchPath();
});

test.after.each(closeOpened);

test.after(removeScratch);

function open(): Network {
  return new Network(new Journal(journal, (line) => assert.unreachable(line)));
}

function entry(text: string, kind: AddressEntry['kind'] = 'ghost', name = 'lo'): AddressEntry {
  const address = addressOf(text);
  const device = { name, ifindex: interfaceIndex(name) };
  return { family: address.family, address, prefixLength: address.bytes.length * 8, device, kind };
}

function wanted(...addresses: AddressEntry[]): NetworkState {
  return { ...EMPTY_NETWORK, addresses };
}

const ghosts = [entry('192.0.2.80'), entry('2001:db8:80::80')];

test('ghosts are added, stay without a further write, and go again', async () => {
  const before = await shell('ip -o address');
  const network = open();
  const { done, failures } = network.establish(wanted(...ghosts));
  assert.equal(failures, []);
  assert.equal(done.map(describeNetworkChange), [
    'ip address add 192.0.2.80/32 dev lo scope host',
    'ip -6 address add 2001:db8:80::80/128 dev lo preferred_lft 0 nodad',
  ]);
  const shown = await shell('ip address show dev lo');
  assert.match(shown, /inet 192\.0\.2\.80\/32 scope host lo\n +valid_lft forever/);
  assert.match(
    shown,
    /inet6 2001:db8:80::80\/128 scope global nodad deprecated.*\n +valid_lft forever preferred_lft 0sec/,
  );
  assert.equal(network.establish(wanted(...ghosts)).done, []);

  assert.equal(network.restore().done.map(describeNetworkChange), [
    'ip address delete 192.0.2.80/32 dev lo',
    'ip -6 address delete 2001:db8:80::80/128 dev lo',
  ]);
  assert.is(await shell('ip -o address'), before);
  assert.is(fileStatus(journal), null);
  network.close();
});

test('what describes a change does the same by hand', async () => {
  const network = open();
  network.establish(wanted(...ghosts));
  const ours = await shell('ip address show dev lo');
  const commands = network.restore().done.map(describeNetworkChange);
  await shell('ip address add 192.0.2.80/32 dev lo scope host');
  await shell('ip -6 address add 2001:db8:80::80/128 dev lo preferred_lft 0 nodad');
  assert.is(await shell('ip address show dev lo'), ours);
  for (const command of commands) await shell(command);
  assert.not.match(await shell('ip address show dev lo'), /192\.0\.2\.80|db8/);
  network.close();
});

test('an address that somebody else has added stays', async () => {
  await shell('ip address add 192.0.2.80/32 dev lo');
  const network = open();
  assert.is(network.establish(wanted(...ghosts)).done.length, 1);
  network.restore();
  assert.match(await shell('ip address show dev lo'), /192\.0\.2\.80\/32 scope global/);
  await shell('ip address delete 192.0.2.80/32 dev lo');
  network.close();
});

test('after a crash the journal tells whose they are', async () => {
  const before = await shell('ip -o address');
  const first = open();
  first.establish(wanted(...ghosts));
  first.close();
  const second = open();
  assert.equal(second.establish(wanted(...ghosts)).done, []);
  assert.is(second.withdrawAddresses().done.length, 2);
  assert.is(await shell('ip -o address'), before);
  second.restore();
  second.close();
});

test('one that somebody has deleted, and later adds for himself, is his', async () => {
  const network = open();
  network.establish(wanted(...ghosts));
  await shell('ip address delete 192.0.2.80/32 dev lo');
  network.prune(wanted(...ghosts.slice(1)));
  await shell('ip address add 192.0.2.80/32 dev lo');
  network.restore();
  assert.match(await shell('ip address show dev lo'), /192\.0\.2\.80/);
  await shell('ip address delete 192.0.2.80/32 dev lo');
  network.close();
});

test('a group is joined: its frames are taken and its membership is reported', async () => {
  await addHost('v1');
  const network = open();
  const groups = [entry('239.255.1.2', 'group', 'v1'), entry('ff15::1:2', 'group', 'v1')];
  const { failures } = network.establish(wanted(...groups));
  assert.equal(failures, []);
  const joined = await shell('ip maddress show dev v1');
  assert.match(joined, /link +01:00:5e:7f:01:02/);
  assert.match(joined, /link +33:33:00:01:00:02/);
  assert.match(joined, /inet6 +ff15::1:2/);
  network.restore();
  assert.not.match(await shell('ip maddress show dev v1'), /01:00:5e:7f:01:02|33:33:00:01:00:02/);
  network.close();
});

test.run();
