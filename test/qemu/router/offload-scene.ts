import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { families, ghostPlaces, wanClient, type Pair } from '../../lab/addresses.ts';
import { configuration, eventually, figure, Oracle } from '../../lab/scenario.ts';
import { echoPort, echoRange } from '../../lab/servers.ts';
import { TrafficLoad, clock } from '../../lab/traffic-load.ts';
import { uciSection } from '../../lab/uci.ts';
import { startBus } from '../bus.ts';
import { addressPattern, countTracked } from '../conntrack-table.ts';
import { START } from '../daemon.ts';
import { buildImage } from '../image.ts';
import { cards, routerSetup, type MachineLab } from '../machine-lab.ts';
import { stockMachine } from '../machine.ts';
import { dependencies, modulesOf } from '../modules.ts';
import { machineSuite } from '../suite.ts';

// A router whose firewall has the kernel forward known connections past it: `flow_offloading '1'`. The lab's own kernel may
// have no flow tables.

const root = process.env['ONEIP_ROOT'] ?? '.';
const recipe = readFileSync(join(root, 'openwrt-feed/oneip/Makefile'), 'utf8');

/** Ghost of the service that is routed; those of the others, which are translated, have their services' names. */
export const routed = ghostPlaces.elsewhere;
export const own = ghostPlaces.router;
export const hashed = { 4: '192.0.2.81', 6: '2001:db8:80::81' };
export const turns = { 4: '192.0.2.82', 6: '2001:db8:80::82' };
export const covered = { 4: '192.0.2.83', 6: '2001:db8:80::83' };
/** A port of the router's own address that its firewall forwards to the first server. */
export const forwardedPort = echoRange.first;
const weights = { s1: 200, s2: 100, s3: 100, s4: 100 };

/** As fw4 makes it of `flow_offloading '1'`, a masquerading WAN and a port forward; the rest of fw4's rules is left out. */
const firewall = `table inet fw4 {
  flowtable ft {
    hook ingress priority 0
    devices = { "br-lan", "wan" }
    counter
  }
  counter forwarded { }
  chain forward {
    type filter hook forward priority filter; policy drop
    counter name forwarded
    meta l4proto { tcp, udp } flow offload @ft
    meta mark & 0xffff0000 == 0x6f690000 accept
    ct state vmap { established : accept, related : accept, invalid : drop }
    ct status dnat tcp dport ${forwardedPort} accept
    iifname "br-lan" accept
  }
  chain dstnat {
    type nat hook prerouting priority dstnat
    ip daddr ${own[4]} tcp dport ${forwardedPort} dnat ip to 192.168.1.11
    ip6 daddr ${own[6]} tcp dport ${forwardedPort} dnat ip6 to fd00:1::11
  }
  chain srcnat {
    type nat hook postrouting priority srcnat
    oifname "wan" meta nfproto ipv4 masquerade
  }
}
`;

/** A machine with the firewall and the daemon running. */
export interface Scene {
  readonly lab: MachineLab;
  readonly oracle: Oracle;
}

/** With a service in the place of the port forward, where `late` is its dispatch. */
export function configured(lab: MachineLab, late?: string): string {
  const pair = (ghost: Pair) => families.map((family) => ghost[family]);
  const translated = { dispatch: 'nat', source: ['wan'], port: ['80', String(echoPort)] };
  const last = { dispatch: late, source: ['wan'], port: String(forwardedPort) };
  return [
    configuration(
      lab,
      {
        web: { ghost: pair(hashed), options: translated },
        turns: { ghost: pair(turns), options: { ...translated, scheduler: 'round_robin' } },
        covered: { ghost: pair(covered), options: { ...translated, masquerade: '1' } },
        routed: { ghost: pair(routed), options: { ...translated, dispatch: 'route' } },
        ...(late === undefined ? {} : { late: { ghost: pair(own), options: last } }),
      },
      weights,
    ),
    // The machine may stand still for seconds, in which answers are late.
    uciSection('watchdog', 'alive', { type: 'tcp', interval: '1s', fall: 6, half_life: '0s' }),
  ].join('');
}

async function boot() {
  const image = await buildImage({
    name: 'offload',
    script: 'router.sh',
    modules: [
      ...['virtio_pci', 'virtio_net', 'bridge', ...modulesOf(dependencies(recipe, 'oneip'))],
      // Of kmod-nft-offload, on which fw4 depends.
      ...['nf_flow_table_inet', 'nft_flow_offload'],
    ],
  });
  return { command: stockMachine(image, [cards.lan, cards.wan]), ready: /guest: a shell follows/, patience: 120_000 };
}

/** A suite of one machine; `START` has run in it. */
export const { test, run } = machineSuite(
  'offload',
  { servers: 4, ghosts: [routed[4], routed[6], own[4], own[6]] },
  boot,
  async (lab): Promise<Scene> => {
    const { shell } = lab;
    figure(`Linux ${await shell.run('uname -r')} in the machine`);
    await shell.run(routerSetup(lab));
    await shell.write('/etc/fw4.nft', firewall);
    await shell.run('nft -f /etc/fw4.nft');
    // With as little memory there is room for 4096 connections, and those that have ended stay for minutes.
    await shell.run('echo 65536 >/proc/sys/net/netfilter/nf_conntrack_max');
    await startBus(lab);
    const text = configured(lab);
    await shell.write('/etc/config/oneip', text);
    await shell.run(START, 120_000);
    return { lab, oracle: new Oracle(text) };
  },
);

/** Packets that the firewall's forward chain has seen. */
export async function seenByFirewall({ shell }: MachineLab): Promise<number> {
  const listed = await shell.run('nft list counter inet fw4 forwarded');
  return Number(/packets (\d+)/.exec(listed)?.[1]);
}

/** Milliseconds between two questions of a connection. */
const period = 400;

let rounds = 0;

/**
 * Connections from clients that had none before, `each` of both families and protocols to two services, once all of them are
 * forwarded past the firewall. `patience`: milliseconds without an answer after which one has broken.
 */
export async function holdAll(lab: MachineLab, each: number, patience: number): Promise<TrafficLoad> {
  const load = new TrafficLoad(lab.wan, patience);
  const round = ++rounds;
  for (let number = 0; number < each; number++) {
    for (const family of families) {
      for (const protocol of ['tcp', 'udp'] as const) {
        for (const ghost of [hashed, turns]) {
          const source = wanClient(family, (round << 8) + number);
          load.hold({ protocol, source, destination: ghost[family], port: echoPort, period });
        }
      }
    }
  }
  await load.allOpen(60_000);
  const clients = families.map((family) => addressPattern(wanClient(family, round << 8), family === 4 ? 3 : 7));
  await eventually('offload of all connections', 60_000, async () => {
    const count = await countTracked(
      lab.shell,
      'OFFLOAD',
      ` src=(${clients.join('|')})[^ ]* dst=.* dport=${echoPort} src=`,
    );
    return count === load.held.size || undefined;
  });
  return load;
}

/** Resolves when something has broken, or every flow has been asked again and again for so many milliseconds. */
export async function goesOn(load: TrafficLoad, duration = 4 * period): Promise<void> {
  const since = clock();
  const broken = load.breaks.length;
  load.stream([{ source: wanClient(4, 99), destination: hashed[4], port: echoPort }], 10);
  const isOver = () => load.breaks.length > broken || clock() > since + duration;
  await load.until('a while of answers', duration + 20_000, isOver);
  load.stream([], 0);
}
