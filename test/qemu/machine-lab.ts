import { families, routerAddresses, wanClients, wanHost } from '../lab/addresses.ts';
import type { Namespace } from '../lab/namespace.ts';
import { sweepDeadLabs } from '../lab/namespace.ts';
import { startServers, type ServerPrograms } from '../lab/servers.ts';
import { buildTopology, type Topology, type TopologyOptions } from '../lab/topology.ts';
import { TrafficClient } from '../lab/traffic.ts';
import { Shell } from './console.ts';
import { Machine, type Card } from './machine.ts';

/** Where a machine's cards are plugged in, and what they are called on the wire. */
export const cards = {
  lan: { tap: 'tap-lan', mac: '02:00:00:02:00:01' },
  wan: { tap: 'tap-wan', mac: '02:00:00:01:00:01' },
} as const satisfies Readonly<Record<string, Card>>;

/** The lab's network with a virtual machine for its router, servers' programs running. */
export interface MachineLab extends Omit<Topology, 'router' | 'gateway' | 'guest' | 'tun'> {
  readonly machine: Machine;
  /** Where its cables end. */
  readonly cabinet: Namespace;
  /** The router's shell. */
  readonly shell: Shell;
  readonly programs: readonly ServerPrograms[];
  /** The traffic client of a namespace, started on first use. */
  traffic(namespace: Namespace): TrafficClient;
}

/** What is to be booted, and how long it may take until its shell answers. */
export interface Boot {
  /** QEMU's command line without the console; its cards are plugged into the taps of `cards`. */
  readonly command: readonly string[];
  /** What the console prints before somebody may type. */
  readonly ready: RegExp;
  /** Milliseconds. */
  readonly patience: number;
}

/**
 * Builds the lab's network, boots a machine in the place of its router, runs `body`, and removes everything. The namespace of
 * the router becomes a cabinet of bridges:
 *
 *     wan eth0 ─ wan [cable] tap-wan ═ machine ═ tap-lan [br-lan] lan0…lanN ─ eth0 [lan], [s1]…[sN]
 */
export async function withMachine(
  options: TopologyOptions,
  boot: Boot,
  body: (lab: MachineLab) => Promise<void>,
): Promise<void> {
  sweepDeadLabs();
  const topology = await buildTopology(options);
  let machine: Machine | undefined;
  try {
    await makeCabinet(topology);
    machine = new Machine(topology.router.enter(boot.command));
    const [programs, shell] = await Promise.all([startServers(topology), takeShell(machine, boot)]);
    const clients = new Map<Namespace, TrafficClient>();
    await body({
      ...topology,
      machine,
      cabinet: topology.router,
      shell,
      programs,
      traffic: (namespace) => {
        const client = clients.get(namespace) ?? new TrafficClient(namespace);
        clients.set(namespace, client);
        return client;
      },
    });
  } catch (error) {
    const said = machine ? `\nThe console's last words:\n${machine.console.tail()}` : '';
    if (error instanceof Error) error.stack = `${error.stack ?? error.message}${said}`;
    throw error;
  } finally {
    await machine?.kill();
    await topology.remove();
  }
}

async function takeShell({ console }: Machine, { ready, patience }: Boot): Promise<Shell> {
  await console.expect(ready, patience);
  return Shell.take(console, patience);
}

async function makeCabinet({ router, servers, wan, lan }: Topology): Promise<void> {
  // Whoever routes may advertise itself; the lab's hosts know their router.
  const hosts = [wan, lan, ...servers.map(({ namespace }) => namespace)];
  await Promise.all(hosts.map((host) => host.sysctl({ 'net.ipv6.conf.eth0.accept_ra': 0 })));
  await router.sysctl({ 'net.ipv4.ip_forward': 0, 'net.ipv6.conf.all.disable_ipv6': 1 });
  await router.ip([
    ...['wan', 'br-lan', 'br-guest'].map((device) => `address flush dev ${device}`),
    'link add cable type bridge mcast_snooping 0',
    ...[cards.lan, cards.wan].map(({ tap }) => `tuntap add dev ${tap} mode tap`),
    `link set ${cards.lan.tap} master br-lan up`,
    `link set ${cards.wan.tap} master cable up`,
    'link set wan master cable',
    'link set cable up',
  ]);
}

/** What makes a machine with the devices `wan` and `lan0` the lab's router, for a shell with iproute2. */
export function routerSetup({ options }: Pick<MachineLab, 'options'>): string {
  const length = { 4: 24, 6: 64 };
  const address = (role: 'wan' | 'lan', device: string) =>
    families.map((family) => {
      const text = `${routerAddresses[role][family]}/${length[family]}`;
      return `ip address add ${text} dev ${device}${family === 6 ? ' nodad' : ''}`;
    });
  return [
    'set -e',
    'echo 1 >/proc/sys/net/ipv4/ip_forward',
    'echo 1 >/proc/sys/net/ipv6/conf/all/forwarding',
    `for file in all default; do echo ${options.strictReversePath ? 1 : 0} >/proc/sys/net/ipv4/conf/$file/rp_filter; done`,
    // Link-local addresses that can be used at once.
    'for file in all default; do echo 0 >/proc/sys/net/ipv6/conf/$file/accept_dad; done',
    'for device in wan lan0; do echo 0 >/proc/sys/net/ipv6/conf/$device/accept_dad; done',
    'ip link add br-lan type bridge mcast_snooping 0',
    'ip link set lan0 master br-lan',
    'for device in wan lan0 br-lan; do ip link set $device up; done',
    ...address('wan', 'wan'),
    ...address('lan', 'br-lan'),
    ...families.map((family) => `ip route add ${wanClients[family]} via ${wanHost[family]}`),
  ].join('\n');
}
