import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ghostPlaces } from './addresses.ts';
import { examine, planted, type Fault } from './doctor.ts';
import { withLab, type Lab } from './lab.ts';
import type { Namespace } from './namespace.ts';
import { tool } from './paths.ts';
import { configuration, eventually, figure } from './scenario.ts';
import type { Server } from './topology.ts';

const [ghost, ghost6] = [ghostPlaces.lan[4], ghostPlaces.lan[6]];

/** A second device with a default route of its own, as where a provider or a management network gives one. */
const secondWay = [
  'link add eth1 type veth peer name beyond',
  'link set eth1 up',
  'link set beyond up',
  'address add 10.9.9.2/24 dev eth1',
  'route add default via 192.168.1.1 dev eth0 metric 100',
  'route del default via 192.168.1.1 dev eth0 metric 0',
  'route add default via 10.9.9.1 dev eth1',
];
const oneWay = ['link del eth1', 'route add default via 192.168.1.1', 'route del default metric 100'];

const faults: readonly Fault<Server>[] = [
  {
    name: 'the ghosts are missing',
    plant: ({ namespace }) => namespace.ip([`address del ${ghost}/32 dev lo`, `address del ${ghost6}/128 dev lo`]),
    finds: ['ghost-missing', 'ghost-missing'],
  },
  {
    name: 'the ghosts are on the device of the network',
    plant: ({ namespace }) =>
      namespace.ip([
        `address del ${ghost}/32 dev lo`,
        `address add ${ghost}/32 dev eth0`,
        `address del ${ghost6}/128 dev lo`,
        `address add ${ghost6}/128 dev eth0 nodad`,
      ]),
    finds: ['ghost-device', 'ghost-device'],
  },
  {
    name: 'the ghosts have the mask of a network',
    plant: ({ namespace }) =>
      namespace.ip([
        `address del ${ghost}/32 dev lo`,
        `address add ${ghost}/28 dev lo`,
        `address del ${ghost6}/128 dev lo`,
        `address add ${ghost6}/64 dev lo metric 2000`,
      ]),
    finds: ['ghost-prefix', 'ghost-prefix'],
  },
  {
    name: 'the machine answers and asks for the ghost by ARP',
    plant: ({ namespace }) =>
      namespace.sysctl({ 'net.ipv4.conf.all.arp_ignore': 0, 'net.ipv4.conf.all.arp_announce': 0 }),
    finds: ['arp-announce', 'arp-ignore'],
  },
  {
    name: 'one device answers ARP whatever all of them do',
    plant: ({ namespace }) => namespace.sysctl({ 'net.ipv4.conf.eth0.arp_ignore': 3 }),
    finds: ['arp-ignore'],
    restore: ({ namespace }) => namespace.sysctl({ 'net.ipv4.conf.eth0.arp_ignore': 0 }),
  },
  {
    name: 'the default route of IPv6 is missing',
    plant: ({ namespace }) => namespace.ip(['route del default via fd00:1::1']),
    finds: ['no-route'],
  },
  {
    name: 'answers leave by another device, and requests are dropped for that',
    plant: async ({ namespace }) => {
      await namespace.ip(secondWay);
      await namespace.sysctl({ 'net.ipv4.conf.eth0.rp_filter': 1 });
    },
    finds: ['rp-filter', 'wrong-route'],
    restore: async ({ namespace }) => {
      await namespace.ip([...oneWay, `rule del from ${ghost}`]);
      await namespace.sysctl({ 'net.ipv4.conf.eth0.rp_filter': 0 });
    },
  },
  {
    name: 'the way to the router is narrower than the device',
    plant: ({ namespace }) => namespace.ip(['link set eth0 mtu 9000']),
    finds: ['path-mtu', 'path-mtu'],
  },
  {
    name: 'the firewall drops by default',
    plant: ({ namespace }) =>
      namespace.nft(`table inet filter {
        chain input {
          type filter hook input priority filter; policy drop
          ct state established,related accept
          iifname lo accept
          meta l4proto { icmp, ipv6-icmp } accept
          tcp dport { 22, 80 } accept
        }
      }`),
    finds: ['firewall', 'firewall'],
    mend: 'commands',
    restore: async ({ namespace }) => void (await namespace.run(['nft', 'delete', 'table', 'inet', 'filter'])),
  },
  {
    name: 'the firewall drops by a rule in a chain that others jump to',
    plant: ({ namespace }) =>
      namespace.nft(`table ip filter {
        chain web {
          ip daddr ${ghost} tcp dport 1-1023 reject
        }
        chain input {
          type filter hook input priority filter
          iifname "eth*" meta l4proto tcp jump web
        }
      }`),
    finds: ['firewall'],
    mend: 'commands',
    restore: async ({ namespace }) => void (await namespace.run(['nft', 'delete', 'table', 'ip', 'filter'])),
  },
  {
    name: 'connections that began elsewhere are dropped as invalid',
    plant: async ({ namespace }) => {
      await namespace.nft(`table inet filter {
        chain input {
          type filter hook input priority filter
          ct state invalid drop
        }
      }`);
      await namespace.sysctl({ 'net.netfilter.nf_conntrack_tcp_loose': 0 });
    },
    finds: ['invalid-dropped'],
    restore: async ({ namespace }) => void (await namespace.run(['nft', 'delete', 'table', 'inet', 'filter'])),
  },
];

const tests = suite<{ lab: Lab; file: string }>('doctor on a server');
let finish: () => void = () => undefined;
let ended: Promise<void> = Promise.resolve();

tests.before(
  (context) =>
    new Promise<void>((resolve, reject) => {
      ended = withLab({ servers: 2, ghosts: [ghost, ghost6] }, async (lab) => {
        const file = join(lab.folder, 'oneip');
        writeFileSync(file, configuration(lab, { web: { options: { port: ['80', '7000'] } } }));
        Object.assign(context, { lab, file });
        resolve();
        await new Promise<void>((done) => (finish = done));
      });
      ended.catch(reject);
    }),
);
tests.after(async () => {
  finish();
  await ended;
});

tests('a server that is well has nothing, and is known by its address', async ({ lab, file }) => {
  for (const { name, namespace } of lab.servers) {
    const { status, stdout } = await namespace.attempt([...examine.program, '--config', file]);
    assert.is(stdout, `server '${name}': nothing is wrong\n`);
    assert.is(status, 0);
  }
});

for (const fault of faults) {
  tests(`${fault.name}: found, mended, and found clean`, async ({ lab, file }) => {
    const [server] = lab.servers;
    assert.ok(server);
    await planted(fault, server, server.namespace, file);
  });
}

/** Has a server take an address that another host of its network has, and waits until its kernel knows. */
async function duplicate({ namespace }: Server, other: Namespace, address: string): Promise<void> {
  await other.ip([`address add ${address} dev eth0 nodad`]);
  await namespace.sysctl({ 'net.ipv6.conf.eth0.accept_dad': 1 });
  await namespace.ip([`address add ${address} dev eth0`]);
  await eventually('the kernel to find the address in use', 5000, async () => {
    const listed = await namespace.run(['ip', '-6', 'address', 'show', 'dev', 'eth0', 'dadfailed']);
    return listed.includes(address) ? true : undefined;
  });
}

tests('a ghost on the device of the network, where somebody else has it already', async ({ lab, file }) => {
  const [server] = lab.servers;
  assert.ok(server);
  await server.namespace.ip([`address del ${ghost6}/128 dev lo`]);
  await duplicate(server, lab.lan, `${ghost6}/128`);
  const { ids, text } = await examine(server.namespace, ['--config', file]);
  assert.equal(ids, ['ghost-device'], text);
  assert.match(text, 'is on eth0 instead of lo, where somebody else has it too (dadfailed)');
  const fixed = await server.namespace.attempt([...examine.program, '--config', file, '--fix']);
  assert.is(fixed.status, 0, fixed.stdout);
  await lab.lan.ip([`address del ${ghost6}/128 dev eth0`]);
});

tests("a server's own address that somebody else has already", async ({ lab, file }) => {
  const [server] = lab.servers;
  assert.ok(server);
  const own = `${server.address[6]}/64`;
  // So that its network stays, and with it the way to the router.
  await server.namespace.ip(['address add fd00:1::99/64 dev eth0 nodad', `address del ${own} dev eth0`]);
  await duplicate(server, lab.lan, own);
  const { ids, text } = await examine(server.namespace, ['--config', file]);
  assert.equal(ids, ['own-address'], text);
  await lab.lan.ip([`address del ${own} dev eth0`]);
  await server.namespace.ip([`address del ${own} dev eth0`, `address add ${own} dev eth0 nodad`]);
  await server.namespace.ip(['address del fd00:1::99/64 dev eth0']);
  assert.equal((await examine(server.namespace, ['--config', file])).ids, []);
});

tests('a port where nobody waits, a program at another address, and one at the right one', async ({ lab, file }) => {
  const [server] = lab.servers;
  assert.ok(server);
  const other = `${file}.8080`;
  writeFileSync(other, configuration(lab, { web: { options: { port: ['8080'], proto: 'tcp' } } }));
  const look = async () => (await examine(server.namespace, ['--config', other])).ids;
  assert.equal(await look(), ['not-listening', 'not-listening']);
  for (const [address, expected] of [
    [server.address[4], ['bound-elsewhere', 'bound-elsewhere']],
    ['0.0.0.0', ['bound-elsewhere']],
    ['::', []],
  ] as const) {
    const program = `require('net').createServer().listen(8080, '${address}', () => console.log('ready'))`;
    const listener = server.namespace.start([process.execPath, '-e', program]);
    await listener.waitFor((line) => line === 'ready' || undefined);
    assert.equal(await look(), expected, address);
    await listener.stop('SIGKILL');
  }
});

tests('a clock that is not that of the router', async ({ lab, file }) => {
  const [server] = lab.servers;
  assert.ok(server);
  await lab.router.nft(`table ip clock {
    chain output { type filter hook output priority 0; icmp type timestamp-reply @th,96,32 set 0; }
  }`);
  const { ids, status } = await examine(server.namespace, ['--config', file]);
  assert.equal(ids, ['clock']);
  assert.is(status, 0, 'for information only');
  await lab.router.run(['nft', 'delete', 'table', 'ip', 'clock']);
});

tests('who does not exist, what cannot be read, and who may not ask', async ({ lab, file }) => {
  const [server] = lab.servers;
  assert.ok(server);
  const unknown = await server.namespace.attempt([...examine.program, '--config', file, '--name', 's9']);
  assert.is(unknown.status, 2);
  assert.match(unknown.stderr, "no server of a service has the name 's9'");
  const missing = await server.namespace.attempt([...examine.program, '--config', `${file}.none`]);
  assert.is(missing.status, 2);
  assert.match(missing.stderr, 'cannot read');
  const nobody = ['setpriv', '--reuid=65534', '--clear-groups', ...examine.program, '--config', file];
  const outsider = await server.namespace.attempt(nobody);
  assert.is(outsider.status, 2);
  assert.match(outsider.stderr, 'only root');
});

tests('rules that nft does not know are said not to be known', async ({ lab, file }) => {
  const [server] = lab.servers;
  assert.ok(server);
  const { status } = await server.namespace.attempt([tool('legacy-table'), 'filter']);
  if (status === 77) return figure('this kernel has no tables of the old iptables');
  assert.is(status, 0);
  const { stdout } = await server.namespace.attempt([...examine.program, '--config', file]);
  assert.match(stdout, 'not known: what the rules of iptables-legacy do was not looked at (ip filter)');
});

tests.run();
