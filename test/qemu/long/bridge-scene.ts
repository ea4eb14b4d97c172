import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import type { Family } from '../../../src/net/address.ts';
import { MISTRUST } from '../../../src/egress/follower.ts';
import { families, ghostPlaces, type Pair } from '../../lab/addresses.ts';
import { BOND, behindBond } from '../../lab/egress-scene.ts';
import { configuration, eventually, figure, Oracle } from '../../lab/scenario.ts';
import { echoPort } from '../../lab/servers.ts';
import type { Server } from '../../lab/topology.ts';
import { startBus } from '../bus.ts';
import { START } from '../daemon.ts';
import { buildImage } from '../image.ts';
import { cards, routerSetup, type MachineLab } from '../machine-lab.ts';
import { stockMachine } from '../machine.ts';
import { dependencies, modulesOf } from '../modules.ts';
import { machineSuite } from '../suite.ts';

// A router whose servers are behind bonds, and behind a bridge that filters VLANs, neither of which the lab's own kernel needs
// to have. The other ends of the router's cables are bridges in the same machine:
//
//     br-lan ── lan0 ─ s1
//            ── tag ── tag0, or tag0.10 [far] lan1 ─ s2
//            ── bdbond (bda, bdb) ── [bd] lan2 ─ s3
//               dvbond (dva, dvb) ── [dv] lan3 ─ s4

const root = process.env['ONEIP_ROOT'] ?? '.';
const recipe = readFileSync(join(root, 'openwrt-feed/oneip/Makefile'), 'utf8');
/** Ghost of `web`, whose servers are on the bridge. */
export const ghost = ghostPlaces.elsewhere;
/** Ghost of `apart`, whose server is behind a bond of its own. */
export const ghostApart = { 4: '192.0.2.81', 6: '2001:db8:80::81' };
/** Network of the bond that is a device of its own. */
const apart = { router: { 4: '192.168.7.1', 6: 'fd00:7::1' }, server: { 4: '192.168.7.14', 6: 'fd00:7::14' } };
/** Of prefixes. */
export const length = { 4: 24, 6: 64 } as const;

/** Cards of the LAN beside the first, each for one server. */
const further = [1, 2, 3].map((number) => ({ tap: `tap-lan${number}`, mac: `02:00:00:02:00:0${number + 1}` }));

/** A machine with its cables in place, and the daemon running. */
export interface Scene {
  readonly lab: MachineLab;
  readonly oracle: Oracle;
}

async function boot() {
  const image = await buildImage({
    name: 'bridge',
    script: 'router.sh',
    modules: [
      ...['virtio_pci', 'virtio_net', 'bridge', 'veth', '8021q', 'bonding'],
      ...modulesOf(dependencies(recipe, 'oneip')),
    ],
    programs: ['/usr/sbin/bridge'],
  });
  return {
    command: stockMachine(image, [cards.lan, cards.wan, ...further]),
    ready: /guest: a shell follows/,
    patience: 120_000,
  };
}

/** `device`: that of the bridge, or of a VLAN on it. */
export function configured(lab: MachineLab, device = 'br-lan'): string {
  const servers = lab.servers.map((server) => (server.number === 4 ? { ...server, address: apart.server } : server));
  const pair = (addresses: Pair) => families.map((family) => addresses[family]);
  const options = { source: ['wan', device], port: String(echoPort) };
  return configuration(
    { ...lab, servers },
    {
      web: { ghost: pair(ghost), servers: ['s1', 's2', 's3'], options: { ...options, device } },
      apart: { ghost: pair(ghostApart), servers: ['s4'], options: { ...options, device: 'dvbond' } },
    },
  );
}

/** Lines of `ip` that put the cables in place. */
function wiring([, , bonded, device]: readonly Server[]): string[] {
  assert.ok(bonded && device);
  return [
    'link add far type bridge mcast_snooping 0',
    'link add tag type veth peer name tag0',
    'link add link tag0 name tag0.10 type vlan id 10',
    'link set lan1 master far',
    'link set tag0 master far',
    'link set tag master br-lan',
    ...['far', 'lan1', 'lan2', 'lan3', 'tag', 'tag0', 'tag0.10'].map((name) => `link set ${name} up`),
    ...['bd', 'dv'].map((name) => `link add ${name}bond type bond ${BOND.join(' ')}`),
    ...behindBond({ ...bonded, port: 'lan2' }, 'bd'),
    ...behindBond({ ...device, port: 'lan3' }, 'dv'),
    'link set dvbond nomaster',
    ...families.map((family) => `address add ${apart.router[family]}/${length[family]} dev dvbond`),
  ];
}

/** A suite of one machine. */
export const { test, run } = machineSuite(
  'bridge',
  { servers: 4, ghosts: [ghost[4], ghost[6], ghostApart[4], ghostApart[6]] },
  boot,
  async (lab): Promise<Scene> => {
    const { shell, cabinet } = lab;
    await cabinet.ip(
      further.flatMap(({ tap }, index) => {
        const { port } = lab.servers[index + 1] as Server;
        return [
          `link set ${port} nomaster`,
          `link add cable${index} type bridge mcast_snooping 0`,
          ...[tap, port].map((name) => `link set ${name} master cable${index} up`),
          `link set cable${index} up`,
        ];
      }),
    );
    const last = lab.servers[3];
    await last?.namespace.ip(
      families.flatMap((family) => [
        `address add ${apart.server[family]}/${length[family]} dev eth0${family === 6 ? ' nodad' : ''}`,
        `route replace default via ${apart.router[family]}`,
      ]),
    );
    figure(`Linux ${await shell.run('uname -r')} in the machine`);
    await shell.run(routerSetup(lab));
    await shell.write(
      '/tmp/wiring',
      wiring(lab.servers)
        .map((line) => `${line}\n`)
        .join(''),
    );
    await shell.run('ip -batch /tmp/wiring');
    await startBus(lab);
    const text = configured(lab);
    await shell.write('/etc/config/oneip', text);
    await shell.run(START, 120_000);
    return { lab, oracle: new Oracle(text) };
  },
);

/** Devices by which the fast path hands a server its packets, by family. */
export async function leavesBy(
  { shell }: MachineLab,
  server: string,
  service = 'web',
): Promise<Record<Family, string>> {
  const listed = await shell.run(`nft list chain netdev oneip ${service}/to/${server}`);
  const by = (word: string) => new RegExp(`fwd ${word} to \\S+ device "([^"]+)"`).exec(listed)?.[1] ?? 'nothing';
  return { 4: by('ip'), 6: by('ip6') };
}

/** Resolves when both families leave for a server of `web` by this device. */
export async function untilLeavesBy(lab: MachineLab, server: string, device: string): Promise<void> {
  await eventually(`${server} by ${device}`, MISTRUST + 30_000, async () => {
    const now = await leavesBy(lab, server);
    return (now[4] === device && now[6] === device) || undefined;
  });
}

/** Frames that a device of the router has sent, or received. */
export async function frames({ shell }: MachineLab, device: string, direction: 'tx' | 'rx'): Promise<number> {
  return Number(await shell.run(`cat /sys/class/net/${device}/statistics/${direction}_packets`));
}
