import { interfaceIndex, monotonic } from 'oneip:runtime';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Journal } from '../../src/host/journal.ts';
import { Network } from '../../src/host/network.ts';
import { NetworkWatch } from '../../src/host/network-watch.ts';
import { EMPTY_NETWORK, type NetworkState } from '../../src/network/state.ts';
import { addressOf } from './support/address.ts';
import { type Host, addHost, enterNamespace, shell } from './support/namespace.ts';
import { closeOpened, opened } from './support/opened.ts';
import { removeScratch, scratchPath } from './support/script.ts';
import { sleep, until } from './support/turns.ts';

// Neighbour entries that the kernel manages (NTF_EXT_MANAGED).

await enterNamespace();
test.after(removeScratch);

let host: Host;
let network: Network;

test.before.each(async () => {
  host = await addHost('v0');
  await host.shell('ip address add 10.9.0.2/24 dev eth0; ip link set eth0 address 02:00:00:00:00:02');
  await shell('ip address add 10.9.0.1/24 dev v0');
  network = new Network(new Journal(scratchPath(), assert.unreachable));
});

test.after.each(async () => {
  network.close();
  await closeOpened();
});

function server(): NetworkState {
  const device = { name: 'v0', ifindex: interfaceIndex('v0') };
  return { ...EMPTY_NETWORK, neighbours: [{ family: 4, address: addressOf('10.9.0.2'), device, kind: 'managed' }] };
}

const hardware = () => network.readHardware().get('10.9.0.2');

test('is resolved without a packet, within milliseconds', async () => {
  const begin = monotonic();
  assert.equal(network.establish(server()).failures, []);
  await until(() => hardware() !== undefined, 'resolved');
  console.log(`# a neighbour is resolved after ${(monotonic() - begin).toFixed(1)} ms`);
  assert.is(hardware(), '02:00:00:00:00:02');
});

test('a host that appears later is found by the kernel', async () => {
  await host.shell('ip address del 10.9.0.2/24 dev eth0');
  network.establish(server());
  // The kernel gives up after three questions a second apart, and asks again later; the state between is INCOMPLETE.
  const failed = async () => /managed .*FAILED/.test(await shell('ip neigh show 10.9.0.2'));
  const patience = monotonic() + 15_000;
  let gaveUp = await failed();
  while (!gaveUp && monotonic() < patience) {
    await sleep(50);
    gaveUp = await failed();
  }
  assert.ok(gaveUp, 'the kernel has given up');
  await host.shell('ip address add 10.9.0.2/24 dev eth0 noprefixroute');
  const begin = monotonic();
  while (hardware() === undefined && monotonic() < begin + 10_000) await sleep(20);
  console.log(`# a host that appears is resolved after ${((monotonic() - begin) / 1000).toFixed(1)} s`);
  assert.is(hardware(), '02:00:00:00:00:02');
});

test('a silent change of the MAC is found within seconds where it is asked for', async () => {
  network.establish(server());
  await until(() => hardware() !== undefined, 'resolved');
  // Neither announced nor seen in what the host sends.
  await host.shell('sysctl -qw net.ipv4.conf.eth0.arp_notify=0; ip link set eth0 address 02:00:00:00:00:03');
  assert.is(hardware(), '02:00:00:00:00:02');
  const begin = monotonic();
  network.verifyNeighbours(server());
  assert.equal(network.plan(server()), [], 'it is managed all the time');
  while (hardware() !== '02:00:00:00:00:03' && monotonic() < begin + 12_000) await sleep(20);
  const took = (monotonic() - begin) / 1000;
  console.log(`# a silent change of the MAC is found ${took.toFixed(1)} s after asking`);
  assert.is(hardware(), '02:00:00:00:00:03');
  network.verifyNeighbours(server());
  assert.is(hardware(), '02:00:00:00:00:03', 'asking does not interrupt');
});

test('a host that announces its new MAC is found at once', async () => {
  network.establish(server());
  await until(() => hardware() !== undefined, 'resolved');
  await sleep(1100);
  await host.shell('ip link set eth0 address 02:00:00:00:00:04; ping -c 1 -W 1 10.9.0.1');
  await until(() => hardware() === '02:00:00:00:00:04', 'the new MAC');
});

test('a loss of carrier takes the entry away, which is told, and it can be made again at once', async () => {
  network.establish(server());
  await until(() => hardware() !== undefined, 'resolved');
  let gone = 0;
  opened(
    new NetworkWatch({
      neighbour: ({ address }, deleted) => void (deleted && address.text === '10.9.0.2' && gone++),
      lost: assert.unreachable,
    }),
  );
  await host.shell('ip link set eth0 down');
  await until(() => gone === 1, 'told');
  assert.equal(network.establish(server()).failures, []);
  await host.shell('ip link set eth0 up');
  network.verifyNeighbours(server());
  const begin = monotonic();
  while (hardware() === undefined && monotonic() < begin + 10_000) await sleep(20);
  console.log(`# after a loss of carrier resolved again after ${((monotonic() - begin) / 1000).toFixed(1)} s`);
  assert.is(hardware(), '02:00:00:00:00:02');
});

test('where the kernel does not manage entries, they are refreshed as by packets', async () => {
  // An entry as a kernel before 5.16 makes it of the same request.
  await shell('ip neigh add 10.9.0.2 dev v0 nud none extern_learn protocol 111');
  assert.equal(network.plan(server()), []);
  assert.is(network.refreshNeighbours(server()), 1);
  await until(() => hardware() !== undefined, 'resolved');
  assert.equal(network.plan(server()), []);
  network.restore();
  assert.is(await shell('ip neigh show 10.9.0.2'), '');
  network.establish(server());
  assert.is(network.refreshNeighbours(server()), 0, 'this kernel does it all');
});

test.run();
