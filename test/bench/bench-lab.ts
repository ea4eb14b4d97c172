import { addNamespaces, labFolder, labPrefix, Namespace, removeLab } from '../lab/namespace.ts';
import { atExit } from '../lab/exit.ts';
import { tool } from '../lab/paths.ts';
import type { LineProcess } from '../lab/process.ts';
import { conntrackTable } from './conntrack-table.ts';
import type { Family } from '../../src/net/address.ts';

/** Where the packets go; no server has it, as the sinks take everything before the stack sees it. */
export const ghost: Readonly<Record<Family, string>> = { 4: '192.0.2.80', 6: '2001:db8:80::80' };
/** An address of no service, routed through the router as anybody's is. */
export const bystander: Readonly<Record<Family, string>> = { 4: '192.0.2.99', 6: '2001:db8:99::99' };
/** Of the servers' IPv4 network, in which all of them have room. */
const prefixLength = 22;
/** The router's way to everybody else. */
const upstream: Readonly<Record<Family, string>> = { 4: '203.0.113.2', 6: '2001:db8::2' };
export const port = 9000;
/** Clients that a lab has unless told otherwise; also the most. */
export const mostClients = 100_000;
/** Each behind a port of one bridge. */
export const mostServers = 256;
/** Bytes of Ethernet's shortest frame, with its check sequence. */
export const shortestFrame = 64;
const firstClient: Readonly<Record<Family, string>> = { 4: '198.18.0.1', 6: '2001:db8:4000::1' };
const routerMac = '02:00:00:00:00:01';
const upstreamMac = '02:00:00:00:00:02';
/** With which `bench-sender` ends where the kernel does not offer a way of sending. */
const notOffered = 3;

/** Ways to send; see `sender.c`. */
export const senders = ['xdp', 'raw'] as const;
export type Sender = (typeof senders)[number];

/** The kernel does not let us send so. */
export class SenderNotOffered extends Error {}

/** What a burst is made of. */
export interface Load {
  /** As many of the lab's, from the first on. */
  readonly clients: number;
  /** Bytes of a frame on the wire, with its check sequence; 64–1518. IPv6 makes 66 of 64. */
  readonly size: number;
}

/** What a lab is built for. */
export interface LabOptions {
  /** Behind the router, 1 to `mostServers`. */
  readonly servers: number;
  readonly family: Family;
  readonly sender: Sender;
  /** The core that sends, and with that does all the work. */
  readonly cpu: number;
  /** 1 to `mostClients`. */
  readonly clients: number;
  /** Where the packets go, `ghost` or `bystander`. */
  readonly target: Readonly<Record<Family, string>>;
}

/** Address of server 1 to `mostServers` on `br-lan`. */
export function serverAddress(family: Family, number: number): string {
  const host = 10 + number;
  return family === 4 ? `192.168.${1 + (host >> 8)}.${host & 255}` : `fd00:1::${host}`;
}

/** Hardware address of server 1 to `mostServers`. */
export function serverMac(number: number): string {
  return `02:00:00:00:${byte(2 + (number >> 8))}:${byte(number & 255)}`;
}

function byte(value: number): string {
  return value.toString(16).padStart(2, '0');
}

/** Address of client 0 and so on, as `flows.c` counts them. */
export function clientAddress(family: Family, number: number): string {
  if (family === 6) return `2001:db8:${(0x4000 + (number >> 16)).toString(16)}:${(number & 0xffff).toString(16)}::1`;
  const word = ((198 << 24) | (18 << 16)) + 1 + number;
  return [24, 16, 8, 0].map((shift) => (word >>> shift) & 255).join('.');
}

/** Source port of that client. */
export function clientPort(number: number): number {
  return 1024 + ((number * 7919) & 0x7fff);
}

/** Link-local addresses, which neighbour discovery speaks from, are there at once. */
const withoutDad = { 'net.ipv6.conf.all.accept_dad': 0, 'net.ipv6.conf.default.accept_dad': 0 };

/** What one burst delivered. */
export interface Burst {
  /** Packets that reached a server's device. */
  readonly delivered: number;
  readonly sent: number;
  readonly seconds: number;
  /** `delivered` by server. */
  readonly byServer: readonly number[];
}

/**
 * One contestant's own sender, router and servers, so that all of them stand ready while the bursts alternate:
 *
 *     upstream eth0 ── wan [router] br-lan(lan1…lanN) ── srv1…srvN [sinks]
 *
 * Packets begin at `eth0`, or at `wan` as if they had come from there. The servers' devices share one namespace, which drops
 * and counts everything at ingress: what is measured is the way there.
 */
export class BenchLab {
  readonly router: Namespace;
  readonly options: LabOptions;
  readonly servers: number;
  readonly family: Family;
  /** For the contestant's files. */
  readonly folder: string;
  readonly #prefix = labPrefix();
  readonly #sinks: Namespace;
  readonly #upstream: Namespace;
  readonly #disarm: () => void;
  #counting: Namespace;
  /** By what they send. */
  readonly #senders = new Map<string, LineProcess>();

  constructor(options: LabOptions) {
    this.options = options;
    this.servers = options.servers;
    this.family = options.family;
    this.folder = labFolder(this.#prefix);
    this.#upstream = new Namespace(`${this.#prefix}-upstream`);
    this.router = new Namespace(`${this.#prefix}-router`);
    this.#sinks = new Namespace(`${this.#prefix}-sinks`);
    this.#counting = this.#sinks;
    this.#disarm = atExit(() => removeLab(this.#prefix));
  }

  /** Builds everything and starts a sender, idle. Rejects with `SenderNotOffered` where the kernel refuses it. */
  async build(): Promise<void> {
    await addNamespaces([this.#upstream.name, this.router.name, this.#sinks.name]);
    const numbers = Array.from({ length: this.servers }, (_, index) => index + 1);
    await Promise.all([
      this.router.sysctl({
        'net.ipv4.ip_forward': 1,
        'net.ipv6.conf.all.forwarding': 1,
        ...withoutDad,
        // As on OpenWrt: frames that a bridge forwards are none of the IP hooks' business.
        'net.bridge.bridge-nf-call-iptables': 0,
        'net.bridge.bridge-nf-call-ip6tables': 0,
      }),
      this.#sinks.sysctl({ 'net.ipv4.conf.all.arp_ignore': 1, ...withoutDad }),
    ]);
    await this.router.ip([
      `link add wan address ${routerMac} type veth peer name eth0 address ${upstreamMac} netns ${this.#upstream.name}`,
      // Ports are heard from only once, and a bridge would send to all of them what it has forgotten.
      'link add br-lan address 02:00:00:00:01:00 type bridge mcast_snooping 0 ageing_time 1000000000',
      ...numbers.flatMap((number) => [
        `link add lan${number} type veth peer name srv${number} address ${serverMac(number)} netns ${this.#sinks.name}`,
        `link set lan${number} master br-lan up`,
      ]),
      'link set lo up',
      'link set wan up',
      'link set br-lan up',
      'address add 203.0.113.1/24 dev wan',
      'address add 2001:db8::1/64 dev wan nodad',
      `address add 192.168.1.1/${prefixLength} dev br-lan`,
      'address add fd00:1::1/64 dev br-lan nodad',
      `route add default via ${upstream[this.family]}`,
      `route add ${bystander[this.family]} via ${serverAddress(this.family, 1)}`,
    ]);
    await Promise.all([
      this.#upstream.ip(['link set eth0 up', 'address add 203.0.113.2/24 dev eth0']),
      this.#sinks.ip(
        numbers.flatMap((number) => [
          `link set srv${number} up`,
          `address add ${serverAddress(4, number)}/${prefixLength} dev srv${number}`,
          `address add ${serverAddress(6, number)}/64 dev srv${number} nodad`,
        ]),
      ),
    ]);
    // As if each had been heard of; not all have said something yet, and what is for others would go to all ports.
    const heard = numbers.map((number) => `fdb replace ${serverMac(number)} dev lan${number} master dynamic\n`);
    await this.router.run(['bridge', '-batch', '-'], heard.join(''));
    await this.#sinks.nft(`table netdev sink {${numbers.map((number) => sinkChain(`srv${number}`)).join('')}\n}\n`);
    await this.#senderOf(this.#everybody);
  }

  /** One packet of each client, as short as can be. */
  get #everybody(): Load {
    return { clients: this.options.clients, size: shortestFrame };
  }

  /** Whoever sends a load, started where nobody does yet. */
  async #senderOf({ clients, size }: Load): Promise<LineProcess> {
    const key = `${clients} ${size}`;
    const running = this.#senders.get(key);
    if (running) return running;
    const { sender, target, family, cpu } = this.options;
    const [place, device] = sender === 'raw' ? [this.#upstream, 'eth0'] : [this.router, 'wan'];
    const flows = [target[family], firstClient[family], clients, port, stepThrough(clients)];
    const started = place.start(
      [tool('bench-sender'), sender, device, upstreamMac, routerMac, ...flows, cpu, size].map(String),
    );
    this.#senders.set(key, started);
    await started
      .waitFor((line) => line === 'ready' || undefined)
      .catch(async (error: unknown) => {
        throw (await started.ended) === notOffered ? new SenderNotOffered(started.tail(1)) : error;
      });
    return started;
  }

  /**
   * Tells the router the servers' hardware addresses, on the bridge and on its ports: what the daemon has the kernel do by
   * itself, and what others would lose packets over, as long as they have to ask.
   */
  async knowServers(): Promise<void> {
    const numbers = Array.from({ length: this.servers }, (_, index) => index + 1);
    await this.router.ip(
      numbers.flatMap((number) =>
        ['br-lan', `lan${number}`].map(
          (device) =>
            `neigh replace ${serverAddress(this.family, number)} lladdr ${serverMac(number)} dev ${device} nud permanent`,
        ),
      ),
    );
  }

  /** Takes the link of a server away, from its side, or gives it back. */
  async setLink(number: number, state: 'up' | 'down'): Promise<void> {
    await this.#sinks.ip([`link set srv${number} ${state}`]);
  }

  /** Has every packet counted and dropped where it enters the router: what is left is the sender's own work. */
  async absorb(): Promise<void> {
    await this.router.nft(`table netdev sink {${sinkChain('wan')}\n}\n`);
    this.#counting = this.router;
  }

  /** Sends for about so many milliseconds, of all of the load's clients in turn, and counts what arrives. */
  burst(milliseconds: number, load = this.#everybody): Promise<Burst> {
    return this.#send(`run ${milliseconds}`, load);
  }

  /** Sends one packet of every client, in ascending order. */
  pass(): Promise<Burst> {
    return this.#send('pass', this.#everybody);
  }

  async #send(command: string, load: Load): Promise<Burst> {
    const sender = await this.#senderOf(load);
    const before = await this.#counters();
    const [sent = 0, nanoseconds = 0] = await sender.ask(command, (line) =>
      line.startsWith('sent ') ? line.split(' ').slice(1).map(Number) : undefined,
    );
    const after = await this.#counters();
    const byServer = after.map((count, index) => count - (before[index] ?? 0));
    const delivered = byServer.reduce((sum, count) => sum + count, 0);
    return { delivered, sent, seconds: nanoseconds / 1e9, byServer };
  }

  /** Packets that each server's device has seen. */
  async #counters(): Promise<number[]> {
    const listing = JSON.parse(await this.#counting.run(['nft', '-j', 'list', 'counters', 'netdev'])) as {
      nftables: readonly { counter?: { table: string; name: string; packets: number } }[];
    };
    const sinks = listing.nftables.flatMap(({ counter }) => (counter?.table === 'sink' ? [counter] : []));
    if (this.#counting === this.router) return sinks.map(({ packets }) => packets);
    const packets = new Map(sinks.map((counter) => [counter.name, counter.packets]));
    return Array.from({ length: this.servers }, (_, index) => packets.get(`srv${index + 1}`) ?? 0);
  }

  /** Entries of the router in the kernel's connection table. */
  async trackedFlows(): Promise<number> {
    if (!conntrackTable()) return 0;
    return Number(await this.router.run(['sysctl', '-n', 'net.netfilter.nf_conntrack_count']));
  }

  async remove(): Promise<void> {
    for (const sender of this.#senders.values()) sender.closeInput();
    await Promise.all([...this.#senders.values()].map(({ ended }) => ended));
    removeLab(this.#prefix);
    this.#disarm();
  }
}

/**
 * From one client to the one after, modulo their number: near the golden section, and without a common divisor, so that all
 * have their turn. Flows are made in ascending order and used in this one, or memory would be read in the order in which it
 * was given out, as no crowd of clients does.
 */
export function stepThrough(clients: number): number {
  let step = Math.max(1, Math.round(clients * 0.618));
  while (greatestCommonDivisor(step, clients) > 1) step += 1;
  return step;
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

function sinkChain(device: string): string {
  return `
    counter ${device} { }
    chain ${device} {
      type filter hook ingress device "${device}" priority 0
      meta l4proto udp counter name ${device} drop
    }`;
}
