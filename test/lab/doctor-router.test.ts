import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ghostPlaces } from './addresses.ts';
import { LabBus } from './bus.ts';
import { examine, planted, type Fault } from './doctor.ts';
import { withLab, type Lab } from './lab.ts';
import { oneipProgram, tool } from './paths.ts';
import { configuration, eventually, figure } from './scenario.ts';
import type { Server } from './topology.ts';
import type { LabSuite } from './suite.ts';
import { labSuite } from './suite.ts';
import { uciSection } from './uci.ts';

const [ghost, ghost6] = [ghostPlaces.lan[4], ghostPlaces.lan[6]];
const full = (globalThis as { ONEIP_FULL?: boolean }).ONEIP_FULL === true;
/** Entries of connection tracking that a test may make: some 100 MB of the kernel's memory. */
const LARGEST_TABLE = 300_000;
const firewall = { mark: 0x6f690000, mask: 0xffff0000 };

function first({ servers }: Lab): Server {
  const [server] = servers;
  if (!server) throw new Error('no server');
  return server;
}

/** Has the doctor mend what is wrong with a server, by the command that was printed for it on the router. */
async function mendServer(lab: Lab, command: string): Promise<void> {
  const words = command.replace(/^oneip /, `${oneipProgram} `);
  await first(lab).namespace.run(['sh', '-ec', `${words} --config ${lab.daemon.configFile}`]);
}

const faults: readonly Fault<Lab>[] = [
  {
    name: 'frames that the bridge passes on go through the firewall',
    plant: ({ router }) =>
      router.sysctl({ 'net.bridge.bridge-nf-call-iptables': 1, 'net.bridge.bridge-nf-call-ip6tables': 1 }),
    finds: ['bridge-netfilter'],
  },
  {
    name: 'a device no longer forwards',
    plant: ({ router }) => router.sysctl({ 'net.ipv4.conf.wan.forwarding': 0 }),
    finds: ['lacking'],
  },
  {
    name: 'IPv6 is not forwarded',
    plant: ({ router }) => router.sysctl({ 'net.ipv6.conf.all.forwarding': 0 }),
    finds: ['forwarding'],
    mend: 'commands',
  },
  {
    name: 'the rule against NAT leakage takes untracked packets for invalid ones',
    plant: ({ router }) =>
      router.nft(`table inet fw4 {
        chain accept_to_wan {
          oifname "wan" ct state invalid,untracked counter drop comment "!fw4: Prevent NAT leakage"
          oifname "wan" counter accept
        }
        chain forward_lan {
          jump accept_to_wan
        }
      }
      insert rule inet fw4 forward iifname "br-lan" jump forward_lan`),
    finds: ['answers-dropped', 'answers-dropped'],
    mend: 'commands',
  },
  {
    name: 'another firewall forwards nothing by default',
    plant: ({ router }) =>
      router.nft(`table inet other {
        chain forward {
          type filter hook forward priority filter + 10; policy drop
          ct state vmap { established : accept, related : accept }
        }
      }`),
    finds: ['answers-dropped', 'answers-dropped', 'requests-dropped', 'requests-dropped'],
    mend: 'commands',
    restore: async ({ router }) => void (await router.run(['nft', 'delete', 'table', 'inet', 'other'])),
  },
  {
    name: 'a list of bans at the device takes the ghost in',
    plant: ({ router }) =>
      router.nft(`table netdev bans {
        chain wan {
          type filter hook ingress device wan priority -500
          ip daddr ${ghost} drop
        }
      }`),
    finds: ['requests-dropped'],
    mend: 'commands',
    restore: async ({ router }) => void (await router.run(['nft', 'delete', 'table', 'netdev', 'bans'])),
  },
  {
    name: 'a server answers ARP for the ghost',
    plant: (lab) => first(lab).namespace.sysctl({ 'net.ipv4.conf.all.arp_ignore': 0 }),
    finds: ['server-answers'],
    mend: mendServer,
  },
  {
    name: 'a server answers neighbour solicitations for the ghost',
    plant: (lab) =>
      first(lab).namespace.ip([`address del ${ghost6}/128 dev lo`, `address add ${ghost6}/128 dev eth0 nodad`]),
    finds: ['server-answers'],
    mend: mendServer,
  },
  {
    name: 'a server has lost its ghosts',
    plant: (lab) => first(lab).namespace.ip([`address del ${ghost}/32 dev lo`, `address del ${ghost6}/128 dev lo`]),
    finds: ['no-answer', 'no-answer'],
    mend: mendServer,
  },
  {
    name: 'somebody else has the ghost',
    plant: ({ lan }) => lan.ip([`address add ${ghost}/32 dev eth0`]),
    finds: ['ghost-claimed'],
    mend: ({ lan }) => lan.ip([`address del ${ghost}/32 dev eth0`]),
  },
  {
    name: 'a server is not there',
    plant: (lab) => first(lab).namespace.ip(['link set eth0 down']),
    finds: ['server-silent', 'server-silent'],
    mend: (lab) =>
      first(lab).namespace.ip([
        'link set eth0 up',
        'address replace fd00:1::11/64 dev eth0 nodad',
        'route replace default via 192.168.1.1',
        'route replace default via fd00:1::1',
      ]),
  },
  {
    name: 'the way to a server is narrower than that of the others',
    plant: (lab) => first(lab).namespace.ip(['link set eth0 mtu 1400']),
    finds: ['path-mtu', 'path-mtu'],
    mend: (lab) => first(lab).namespace.ip(['link set eth0 mtu 1500']),
  },
  {
    name: 'a rule of somebody else comes before those of the slow path',
    plant: ({ router }) =>
      router.ip(['route add default via 203.0.113.2 dev wan table 77', 'rule add pref 500 lookup 77']),
    finds: ['rule-before'],
    mend: ({ router }) => router.ip(['rule del pref 500', 'route flush table 77']),
  },
  {
    name: 'the file is not what is in force',
    plant: (lab) => {
      lab.daemon.configure(`${config(lab)}\n# changed\n`);
      return Promise.resolve();
    },
    finds: ['not-loaded'],
    mend: (lab) => lab.daemon.reload(`${config(lab)}\n# changed\n`),
    restore: (lab) => lab.daemon.reload(config(lab)),
  },
  {
    name: 'what the daemon has made is gone while it stands still',
    plant: async ({ daemon, router }) => {
      daemon.process.signal('SIGSTOP');
      await router.ip([`route del ${ghost}/32 dev br-lan`]);
      await router.run(['nft', 'delete', 'table', 'netdev', 'oneip']);
    },
    finds: ['lacking', 'tables-missing'],
    mend: async ({ daemon, router }) => {
      daemon.process.signal('SIGCONT');
      await eventually('the table', 5000, async () =>
        (await router.run(['nft', 'list', 'tables'])).includes('netdev oneip') ? true : undefined,
      );
    },
  },
  {
    name: 'no daemon runs',
    plant: async ({ daemon }) => void (await daemon.stop()),
    finds: ['not-running'],
    mend: (lab) => lab.daemon.start(config(lab)),
  },
];

function config(lab: Pick<Lab, 'servers' | 'ghosts'>): string {
  return configuration(lab, { web: { options: { port: ['80', '7000'], source: ['wan', 'br-guest'] } } });
}

function argvOf({ daemon }: Lab): string[] {
  return ['--config', daemon.configFile, '--state', daemon.stateFolder, '--ubus', daemon.ubusSocket];
}

const routed: LabSuite = labSuite('doctor on the router', { servers: 2, ghosts: [ghost, ghost6], firewall }, config);

routed.test('a router that is well has nothing', async ({ lab }) => {
  const { status, stdout } = await lab.router.attempt([...examine.program, ...argvOf(lab)]);
  assert.is(stdout, 'router: nothing is wrong\n');
  assert.is(status, 0);
});

for (const fault of faults) {
  routed.test(`${fault.name}: found, mended, and found clean`, async ({ lab }) => {
    await planted(fault, lab, lab.router, lab.daemon.configFile, argvOf(lab).slice(2));
  });
}

routed.test('flow offload that the firewall is told to do is told of, beside the configuration', async ({ lab }) => {
  writeFileSync(join(dirname(lab.daemon.configFile), 'firewall'), "config defaults\n\toption flow_offloading '1'\n");
  const { ids, status, commands } = await examine(lab.router, argvOf(lab));
  assert.equal(ids, ['flow-offload']);
  assert.is(status, 0, 'for information only');
  assert.match(commands[0] ?? '', 'uci set firewall.@defaults[0].flow_offloading=0');
  rmSync(join(dirname(lab.daemon.configFile), 'firewall'));
});

routed.test('a connection-tracking table that is about to be full', async ({ lab }) => {
  if (!full) return figure('the table of connection tracking is filled in the long form only');
  const most = Number(readFileSync('/proc/sys/net/netfilter/nf_conntrack_max', 'utf8'));
  if (most > LARGEST_TABLE) return figure(`connection tracking has room for ${most} entries here: not filled`);
  await lab.router.run([tool('fill-conntrack'), String(Math.ceil(most * 0.96))]);
  const { ids, status, commands } = await examine(lab.router, argvOf(lab));
  assert.equal(ids, ['conntrack-full']);
  assert.is(status, 1);
  assert.equal(commands, [`sysctl -w net.netfilter.nf_conntrack_max=${most * 2}`]);
  // No namespace may raise what is the machine's, and that is said.
  const fixed = await lab.router.attempt([...examine.program, ...argvOf(lab), '--fix']);
  assert.is(fixed.status, 1);
  assert.match(fixed.stdout, /not mended: connection tracking has/);
});

routed.run();

test('what the daemon says of its servers is told, and it is told to make again what the kernel has lost', () =>
  withLab({ servers: 2, ghosts: [ghost, ghost6] }, async (lab) => {
    const { daemon, router } = lab;
    const bus = await LabBus.start(daemon.ubusSocket, {});
    try {
      const watchdog = uciSection('watchdog', 'port', { type: 'tcp', interval: '100ms', timeout: '100ms', fall: 2 });
      await daemon.start(config(lab) + watchdog);
      const look = async () => (await examine(router, argvOf(lab))).ids;
      await eventually('health', 5000, async () => ((await look()).length === 0 ? true : undefined));

      await router.run(['ip', 'neighbour', 'delete', 'proxy', ghost6, 'dev', 'br-lan']);
      assert.equal(await look(), ['lacking']);
      const fixed = await router.attempt([...examine.program, ...argvOf(lab), '--fix']);
      assert.match(fixed.stdout, /mended: .* neigh add proxy/);
      assert.is(fixed.status, 0);
      assert.equal(await look(), []);

      const noticed = daemon.process.waitFor((line) => /web: s1 down/.test(line) || undefined);
      await first(lab).namespace.ip([`address del ${ghost}/32 dev lo`]);
      await noticed;
      const down = await examine(router, argvOf(lab));
      assert.equal(down.ids, ['no-answer', 'server-down'], down.text);
    } finally {
      await bus.stop();
    }
  }));

test('with many servers it is done within seconds, and says whom it does not hear', () =>
  withLab({ servers: 12, ghosts: [ghostPlaces.elsewhere[4]] }, async (lab) => {
    await lab.daemon.start(config(lab));
    for (const { namespace } of lab.servers.slice(0, 3)) await namespace.ip(['link set eth0 down']);
    const begun = performance.now();
    const { ids } = await examine(lab.router, argvOf(lab));
    const seconds = (performance.now() - begun) / 1000;
    assert.equal(ids, ['server-silent', 'server-silent', 'server-silent']);
    figure(`the doctor has looked at a router with 12 servers, of which 3 are silent, in ${seconds.toFixed(1)} s`);
    assert.ok(seconds < 10, `${seconds} s`);
  }));

test.run();
