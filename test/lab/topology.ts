import type { Family } from '../../src/net/address.ts';
import { families, ghostPlaces, serverAddress, serverMac, type Pair } from './addresses.ts';
import { atExit } from './exit.ts';
import { addNamespaces, labFolder, labPrefix, Namespace, removeLab } from './namespace.ts';
import { wireGateway, wireHosts, wireRouter, wireServers, wireTun } from './wiring.ts';
import type { LineProcess } from './process.ts';

/** What a test wants of its network; everything else is as in a home with a wired uplink. */
export interface TopologyOptions {
  /** 1–99; default 4. */
  readonly servers?: number;
  /** Addresses that every server has on `lo`; default: `ghostPlaces.elsewhere`, both families. */
  readonly ghosts?: readonly string[];
  /** True: servers have their own addresses and nothing else; what makes them servers is for the test to do. */
  readonly bareServers?: boolean;
  /** True: the router (a dispatcher) has only its LAN; a gateway of its own joins LAN, guests and WAN. */
  readonly oneArmed?: boolean;
  /** MTU of the WAN link; default 1500. */
  readonly wanMtu?: number;
  /** MTU of the servers' LAN, its bridge and all its hosts; default 1500. */
  readonly lanMtu?: number;
  /** MTU of a second way from the outside, over a device `pppoe-wan` without Ethernet headers; default: none is built. */
  readonly tunMtu?: number;
  /** Strict reverse path filtering (RFC 3704) on every device of the router. */
  readonly strictReversePath?: boolean;
  /** True: hosts hand over TCP segments of up to 64 KiB, as the router sees them after generic receive offload. */
  readonly aggregation?: boolean;
  /** A firewall as OpenWrt's: forwarding from outside dropped but for packets with this mark, invalid ones dropped, LAN masqueraded. */
  readonly firewall?: { readonly mark: number; readonly mask: number };
}

/** One of the servers. */
export interface Server {
  /** `s1` and so on. */
  readonly name: string;
  /** From 1. */
  readonly number: number;
  readonly address: Pair;
  readonly mac: string;
  readonly namespace: Namespace;
  /** Port of the LAN's bridge that leads to it. */
  readonly port: string;
}

/**
 * A network in namespaces of its own:
 *
 *     wan eth0 ─────── wan [router] br-lan (lan1…lanN, lan0) ── eth0 [s1]…[sN], [lan]
 *     tun ppp0 ─ pppoe-wan [router] br-guest (guest1) ───────── eth0 [guest]
 *
 * In the one-armed lab the namespace `gateway` is in the router's place, and the router hangs on its bridge as a host does,
 * by a bridge `br-lan` of its own.
 */
export interface Topology {
  readonly options: TopologyOptions;
  readonly router: Namespace;
  /** Joins WAN and LAN: the router itself, unless one-armed. */
  readonly gateway: Namespace;
  /** Outside; owns `wanHost` and all of `wanClients`. */
  readonly wan: Namespace;
  /** A client in the servers' subnet. */
  readonly lan: Namespace;
  /** A client in another subnet of the gateway. */
  readonly guest: Namespace;
  /** Outside, over a device without Ethernet headers; only with `tunMtu`. */
  readonly tun: Namespace;
  readonly servers: readonly Server[];
  readonly ghosts: readonly string[];
  /** For files of this lab. */
  readonly folder: string;
  /** Ends everything that runs in it and deletes it. Runs by itself when the process ends. */
  remove(): Promise<void>;
}

/** Builds a network and resolves when packets flow. */
export async function buildTopology(options: TopologyOptions = {}): Promise<Topology> {
  const prefix = labPrefix();
  const relays: LineProcess[] = [];
  const disarm = atExit(() => removeLab(prefix));
  const namespace = (role: string) => new Namespace(`${prefix}-${role}`);
  const router = namespace('router');
  const topology: Topology = {
    options,
    router,
    gateway: options.oneArmed ? namespace('gateway') : router,
    wan: namespace('wan'),
    lan: namespace('lan'),
    guest: namespace('guest'),
    tun: options.tunMtu === undefined ? namespace('none') : namespace('tun'),
    servers: Array.from({ length: options.servers ?? 4 }, (_, index) => describeServer(index + 1, namespace)),
    ghosts: options.ghosts ?? families.map((family: Family) => ghostPlaces.elsewhere[family]),
    folder: labFolder(prefix),
    remove: async () => {
      for (const relay of relays) relay.closeInput();
      await Promise.all(relays.map(({ ended }) => ended));
      removeLab(prefix);
      disarm();
    },
  };
  const { gateway, wan, lan, guest, servers } = topology;
  const inUse = [router, gateway, wan, lan, guest, ...servers.map((server) => server.namespace)];
  if (options.tunMtu !== undefined) inUse.push(topology.tun);
  await addNamespaces([...new Set(inUse.map(({ name }) => name))]);
  await wireGateway(topology);
  if (options.oneArmed) await wireRouter(topology);
  if (options.tunMtu !== undefined) relays.push(await wireTun(topology, options.tunMtu));
  await Promise.all([wireHosts(topology), wireServers(topology)]);
  return topology;
}

function describeServer(number: number, namespace: (role: string) => Namespace): Server {
  return {
    name: `s${number}`,
    number,
    address: { 4: serverAddress(4, number), 6: serverAddress(6, number) },
    mac: serverMac(number),
    namespace: namespace(`s${number}`),
    port: `lan${number}`,
  };
}

/** Gives every server an address of its own on `lo`, as `ghosts` does from the start. */
export async function addGhost(topology: Topology, ghost: string): Promise<void> {
  const line = ghostLine(ghost);
  await Promise.all(topology.servers.map(({ namespace }) => namespace.ip([line])));
}

/** The `ip` command that puts a ghost address on a server's `lo`. */
export function ghostLine(ghost: string): string {
  return ghost.includes(':') ? `address add ${ghost}/128 dev lo nodad` : `address add ${ghost}/32 dev lo`;
}
