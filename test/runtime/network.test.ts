import { fileStatus, interfaceIndex, readFile, decodeUtf8, writeFile } from 'oneip:runtime';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Journal } from '../../src/host/journal.ts';
import { Network } from '../../src/host/network.ts';
import { NetworkWatch } from '../../src/host/network-watch.ts';
import { describeNetworkChange } from '../../src/network/describe.ts';
import { EMPTY_NETWORK, type NetworkState } from '../../src/network/state.ts';
import { addressOf, prefixOf } from './support/address.ts';
import { type Host, addHost, enterNamespace, shell } from './support/namespace.ts';
import { closeOpened, opened } from './support/opened.ts';
import { removeScratch, scratchPath } from './support/script.ts';
import { sleep } from './support/turns.ts';

await enterNamespace();
// Without link-local addresses, which the kernel would add in the middle of a test.
await shell('ip link set lo up; echo 1 > /proc/sys/net/ipv6/conf/default/addr_gen_mode');

let host: Host;
let journal: string;
let complaints: string[];

test.before.each(async () => {
  host = await addHost('v0.2');
  await host.shell('ip address add 10.9.0.2/24 dev eth0; ip address add fd09::2/64 dev eth0 nodad');
  await shell('ip address add 10.9.0.1/24 dev v0.2; ip address add fd09::1/64 dev v0.2 nodad');
  // The kernel makes the address's own route later, without a word that could be waited for.
  await shell('timeout 5 sh -c "until ip -6 route show table local | grep -q fd09::1; do :; done"');
  journal = scratchPath();
  complaints = [];
});

test.after.each(closeOpened);

test.after(removeScratch);

function open(): Network {
  return new Network(new Journal(journal, (line) => complaints.push(line)));
}

function wanted(sysctls: Record<string, string> = { rp_filter: '2', accept_local: '1' }): NetworkState {
  const device = { name: 'v0.2', ifindex: interfaceIndex('v0.2') };
  return {
    routes: [
      { family: 4, table: 254, destination: prefixOf('192.0.2.7'), device },
      { family: 4, table: 1001, destination: 'default', via: addressOf('10.9.0.2'), onlink: true, device },
      { family: 4, table: 1002, destination: 'default', type: 'unreachable' },
      { family: 6, table: 254, destination: prefixOf('2001:db8::7'), device },
      { family: 6, table: 1001, destination: 'default', via: addressOf('fd09::2'), onlink: true, device },
      { family: 6, table: 1002, destination: 'default', type: 'blackhole' },
    ],
    rules: ([4, 6] as const).flatMap((family) => [
      { family, priority: 0, mark: 0x1001, mask: 0xffffffff, table: 1001 },
      { family, priority: 0, mark: 0x1002, mask: 0xffffffff, table: 1002 },
      { family, priority: 100, mark: 0x2000, mask: 0xff00, table: 1002 },
      { family, priority: 50, mark: 0x3000, mask: 0xff00, table: 0, goto: 100 },
    ]),
    neighbours: [
      { family: 4, address: addressOf('10.9.0.2'), device, kind: 'managed' },
      { family: 6, address: addressOf('fd09::2'), device, kind: 'managed' },
      { family: 6, address: addressOf('2001:db8::7'), device, kind: 'proxy' },
    ],
    sysctls: Object.entries(sysctls).map(([name, value]) => ({ key: `net/ipv4/conf/v0.2/${name}`, value })),
  };
}

/** All that a `Network` may change, as the system's own tools show it. */
function look(): Promise<string> {
  return shell(`
    ip -d rule; ip -6 -d rule
    ip -d route show table all; ip -6 -d route show table all | sed 's/ expires [0-9]*sec//'
    ip -d neigh show nud all | grep -v -e NOARP -e '^fe80' | sed 's/ [A-Z]* *$//' | sort; ip neigh show proxy
    grep -H . /proc/sys/net/ipv4/conf/*/* /proc/sys/net/ipv6/conf/*/proxy_ndp | grep -v -e stable_secret`);
}

/** Asserts that all is as it was; on failure shows only what is not. */
async function stillAs(before: string): Promise<void> {
  const after = await look();
  const lines = (text: string, than: string) => text.split('\n').filter((line) => !than.split('\n').includes(line));
  assert.equal({ missing: lines(before, after), new: lines(after, before) }, { missing: [], new: [] });
  assert.ok(after === before, 'the same in another order');
}

function sysctl(name: string): string {
  return decodeUtf8(readFile(`/proc/sys/net/ipv4/conf/v0.2/${name}`)).trim();
}

test('everything is made, stays without a further write, and is put back', async () => {
  const before = await look();
  const network = open();
  const outcome = network.establish(wanted());
  assert.equal(outcome.failures, []);
  assert.is(outcome.done.length, 21);
  assert.match(await shell('ip route show table 1001'), /^default via 10.9.0.2 dev v0.2 proto 111 onlink/);
  assert.match(await shell('ip -6 route show 2001:db8::7'), /dev v0.2 proto 111/);
  assert.match(await shell('ip rule show pref 100'), /fwmark 0x2000\/0xff00 lookup 1002 proto 111/);
  assert.match(await shell('ip -6 rule show pref 50'), /fwmark 0x3000\/0xff00 goto 100 proto 111/);
  assert.match(await shell('ip -6 neigh show proxy'), /^2001:db8::7 dev v0.2 proxy/);
  assert.is(sysctl('rp_filter'), '2');

  const events: string[] = [];
  const note = (name: string) => () => void events.push(name);
  const written = fileStatus(journal)?.modified;
  const watch = opened(new NetworkWatch({ rule: note('rule'), route: note('route'), lost: note('lost') }));
  assert.equal(network.plan(wanted()), []);
  assert.equal(network.establish(wanted()), { done: [], failures: [] });
  assert.equal(network.prune(wanted()), { done: [], failures: [] });
  await sleep(20);
  assert.equal(events, []);
  assert.is(fileStatus(journal)?.modified, written);
  watch.close();

  assert.equal(network.restore().failures, []);
  await stillAs(before);
  assert.is(fileStatus(journal), null);
  network.close();
});

test('a new state is made first, the old one is taken away by itself', async () => {
  const before = await look();
  const network = open();
  network.establish(wanted());
  const less: NetworkState = { ...wanted({ rp_filter: '2' }), rules: [], routes: wanted().routes.slice(0, 2) };
  assert.equal(network.establish(less).done, []);
  assert.is(network.prune(less).done.length, 8 + 4 + 1);
  assert.is(sysctl('accept_local'), '0');
  assert.is(sysctl('rp_filter'), '2');
  assert.match(await shell('ip route show table 1001'), /^default via/);
  network.restore();
  await stillAs(before);
  network.close();
});

test('what fails is told with the kernel’s reason, and the rest is done', async () => {
  const network = open();
  const base = wanted({});
  const device = { name: 'gone', ifindex: 4711 };
  const outcome = network.establish({
    ...EMPTY_NETWORK,
    routes: [
      { family: 4, table: 1001, destination: 'default', via: addressOf('10.9.0.2'), device },
      { family: 4, table: 1003, destination: 'default', via: addressOf('10.200.0.1') },
      ...base.routes.slice(2, 3),
    ],
    neighbours: [{ family: 4, address: addressOf('10.9.0.2'), device, kind: 'managed' }],
    sysctls: [{ key: 'net/ipv4/conf/v0.2/rp_filter', value: 'nonsense' }],
  });
  assert.equal(
    outcome.failures.map(({ message }) => message.replace(/(nonsense).*: (.*)$/, '$1: $2')),
    [
      `sysctl -w net/ipv4/conf/v0.2/rp_filter=nonsense: Invalid argument`,
      'ip neigh add 10.9.0.2 dev gone managed: no such device',
      'ip route add default via 10.9.0.2 dev gone table 1001: Nexthop has invalid gateway (network unreachable)',
      'ip route add default via 10.200.0.1 table 1003: Nexthop has invalid gateway (network unreachable)',
    ],
  );
  assert.equal(outcome.done.map(describeNetworkChange), ['ip route add unreachable default table 1002']);
  assert.equal(network.restore().failures, []);
  network.close();
});

test('a daemon that was killed leaves its journal to the next one', async () => {
  await shell('echo 1 > /proc/sys/net/ipv4/conf/v0.2/rp_filter');
  const before = await look();
  open().establish(wanted());
  const second = open();
  assert.equal(second.plan(wanted()), []);
  assert.equal([...second.readStrictReversePath(['v0.2'])], ['v0.2'], 'as it was found');
  assert.equal(second.establish(wanted({ rp_filter: '0' })).failures, []);
  const third = open();
  third.restore();
  await stillAs(before);
  assert.is(sysctl('rp_filter'), '1');
});

test('a journal that was written before a change that never came does no harm', async () => {
  await shell('echo 1 > /proc/sys/net/ipv4/conf/v0.2/rp_filter');
  const entry = { kind: 'sysctl', key: 'net/ipv4/conf/v0.2/rp_filter', original: '1', ours: ['2'] };
  writeFile(journal, JSON.stringify({ version: 1, undo: [entry] }));
  assert.equal(open().restore(), { done: [], failures: [] });
  assert.is(sysctl('rp_filter'), '1');
});

test('what somebody else sets after us is left to him', async () => {
  const network = open();
  network.establish(wanted());
  await shell('echo 1 > /proc/sys/net/ipv4/conf/v0.2/rp_filter');
  network.restore();
  assert.is(sysctl('rp_filter'), '1');
  network.close();
});

test('without the journal, what the kernel knows to be ours is found all the same', async () => {
  const before = await look();
  open().establish(wanted({}));
  writeFile(journal, '{"version":1,"undo":[{"kind":');
  const network = open();
  assert.is(complaints.length, 1);
  assert.match(complaints[0] ?? '', /cannot be read \(.*\) and was set aside/);
  assert.is(fileStatus(`${journal}.unreadable`)?.type, 'file');
  network.restore();
  await stillAs(before);
  assert.is(open() && complaints.length, 1, 'told once');
});

test('a device that vanishes is nothing to undo, and one that returns is a new one', async () => {
  const network = open();
  network.establish(wanted());
  await host.close();
  assert.equal(network.establish(EMPTY_NETWORK), { done: [], failures: [] });
  host = await addHost('v0.2');
  await shell('ip address add 10.9.0.1/24 dev v0.2; echo 1 > /proc/sys/net/ipv4/conf/v0.2/rp_filter');
  assert.equal(network.establish(wanted()).failures, []);
  assert.is(sysctl('rp_filter'), '2');
  assert.equal(network.restore().failures, []);
  assert.is(sysctl('rp_filter'), '1');

  network.establish(wanted());
  await host.close();
  assert.equal(network.restore().failures, []);
  assert.is(fileStatus(journal), null);
  assert.not.match(await look(), /proto 111/);
  network.close();
});

test('what others have made before us serves, and stays', async () => {
  await shell(`
    ip route add 192.0.2.7 dev v0.2 proto static
    ip neigh add 10.9.0.2 lladdr 02:00:00:00:00:99 dev v0.2 nud permanent
    ip -6 neigh add proxy 2001:db8::7 dev v0.2`);
  const before = await look();
  const network = open();
  const all = wanted({});
  const some: NetworkState = {
    ...EMPTY_NETWORK,
    routes: all.routes.slice(0, 1),
    neighbours: all.neighbours.filter(({ address }) => address.text !== 'fd09::2'),
  };
  assert.equal(network.plan(some), []);
  network.restore();
  await stillAs(before);
  network.close();
});

test('a route of others that leads elsewhere is not touched', async () => {
  await shell('ip route add 192.0.2.7 via 10.9.0.9 proto static');
  const before = await look();
  const network = open();
  const { failures } = network.establish({ ...EMPTY_NETWORK, routes: wanted().routes.slice(0, 1) });
  assert.match(failures[0]?.message ?? '', /^ip route add 192.0.2.7\/32 dev v0.2 table main: exists already/);
  network.restore();
  await stillAs(before);
  network.close();
});

test('a neighbour that the kernel has learned is given back as it was', async () => {
  await shell('ping -c 1 -W 2 10.9.0.2');
  const hardware = (await host.shell('cat /sys/class/net/eth0/address; true')).trim();
  const network = open();
  network.establish({ ...EMPTY_NETWORK, neighbours: wanted().neighbours.slice(0, 1) });
  assert.match(await shell('ip -d neigh show 10.9.0.2'), / lladdr .* managed extern_learn /);
  const heir = open();
  heir.restore();
  const after = await shell('ip -d neigh show 10.9.0.2');
  assert.match(after, / lladdr /);
  assert.not.match(after, /managed|extern_learn|proto/);
  assert.ok(hardware.length > 0);
  network.close();
  heir.close();
});

test('a neighbour entry that is fixed: made, moved to another MAC address, given to a host, taken away', async () => {
  const [managed] = wanted().neighbours;
  assert.ok(managed);
  for (const [family, text] of [
    [4, '10.9.0.250'],
    [6, 'fd09::250'],
  ] as const) {
    const fixed = (hardware: string): NetworkState => {
      const entry = { family, address: addressOf(text), device: managed.device, kind: 'permanent', hardware } as const;
      return { ...EMPTY_NETWORK, neighbours: [entry] };
    };
    const show = () => shell(`ip -d neigh show ${text}`);
    const network = open();
    const [first, second] = [fixed('33:33:00:00:00:01'), fixed('01:00:5e:7f:00:01')];
    assert.equal(network.establish(first).failures, []);
    assert.match(await show(), / lladdr 33:33:00:00:00:01 PERMANENT proto 111/);
    assert.equal(network.plan(first), []);
    assert.is(network.establish(second).done.length, 1);
    assert.equal(network.prune(second).done, []);
    assert.match(await show(), / lladdr 01:00:5e:7f:00:01 PERMANENT proto 111/);
    // What somebody else makes of it is put right, and what he has made himself is his.
    await shell(`ip neigh replace ${text} lladdr 02:00:00:00:00:99 dev v0.2 nud permanent`);
    assert.is(network.establish(first).done.length, 1);
    assert.match(await show(), / lladdr 33:33:00:00:00:01 /);
    const host = { ...EMPTY_NETWORK, neighbours: [{ ...managed, family, address: addressOf(text) }] };
    assert.is(network.establish(host).done.length, 1);
    assert.equal(network.prune(host).done, []);
    assert.match(await show(), / managed extern_learn /);
    assert.not.match(await show(), /PERMANENT/);
    network.establish(first);
    network.restore();
    assert.is(await show(), '');
    await shell(`ip neigh add ${text} lladdr 33:33:00:00:00:01 dev v0.2 nud permanent`);
    assert.equal(network.plan(first), []);
    network.restore();
    assert.match(await show(), / lladdr 33:33:00:00:00:01 PERMANENT/);
    await shell(`ip neigh del ${text} dev v0.2`);
    network.close();
  }
});

test.run();
