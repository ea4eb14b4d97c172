import { args, interfaceIndex, monotonic } from 'oneip:runtime';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ServerWatch } from '../../src/host/server-watch.ts';
import type { Evidence } from '../../src/host/server-watch.ts';
import { addressOf } from './support/address.ts';
import { type Host, addHost, enterNamespace, shell } from './support/namespace.ts';
import { closeOpened, opened } from './support/opened.ts';
import { removeScratch } from './support/script.ts';
import { until } from './support/turns.ts';

// A bridge with two ports and a server behind one of them.

await enterNamespace();
// The kernel tells of carriers at most once a second, but of a veth at once, which it knows by its two ends having different
// numbers (`linkwatch_urgent_event`): here they would have the same.
await shell('ip link add odd type bridge');
test.after(removeScratch);

let server: Host;
let watch: ServerWatch;
let told: Evidence[];

test.before.each(async () => {
  assert.ok(args.length > 0, 'in a namespace of our own');
  server = await addHost('p1');
  const other = await addHost('p2');
  await other.shell('ip address add 10.9.0.3/24 dev eth0');
  await server.shell('ip address add 10.9.0.2/24 dev eth0; ip address add fd09::2/64 dev eth0 nodad');
  await shell(`
    ip link add br0 type bridge mcast_snooping 0 forward_delay 0
    ip link set p1 master br0; ip link set p2 master br0; ip link set br0 up; ip link set lo up
    ip address add 10.9.0.1/24 dev br0; ip address add fd09::1/64 dev br0 nodad
    sysctl -qw net.ipv4.neigh.br0.retrans_time_ms=100 net.ipv6.neigh.br0.retrans_time_ms=100
    ping -c 1 -W 5 10.9.0.2; ping -c 1 -W 5 fd09::2; ping -c 1 -W 5 10.9.0.3`);
  told = [];
  watch = opened(new ServerWatch((evidence) => told.push(evidence)));
});

test.after.each(async () => {
  await closeOpened();
  await shell('ip link del br0 2>/dev/null || true');
});

const device = () => ({ name: 'br0', ifindex: interfaceIndex('br0') });

function follow(...addresses: string[]): void {
  watch.follow(
    addresses.map((text) => ({ server: 's1', address: addressOf(text), device: device(), ghosts: [], mark: 0 })),
  );
}

/** The one thing that has been told since the last call. */
async function next(): Promise<Evidence> {
  await until(() => told.length > 0, 'evidence');
  const [evidence] = told.splice(0, 1);
  assert.ok(evidence);
  return evidence;
}

const link = (down: boolean, reason: string): Evidence => ({
  server: 's1',
  device: 'br0',
  source: 'link',
  down,
  reason,
});

test('a port that loses its carrier, and gets it back', async () => {
  follow('10.9.0.2', 'fd09::2');
  assert.equal(told, []);
  const begin = monotonic();
  await server.shell('ip link set eth0 down');
  const commanded = monotonic();
  assert.equal(await next(), link(true, 'p1 has no carrier'));
  const took = Math.max(monotonic() - commanded, 0);
  console.log(
    `# a cut cable is told ${took.toFixed(1)} ms after the command (which took ${(commanded - begin).toFixed(0)} ms)`,
  );
  assert.ok(took < 50);
  await server.shell('ip link set eth0 up');
  assert.equal(await next(), link(false, 'no longer: p1 has no carrier'));
  assert.equal(told, []);
});

test('a port that is switched off, leaves the bridge, or goes altogether', async () => {
  follow('10.9.0.2');
  await shell('ip link set p1 down');
  assert.equal(await next(), link(true, 'p1 is down'));
  await shell('ip link set p1 up');
  // It may have no carrier for a moment.
  await until(() => told.at(-1)?.down === false, 'the port works');
  told = [];
  await shell('ip link set p1 nomaster');
  assert.equal(await next(), link(true, 'p1 has left br0'));
  await shell('ip link del p1');
  await until(() => told.at(-1)?.reason === 'p1 is gone', 'the port is gone');
  assert.equal(told.at(-1), link(true, 'p1 is gone'));
});

test('a server that is seen behind another port', async () => {
  follow('10.9.0.2');
  await server.plug('p3', 'eth1');
  await shell('ip link set p3 master br0');
  const hardware = (await server.shell('ip -o link show eth0')).match(/link\/ether (\S+)/)?.[1] ?? '';
  await server.shell('ip link set eth0 down');
  assert.equal(await next(), link(true, 'p1 has no carrier'));
  await server.shell(`
    ip address flush dev eth0; ip link set eth1 address ${hardware}
    ip address add 10.9.0.2/24 dev eth1; ping -c 1 -W 5 10.9.0.1`);
  assert.equal(await next(), link(false, 'no longer: p1 has no carrier'));
});

test('the bridge itself', async () => {
  follow('10.9.0.2');
  await shell('ip link set br0 down');
  assert.equal((await next()).reason, 'br0 is down');
  await shell('ip link del br0');
  assert.equal((await next()).reason, 'br0 is gone');
});

for (const address of ['10.9.0.2', 'fd09::2']) {
  test(`a neighbour that does not answer, and answers again: ${address}`, async () => {
    const family = addressOf(address).family;
    await shell(`ip neigh replace ${address} dev br0 nud none managed extern_learn; ping -c 1 -W 5 ${address}`);
    follow(address);
    // It is there, but deaf.
    await server.shell('ip link set eth0 arp off; ip -6 address flush dev eth0; ip address flush dev eth0');
    await shell(`ip neigh replace ${address} dev br0 nud probe extern_learn`);
    const reason = `neighbour ${address} does not answer`;
    const evidence = { server: 's1', device: 'br0', source: 'neighbour', family } as const;
    assert.equal(await next(), { ...evidence, down: true, reason });
    await server.shell(
      `ip link set eth0 arp on; ip address add ${address}/${family === 4 ? '24' : '64 nodad'} dev eth0`,
    );
    await shell(`ping -c 1 -W 5 ${address}`);
    assert.equal(await next(), { ...evidence, down: false, reason: `no longer: ${reason}` });
  });
}

for (const address of ['10.9.0.2', 'fd09::2']) {
  const { family } = addressOf(address);
  const retransmit = (time: number) => shell(`sysctl -qw net.ipv${family}.neigh.br0.retrans_time_ms=${time}`);
  const doubt = () => shell(`ip neigh replace ${address} dev br0 nud probe extern_learn`);

  test(`a burst of requests finds a silent server before the kernel does: ${address}`, async () => {
    await retransmit(1000);
    follow(address);
    await server.shell('ip link set eth0 arp off; ip -6 address flush dev eth0; ip address flush dev eth0');
    await doubt();
    const begin = monotonic();
    const reason = `neighbour ${address} does not answer`;
    const evidence = { server: 's1', device: 'br0', source: 'neighbour', family } as const;
    assert.equal(await next(), { ...evidence, down: true, reason });
    const took = monotonic() - begin;
    assert.ok(took < 2700, `${took.toFixed(0)} ms, where the kernel takes 3 s`);
    assert.match(await shell(`ip neigh show ${address} dev br0`), 'PROBE');
  });

  test(`a doubt that the server settles is none: ${address}`, async () => {
    await retransmit(1000);
    follow(address);
    // It does not hear the kernel's own question, and has another MAC address since.
    await server.shell('ip link set eth0 address 02:00:00:00:77:01');
    await doubt();
    await until(
      async () => /02:00:00:00:77:01 .*REACHABLE/.test(await shell(`ip neigh show ${address}`)),
      'its address',
    );
    assert.equal(told, []);
  });
}

for (const [address, ghost, own] of [
  ['10.9.0.2', '192.0.2.80', '10.9.0.1'],
  ['fd09::2', '2001:db8:80::80', 'fd09::1'],
] as const) {
  test(`a server that says it does not know the ghost: ${ghost}`, async () => {
    const { family } = addressOf(address);
    const ghosts = [addressOf(ghost)];
    watch.follow([{ server: 's1', address: addressOf(address), device: device(), ghosts, mark: 0 }]);
    await server.shell(`
      sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
      ip route add unreachable ${ghost}; ip route add unreachable 2001:db8:99::/64; ip route add unreachable 198.18.0.0/15`);
    await shell(`
      ip route add ${ghost} via ${address}
      ip route add ${family === 4 ? '198.18.0.0/15' : '2001:db8:99::/64'} via ${address}
      ping -c 1 -W 1 -I ${own} ${family === 4 ? '198.18.0.1' : '2001:db8:99::1'} || true`);
    assert.equal(told, [], 'other addresses are none of our business');
    await shell(`ping -c 1 -W 1 -I ${own} ${ghost} || true`);
    const evidence = await next();
    assert.is(evidence.source, 'icmp');
    assert.is(evidence.family, family);
    assert.ok(evidence.down && evidence.reason.startsWith('server says '), evidence.reason);
    assert.equal((await next()).down, false, 'it says so no longer');
  });
}

test('a server that is followed no more is told of no more', async () => {
  follow('10.9.0.2');
  await server.shell('ip link set eth0 down');
  assert.equal((await next()).down, true);
  watch.follow([]);
  await server.shell('ip link set eth0 up');
  await shell('ping -c 10 -i 0.2 -W 5 10.9.0.2');
  assert.equal(told, []);
  follow('10.9.0.2');
  assert.equal(told, []);
  await server.shell('ip link set eth0 down');
  assert.equal(await next(), link(true, 'p1 has no carrier'));
  watch.follow([]);
  follow('10.9.0.2');
  assert.equal(told, [], 'nobody knows any more where it was');
});

test.run();
