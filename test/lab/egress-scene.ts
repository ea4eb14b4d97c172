import { wanClient, ghostPlaces, families } from './addresses.ts';
import type { Family } from '../../src/net/address.ts';
import type { Lab } from './lab.ts';
import type { Oracle } from './scenario.ts';
import { eventually } from './scenario.ts';
import { echoPort } from './servers.ts';
import type { Server } from './topology.ts';
import type { TrafficLoad } from './traffic-load.ts';

const ghost = ghostPlaces.elsewhere;

/** A client of the server. */
export function clientOf(oracle: Oracle, server: string, family: Family): string {
  for (let number = 1; ; number++) {
    const client = wanClient(family, number);
    if (oracle.server('web', client) === server) return client;
  }
}

/** Device by which the fast path hands a server its packets, by family. */
export async function egressOf({ router }: Lab, { name }: Server): Promise<Readonly<Record<Family, string>>> {
  const { nftables } = JSON.parse(
    await router.run(['nft', '-j', 'list', 'chain', 'netdev', 'oneip', `web/to/${name}`]),
  ) as { nftables: { rule?: { expr: { fwd?: { dev: string; family: string } }[] } }[] };
  const forwards = nftables.flatMap(({ rule }) => rule?.expr.flatMap(({ fwd }) => fwd ?? []) ?? []);
  const by = (family: string) => forwards.find((fwd) => fwd.family === family)?.dev ?? 'nothing';
  return { 4: by('ip'), 6: by('ip6') };
}

/** Resolves when packets of both families leave for the server by this device; with the milliseconds that took. */
export async function leavesBy(lab: Lab, server: Server, device: string, timeout = 5_000): Promise<number> {
  const { milliseconds } = await eventually(`${server.name} by ${device}`, timeout, async () => {
    const now = await egressOf(lab, server);
    return (now[4] === device && now[6] === device) || undefined;
  });
  return milliseconds;
}

/** Lines of `ip neighbour` about entries of ours that never change, on bridges' ports or elsewhere. */
export async function fixedNeighbours({ router }: Lab): Promise<string[]> {
  const listed = await router.run(['ip', '-d', 'neighbour', 'show', 'nud', 'permanent']);
  return listed
    .split('\n')
    .filter((line) => /PERMANENT.* proto 111/.test(line))
    .map((line) => line.trim())
    .sort();
}

/** Has clients of a server ask it all the time, over TCP and UDP, and of both families. Returns the numbers of the flows. */
export function keepAsking(load: TrafficLoad, oracle: Oracle, server: Server): number[] {
  return families.flatMap((family) =>
    (['tcp', 'udp'] as const).map((protocol) =>
      load.hold({
        protocol,
        source: clientOf(oracle, server.name, family),
        destination: ghost[family],
        port: echoPort,
        period: 20,
      }),
    ),
  );
}

/** Frames that a device of the router has sent. */
export async function sentBy({ router }: Lab, device: string): Promise<number> {
  const [link] = JSON.parse(await router.run(['ip', '-j', '-s', 'link', 'show', 'dev', device])) as {
    stats64: { tx: { packets: number } };
  }[];
  return link?.stats64.tx.packets ?? 0;
}

/**
 * Puts a switch between a server and the router's bridge, and leads two cables from it to ports `NAMEa` and `NAMEb` there.
 * Only the first one is plugged into the switch.
 */
export function behindSwitch(server: Server, name: string): string[] {
  return [...newSwitch(server, name), ...cables(name, 'br-lan up', 'up'), `link set ${name}a0 master ${name}`];
}

/** What makes a bond of which one cable is in use. */
export const BOND = ['mode', 'active-backup', 'miimon', '50'];

/** The same with both cables in the bond `NAMEbond`, which is there already, as the port. */
export function behindBond(server: Server, name: string): string[] {
  return [
    ...newSwitch(server, name),
    ...cables(name, `${name}bond`, `master ${name} up`),
    `link set ${name}bond master br-lan up`,
  ];
}

function newSwitch({ port }: Server, name: string): string[] {
  return [
    `link set ${port} nomaster`,
    `link add ${name} type bridge mcast_snooping 0`,
    `link set ${port} master ${name}`,
    `link set ${name} up`,
  ];
}

/** Two cables: what their router's ends get as master, and what is done to the ends at the switch. */
function cables(name: string, master: string, atSwitch: string): string[] {
  return ['a', 'b'].flatMap((end) => [
    `link add ${name}${end} type veth peer name ${name}${end}0`,
    `link set ${name}${end} master ${master}`,
    `link set ${name}${end}0 ${atSwitch}`,
  ]);
}
