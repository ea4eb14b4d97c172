import { interfaceIndex } from 'oneip:runtime';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Journal } from '../../src/host/journal.ts';
import { Network } from '../../src/host/network.ts';
import { NetworkWatch } from '../../src/host/network-watch.ts';
import type { Family } from '../../src/net/address.ts';
import { looksUpLocal } from '../../src/netlink/rule.ts';
import { EMPTY_NETWORK, type NetworkState, type RuleEntry } from '../../src/network/state.ts';
import { addressOf } from './support/address.ts';
import { addHost, enterNamespace, shell } from './support/namespace.ts';
import { closeOpened, opened } from './support/opened.ts';
import { removeScratch, scratchPath } from './support/script.ts';
import { until } from './support/turns.ts';

// Rules of priority 0 that stand before `from all lookup local`, for a ghost that is the router's own address.

await enterNamespace();
await shell('ip link set lo up');
test.after(removeScratch);
test.after.each(closeOpened);

function open(): Network {
  return new Network(new Journal(scratchPath(), assert.unreachable));
}

function rules(...marks: number[]): NetworkState {
  const entries = ([4, 6] as const).flatMap((family) =>
    marks.map((mark): RuleEntry => ({ family, priority: 0, mark, mask: 0xffffffff, table: 1000 + mark })),
  );
  return { ...EMPTY_NETWORK, rules: entries };
}

/** What stands at priority 0, in order: marks, and L for the local rule. */
async function order(family: Family): Promise<string> {
  const text = await shell(`ip -${family} -d rule show`);
  return [...text.matchAll(/^0:\tfrom all (?:fwmark (\S+) )?lookup (\S+) (.*)$/gm)]
    .map(([, mark, table, rest]) => (mark === undefined ? `${table === 'local' ? 'L' : table} ${rest?.trim()}` : mark))
    .join(', ');
}

const KERNELS_OWN = 'L proto kernel';

test('ours come before the local rule, later ones too, and the kernel’s stands alone afterwards', async () => {
  const network = open();
  for (const family of [4, 6] as const) assert.is(await order(family), KERNELS_OWN);
  assert.equal(network.establish(rules(1, 2)).failures, []);
  for (const family of [4, 6] as const) assert.is(await order(family), `0x1, 0x2, ${KERNELS_OWN}`);
  assert.equal(network.establish(rules(1, 2, 3)).failures, []);
  for (const family of [4, 6] as const) assert.is(await order(family), `0x1, 0x2, 0x3, ${KERNELS_OWN}`);
  assert.equal(network.plan(rules(1, 2, 3)), []);
  network.prune(rules(2));
  for (const family of [4, 6] as const) assert.is(await order(family), `0x2, ${KERNELS_OWN}`);
  network.restore();
  for (const family of [4, 6] as const) assert.is(await order(family), KERNELS_OWN);
  network.close();
});

test('there is no moment without a local rule', async () => {
  const events: string[] = [];
  const watch = opened(
    new NetworkWatch({
      rule: (rule, gone) => void (looksUpLocal(rule) && events.push(`${gone ? '-' : '+'}${rule.family}`)),
      lost: assert.unreachable,
    }),
  );
  const network = open();
  network.establish(rules(1, 2));
  await until(() => events.length === 4, 'told');
  assert.equal(events, ['+4', '-4', '+6', '-6']);
  network.restore();
  watch.close();
  network.close();
});

test('a crash between the two steps is repaired, forwards and backwards', async () => {
  for (const commands of [
    'ip rule add pref 0 fwmark 1 lookup 1001 proto 111; ip rule add pref 0 lookup local proto kernel 2>&1 || true',
    'ip rule add pref 0 fwmark 1 lookup 1001 proto 111',
  ]) {
    const wanted: NetworkState = { ...EMPTY_NETWORK, rules: rules(1).rules.filter(({ family }) => family === 4) };
    const network = open();
    await shell(commands);
    assert.equal(network.establish(wanted).failures, []);
    assert.is(await order(4), `0x1, ${KERNELS_OWN}`);
    network.restore();
    await shell(commands);
    network.restore();
    assert.is(await order(4), KERNELS_OWN);
    network.close();
  }
});

test('a rule of somebody else is never moved before the local rule', async () => {
  await shell('ip rule add pref 0 fwmark 9 lookup 9');
  const network = open();
  const { failures } = network.establish(rules(1));
  assert.is(failures.length, 1);
  assert.match(failures[0]?.message ?? '', /somebody else's rule of priority 0 stands behind the local rule/);
  assert.is(await order(4), `${KERNELS_OWN}, 0x9, 0x1`);
  network.restore();
  assert.is(await order(4), `${KERNELS_OWN}, 0x9`);
  await shell('ip rule del pref 0 fwmark 9');
  network.close();
});

test('where the local rule has been moved down, as for VRFs, ours come first by themselves', async () => {
  await shell('ip rule add pref 32765 lookup local; ip rule del pref 0');
  const network = open();
  assert.equal(network.establish(rules(1)).failures, []);
  assert.is(await order(4), '0x1');
  network.restore();
  await shell('ip rule add pref 0 lookup local proto kernel; ip rule del pref 32765');
  assert.is(await order(4), KERNELS_OWN);
  network.close();
});

test('packets with the mark to an address of the router go to the server, and come back', async () => {
  const [client, server] = [await addHost('wan'), await addHost('lan')];
  await shell(`
    ip address add 198.51.100.1/24 dev wan; ip address add 10.9.0.1/24 dev lan
    ip address add 2001:db8:1::1/64 dev wan nodad; ip address add fd09::1/64 dev lan nodad
    sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.conf.lan.rp_filter=0 net.ipv4.conf.all.rp_filter=0
    nft add table inet t
    nft 'add chain inet t p { type filter hook prerouting priority mangle; }'
    nft add rule inet t p iifname wan ip daddr 198.51.100.1 icmp type echo-request meta mark set 0x1
    nft add rule inet t p iifname wan ip6 daddr 2001:db8:1::1 icmpv6 type echo-request meta mark set 0x1`);
  await client.shell(`
    ip address add 198.51.100.9/24 dev eth0; ip address add 2001:db8:1::9/64 dev eth0 nodad`);
  await server.shell(`
    ip address add 10.9.0.2/24 dev eth0; ip address add fd09::2/64 dev eth0 nodad
    ip address add 198.51.100.1/32 dev lo; ip address add 2001:db8:1::1/128 dev lo nodad
    ip route add default via 10.9.0.1; ip route add default via fd09::1
    nft add table inet t; nft 'add chain inet t i { type filter hook input priority 0; }'
    nft add rule inet t i icmp type echo-request counter; nft add rule inet t i icmpv6 type echo-request counter`);
  const device = { name: 'lan', ifindex: interfaceIndex('lan') };
  const network = open();
  const wanted: NetworkState = {
    routes: [
      { family: 4, table: 1001, destination: 'default', via: addressOf('10.9.0.2'), onlink: true, device },
      { family: 6, table: 1001, destination: 'default', via: addressOf('fd09::2'), onlink: true, device },
    ],
    rules: rules(1).rules,
    neighbours: [
      { family: 4, address: addressOf('10.9.0.2'), device, kind: 'managed' },
      { family: 6, address: addressOf('fd09::2'), device, kind: 'managed' },
    ],
    sysctls: [{ key: 'net/ipv4/conf/lan/accept_local', value: '1' }],
  };
  const reached = async () => {
    for (const to of ['198.51.100.1', '2001:db8:1::1']) {
      await client.shell(`ping -c 1 -W 2 ${to}`);
    }
    return [...(await server.shell('nft list table inet t')).matchAll(/packets (\d+)/g)].map(([, count]) =>
      Number(count),
    );
  };
  assert.equal(await reached(), [0, 0], 'the router itself answers');
  assert.equal(network.establish(wanted).failures, []);
  await until(
    () => network.readHardware().has('fd09::2'),
    'resolved, once the link-local address is no longer tentative',
  );
  assert.equal(await reached(), [1, 1], 'the server answers');
  await shell('ping -c 1 -W 2 198.51.100.1; ping -c 1 -W 2 2001:db8:1::1');
  assert.equal(await reached(), [2, 2]);
  network.restore();
  assert.equal(await reached(), [2, 2], 'the router itself again');
  network.close();
});

test.run();
