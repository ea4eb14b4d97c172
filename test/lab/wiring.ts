import type { Family } from '../../src/net/address.ts';
import {
  families,
  guestHost,
  lanHost,
  macs,
  routerAddresses,
  tunClients,
  tunHost,
  wanClients,
  wanHost,
  type Pair,
} from './addresses.ts';
import type { Namespace } from './namespace.ts';
import { tool } from './paths.ts';
import { LineProcess } from './process.ts';
import { ghostLine, type Topology } from './topology.ts';

const lengths: Readonly<Record<Family, number>> = { 4: 24, 6: 64 };

function addressLines(addresses: Pair, device: string): string[] {
  return families.map(
    (family) => `address add ${addresses[family]}/${lengths[family]} dev ${device}${family === 6 ? ' nodad' : ''}`,
  );
}

function defaultRoutes(gateway: Pair): string[] {
  return families.map((family) => `route add default via ${gateway[family]}`);
}

/** Link-local addresses that can be used at once; the kernel leaves detection out only where both settings say so. */
function withoutDad(device: string): Record<string, number> {
  return { 'net.ipv6.conf.all.accept_dad': 0, [`net.ipv6.conf.${device}.accept_dad`]: 0 };
}

/** Settings of a box that routes. They come before its devices, which inherit `default`. */
function routerSettings({ options }: Topology): Record<string, number> {
  const reversePath = options.strictReversePath ? 1 : 0;
  return {
    'net.ipv4.ip_forward': 1,
    'net.ipv6.conf.all.forwarding': 1,
    'net.ipv4.conf.all.rp_filter': reversePath,
    'net.ipv4.conf.default.rp_filter': reversePath,
    ...withoutDad('default'),
    // As on OpenWrt: frames that a bridge forwards are none of the IP hooks' business.
    'net.bridge.bridge-nf-call-iptables': 0,
    'net.bridge.bridge-nf-call-ip6tables': 0,
  };
}

/** The box that joins WAN, LAN and guests: the router, or the gateway in front of a one-armed one. */
export async function wireGateway(topology: Topology): Promise<void> {
  const { gateway, wan, lan, guest, servers, ghosts, options } = topology;
  const lanMtu = options.lanMtu ?? 1500;
  const wanMtu = options.wanMtu ?? 1500;
  const far = (namespace: Namespace, mac: string, mtu: number) =>
    `peer name eth0 address ${mac} mtu ${mtu} netns ${namespace.name}`;
  const bridgeMac = options.oneArmed ? macs.gatewayLan : macs.routerLan;
  const ports = [
    { name: 'lan0', peer: far(lan, macs.lan, lanMtu) },
    ...servers.map(({ port, namespace, mac }) => ({ name: port, peer: far(namespace, mac, lanMtu) })),
  ];
  if (options.oneArmed) {
    ports.push({ name: 'arm', peer: `peer name lan1 mtu ${lanMtu} netns ${topology.router.name}` });
  }
  await gateway.sysctl(routerSettings(topology));
  await gateway.ip([
    'link set lo up',
    `link add wan address ${macs.routerWan} mtu ${wanMtu} type veth ${far(wan, macs.wan, wanMtu)}`,
    `link add br-lan address ${bridgeMac} mtu ${lanMtu} type bridge mcast_snooping 0`,
    `link add br-guest address ${macs.routerGuest} type bridge mcast_snooping 0`,
    ...ports.flatMap(({ name, peer }) => [
      `link add ${name} mtu ${lanMtu} type veth ${peer}`,
      `link set ${name} master br-lan up`,
    ]),
    `link add guest1 type veth ${far(guest, macs.guest, 1500)}`,
    'link set guest1 master br-guest up',
    ...['wan', 'br-lan', 'br-guest'].map((device) => `link set ${device} up`),
    ...addressLines(routerAddresses.wan, 'wan'),
    ...addressLines(routerAddresses.lan, 'br-lan'),
    ...addressLines(routerAddresses.guest, 'br-guest'),
    ...families.map((family) => `route add ${wanClients[family]} via ${wanHost[family]}`),
    ...(options.oneArmed
      ? ghosts.map((ghost) => `route add ${ghost} via ${routerAddresses.arm[ghost.includes(':') ? 6 : 4]}`)
      : []),
  ]);
  await settleOffload(topology, gateway, ['wan', 'lan0', 'guest1', ...servers.map(({ port }) => port)]);
  if (options.firewall) await gateway.nft(firewall(options.firewall));
}

/** The one-armed router: a host on the gateway's LAN that forwards. */
export async function wireRouter(topology: Topology): Promise<void> {
  const { router, options } = topology;
  await router.sysctl(routerSettings(topology));
  await router.ip([
    'link set lo up',
    `link add br-lan address ${macs.routerLan} mtu ${options.lanMtu ?? 1500} type bridge mcast_snooping 0`,
    'link set lan1 master br-lan up',
    'link set br-lan up',
    ...addressLines(routerAddresses.arm, 'br-lan'),
    ...defaultRoutes(routerAddresses.lan),
  ]);
}

/** The clients' namespaces. All addresses of a client prefix are local there, so that thousands of clients cost nothing. */
export async function wireHosts(topology: Topology): Promise<void> {
  await Promise.all([
    wireHost(topology, topology.wan, wanHost, routerAddresses.wan, wanClients),
    wireHost(topology, topology.lan, lanHost, routerAddresses.lan),
    wireHost(topology, topology.guest, guestHost, routerAddresses.guest),
  ]);
}

async function wireHost(topology: Topology, host: Namespace, own: Pair, gateway: Pair, many?: Pair): Promise<void> {
  // Programs that know nothing of IPV6_FREEBIND (curl, ping) may then use any client's address too.
  await host.sysctl({ 'net.ipv6.ip_nonlocal_bind': 1, ...withoutDad('eth0'), ...hostSettings });
  await host.ip([
    'link set lo up',
    'link set eth0 up',
    ...addressLines(own, 'eth0'),
    ...defaultRoutes(gateway),
    ...(many ? families.map((family) => `route add local ${many[family]} dev lo`) : []),
  ]);
  await settleOffload(topology, host, ['eth0']);
}

const hostSettings = {
  'net.ipv4.ip_local_port_range': '10000 65000',
  // A thousand clients in one namespace shall not run into the limits of one.
  'net.ipv4.icmp_ratelimit': 0,
  'net.ipv6.icmp.ratelimit': 0,
};

/** The servers: the ghost on `lo`, and silence about it on the wire, unless they are to be bare. */
export async function wireServers(topology: Topology): Promise<void> {
  await Promise.all(
    topology.servers.map(async ({ namespace, address }) => {
      const ready = topology.options.bareServers !== true;
      await namespace.sysctl({
        ...(ready ? { 'net.ipv4.conf.all.arp_ignore': 1, 'net.ipv4.conf.all.arp_announce': 2 } : {}),
        ...withoutDad('eth0'),
        ...hostSettings,
      });
      await namespace.ip([
        'link set lo up',
        'link set eth0 up',
        ...addressLines(address, 'eth0'),
        ...defaultRoutes(routerAddresses.lan),
        ...(ready ? topology.ghosts.map(ghostLine) : []),
      ]);
      await settleOffload(topology, namespace, ['eth0']);
    }),
  );
}

/** A link without Ethernet headers between the router and a client beyond it. */
export async function wireTun(topology: Topology, mtu: number): Promise<LineProcess> {
  const { router, tun } = topology;
  const file = (namespace: Namespace) => `/run/netns/${namespace.name}`;
  const relay = new LineProcess([tool('tun-relay'), file(router), 'pppoe-wan', file(tun), 'ppp0', String(mtu)]);
  await relay.waitFor((line) => line === 'ready' || undefined);
  await tun.sysctl({ 'net.ipv6.ip_nonlocal_bind': 1, ...hostSettings });
  await router.ip([
    'link set pppoe-wan up',
    ...addressLines(routerAddresses.tun, 'pppoe-wan'),
    ...families.map((family) => `route add ${tunClients[family]} dev pppoe-wan`),
  ]);
  await tun.ip([
    'link set lo up',
    'link set ppp0 up',
    ...addressLines(tunHost, 'ppp0'),
    ...families.map((family) => `route add ${family === 4 ? '0.0.0.0/0' : '::/0'} dev ppp0`),
    ...families.map((family) => `route add local ${tunClients[family]} dev lo`),
  ]);
  return relay;
}

/** A veth pair passes on 64 KiB segments, which no wire does; without them every packet fits its link's MTU. */
async function settleOffload({ options }: Topology, namespace: Namespace, devices: readonly string[]): Promise<void> {
  if (options.aggregation) return;
  const commands = devices.map((device) => `ethtool -K ${device} tso off gso off gro off`);
  await namespace.run(['sh', '-ec', commands.join('\n')]);
}

/** What matters to us of a ruleset by fw4: its default policy, its zones' masquerading, and its dislike of invalid packets. */
function firewall({ mark, mask }: { mark: number; mask: number }): string {
  return `table inet fw4 {
  chain forward {
    type filter hook forward priority filter; policy drop
    meta mark & ${mask} == ${mark} accept
    ct state established,related accept
    iifname { "br-lan", "br-guest" } ct state invalid drop
    iifname { "br-lan", "br-guest" } accept
  }
  chain srcnat {
    type nat hook postrouting priority srcnat
    oifname "wan" meta nfproto ipv4 masquerade
  }
}
`;
}
