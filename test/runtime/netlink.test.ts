import { Socket, interfaceIndex, littleEndian, monotonic } from 'oneip:runtime';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readListeners } from '../../src/host/listeners.ts';
import { ESRCH, NETLINK_ROUTE, NetlinkChannel, NetlinkError } from '../../src/host/netlink-channel.ts';
import { NetworkWatch, type NetworkObserver } from '../../src/host/network-watch.ts';
import { readEnvironment, readLinks, readNeighbours, readRoutes, readRules } from '../../src/host/rtnetlink.ts';
import { RTM_DELROUTE, RTM_NEWROUTE, type Route, encodeRoute } from '../../src/netlink/route.ts';
import { parseAddress } from '../../src/net/address.ts';
import { addHost, enterNamespace, runOnLines, shell } from './support/namespace.ts';
import { closeOpened, opened } from './support/opened.ts';
import { removeScratch } from './support/script.ts';
import { sleep, until } from './support/turns.ts';

await enterNamespace();
await shell('ip link set lo up');

test.after(removeScratch);

test.after.each(closeOpened);

test('links and addresses as `ip` shows them', async () => {
  await addHost('v0');
  await shell(`
    ip link add br-lan type bridge; ip link set v0 master br-lan mtu 1400 address 02:00:00:00:00:01
    ip address add 10.9.0.1/24 dev br-lan; ip address add 192.0.2.1 peer 192.0.2.2 dev br-lan
    ip tuntap add dev tun0 mode tun`);
  const channel = opened(new NetlinkChannel(NETLINK_ROUTE));
  const { links, addresses } = readEnvironment(channel);
  assert.equal([...links.keys()].sort(), ['br-lan', 'lo', 'tun0', 'v0']);
  assert.equal(links.get('v0'), {
    name: 'v0',
    ifindex: interfaceIndex('v0'),
    mtu: 1400,
    up: true,
    hardware: '02:00:00:00:00:01',
    kind: 'veth',
    masterIndex: interfaceIndex('br-lan'),
  });
  assert.is(links.get('br-lan')?.up, false);
  assert.is(links.get('tun0')?.hardware, undefined);
  assert.equal(
    addresses
      .filter(({ device }) => device === 'br-lan')
      .map(({ address, prefixLength, peer }) => `${address.text} ${peer?.text ?? '-'}/${prefixLength}`),
    ['10.9.0.1 -/24', '192.0.2.1 192.0.2.2/32'],
  );
  await shell('ip link del br-lan; ip link del tun0');
});

test('bridges that listen to who joins groups, and ports that get all of them', async () => {
  await addHost('v0');
  await shell('ip link add br0 type bridge mcast_snooping 1; ip link set v0 master br0');
  const channel = opened(new NetlinkChannel(NETLINK_ROUTE));
  const look = () => {
    const { links } = readEnvironment(channel);
    return [links.get('br0')?.snooping, links.get('v0')?.multicastRouter];
  };
  assert.equal(look(), [true, undefined]);
  await shell('bridge link set dev v0 mcast_router 2');
  assert.equal(look(), [true, true]);
  await shell('ip link set br0 type bridge mcast_snooping 0; bridge link set dev v0 mcast_router 0');
  assert.equal(look(), [undefined, undefined]);
  await shell('ip link del br0');
});

test('a dump of thousands of objects is whole, and of one table where asked', async () => {
  const lines = Array.from({ length: 5000 }, (_, n) => `route add 10.${n >> 8}.${n & 255}.0/24 dev lo table 77`);
  await runOnLines(['ip', '-batch'], lines);
  const channel = opened(new NetlinkChannel(NETLINK_ROUTE));
  const begin = monotonic();
  assert.is(readRoutes(channel, 4, { table: 77 }).length, 5000);
  const took = monotonic() - begin;
  assert.equal(readRoutes(channel, 4, { table: 78 }), []);
  assert.equal(readRoutes(channel, 4, { protocol: 111 }), []);
  console.log(`# 5000 routes read in ${took.toFixed(1)} ms`);
  await shell('ip route flush table 77');
});

test('a refusal has the kernel’s number and words, and the channel goes on', () => {
  const channel = opened(new NetlinkChannel(NETLINK_ROUTE));
  const route: Route = { family: 4, table: 99, destination: 'default', type: 'unicast', protocol: 111, metric: 0 };
  const via = parseAddress('10.200.0.1');
  const add = () => channel.request(RTM_NEWROUTE, 0x600, encodeRoute({ ...route, ...(via && { via }) }, littleEndian));
  assert.throws(add, (error: unknown) => {
    assert.instance(error, NetlinkError);
    assert.match((error as NetlinkError).message, /^Nexthop has invalid gateway \(network unreachable\)$/);
    return true;
  });
  assert.throws(
    () => channel.request(RTM_DELROUTE, 0, encodeRoute(route, littleEndian)),
    (error: unknown) => error instanceof NetlinkError && error.errno === ESRCH,
  );
  assert.ok(readLinks(channel).length > 0);
  assert.is(readRules(channel, 6).length, 2);
  assert.equal(readNeighbours(channel, 'proxies'), []);
});

interface Heard {
  readonly lines: string[];
  readonly observer: NetworkObserver;
}

function listen(): Heard {
  const lines: string[] = [];
  const note = (line: string, gone: boolean) => void lines.push(`${gone ? '-' : '+'} ${line}`);
  return {
    lines,
    observer: {
      link: ({ name }, gone) => note(`link ${name}`, gone),
      address: ({ address }, gone) => note(`address ${address.text}`, gone),
      neighbour: ({ address }, gone) => note(`neighbour ${address.text}`, gone),
      rule: ({ mark }, gone) => note(`rule ${mark}`, gone),
      route: ({ table }, gone) => note(`route ${table}`, gone),
      lost: () => void lines.push('lost'),
    },
  };
}

test('changes by others are heard, each as what it is', async () => {
  await addHost('v0');
  const { lines, observer } = listen();
  opened(new NetworkWatch(observer));
  const expect = async (commands: string, line: string) => {
    lines.length = 0;
    await shell(commands);
    await until(() => lines.includes(line), `${line} after ${commands}, not ${lines.join()}`);
  };
  await expect('ip address add 10.9.0.1/24 dev v0', '+ address 10.9.0.1');
  await expect('ip address del 10.9.0.1/24 dev v0', '- address 10.9.0.1');
  await expect('ip neigh add 10.9.0.7 lladdr 02:00:00:00:00:07 dev v0', '+ neighbour 10.9.0.7');
  await expect('ip neigh del 10.9.0.7 dev v0', '- neighbour 10.9.0.7');
  await expect('ip rule add fwmark 7 lookup 9', '+ rule 7');
  await expect('ip -6 rule add fwmark 8 lookup 9', '+ rule 8');
  await expect('ip rule del fwmark 7 lookup 9; ip -6 rule del fwmark 8 lookup 9', '- rule 7');
  await expect(
    'ip route add 10.1.0.0/16 dev v0 table 5; ip route add 10.1.0.0/16 dev v0 proto 111 table 6',
    '+ route 6',
  );
  assert.not(lines.includes('+ route 5'), 'a route of somebody else');
  await expect('ip route del 10.1.0.0/16 dev v0 table 6', '- route 6');
  await expect('ip link set v0 down', '+ link v0');
  await expect('ip link del v0', '- link v0');
});

test('a device that joins and leaves a bridge is not taken for gone', async () => {
  await addHost('v0');
  await shell('ip link add br0 type bridge');
  const { lines, observer } = listen();
  opened(new NetworkWatch(observer));
  await shell('ip link set v0 master br0; ip link set v0 nomaster; ip link del br0');
  await until(() => lines.includes('- link br0'), 'br0 gone');
  assert.not(lines.includes('- link v0'));
});

test('what a channel of ours has changed is not told', async () => {
  const channel = opened(new NetlinkChannel(NETLINK_ROUTE));
  readLinks(channel);
  const { lines, observer } = listen();
  opened(new NetworkWatch(observer, () => channel.port));
  const route: Route = { family: 4, table: 55, destination: 'default', type: 'blackhole', protocol: 111, metric: 0 };
  channel.request(RTM_NEWROUTE, 0x600, encodeRoute(route, littleEndian));
  await shell('ip rule add fwmark 7 lookup 9; ip rule del fwmark 7 lookup 9');
  await until(() => lines.includes('- rule 7'), 'the rule');
  assert.equal(lines, ['+ rule 7', '- rule 7']);
  channel.request(RTM_DELROUTE, 0, encodeRoute(route, littleEndian));
});

test('a flood of routes by others is not received at all', async () => {
  const { lines, observer } = listen();
  opened(new NetworkWatch(observer));
  const routes = Array.from({ length: 20000 }, (_, n) => `route add 10.${n >> 8}.${n & 255}.0/24 dev lo table 77`);
  await runOnLines(['ip', '-batch'], [...routes, 'route flush table 77']);
  await sleep(50);
  assert.equal(lines, []);
});

test('events that find no room are told as lost', async () => {
  const { lines, observer } = listen();
  opened(new NetworkWatch(observer));
  const rules = Array.from({ length: 8000 }, (_, n) => `rule ${n % 2 ? 'del' : 'add'} fwmark ${n >> 1} lookup 9`);
  const done = runOnLines(['ip', '-batch'], [...rules, 'rule add fwmark 4711 lookup 9']);
  // While the loop does not turn, nothing is read.
  const channel = opened(new NetlinkChannel(NETLINK_ROUTE));
  for (const begin = monotonic(); monotonic() < begin + 60_000;) {
    if (readRules(channel, 4).some(({ mark }) => mark === 4711)) break;
  }
  await done;
  await shell('ip rule del fwmark 4711');
  await until(() => lines.includes('lost'), 'lost');
});

test('how quickly an event arrives', async () => {
  const channel = opened(new NetlinkChannel(NETLINK_ROUTE));
  const delays: number[] = [];
  let begin = 0;
  opened(new NetworkWatch({ route: () => void delays.push(monotonic() - begin), lost: () => undefined }));
  const route: Route = { family: 4, table: 55, destination: 'default', type: 'blackhole', protocol: 111, metric: 0 };
  for (let round = 0; round < 50; round++) {
    begin = monotonic();
    channel.request(RTM_NEWROUTE, 0x600, encodeRoute(route, littleEndian));
    await until(() => delays.length === 2 * round + 1, 'told');
    channel.request(RTM_DELROUTE, 0, encodeRoute(route, littleEndian));
    await until(() => delays.length === 2 * round + 2, 'told');
  }
  const sorted = delays.filter((_, index) => index % 2 === 0).sort((a, b) => a - b);
  const median = sorted[25] ?? Infinity;
  console.log(
    `# an event arrives ${median.toFixed(2)} ms after the request began (median), ${sorted[49]?.toFixed(2)} at most`,
  );
  assert.ok(median < 50);
});

test('listening sockets of this router', async () => {
  const listener = new Socket('inet', 'stream');
  listener.bind({ address: '127.0.0.1', port: 8080 });
  listener.listen();
  const datagrams = new Socket('inet6', 'dgram');
  datagrams.bind({ address: '::', port: 5353 });
  assert.equal(readListeners(), [
    { protocol: 'tcp', address: parseAddress('127.0.0.1'), port: 8080 },
    { protocol: 'udp', address: 'any', port: 5353 },
  ]);
  listener.close();
  datagrams.close();
});

test.run();
