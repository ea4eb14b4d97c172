import { addNamespaces, labFolder, labPrefix, Namespace, removeLab } from '../lab/namespace.ts';
import { atExit } from '../lab/exit.ts';
import { tool } from '../lab/paths.ts';
import type { LineProcess } from '../lab/process.ts';
import type { Family } from '../../src/net/address.ts';

/** Where the packets go; no server has it, as the sinks take everything before the stack sees it. */
export const ghost: Readonly<Record<Family, string>> = { 4: '192.0.2.80', 6: '2001:db8:80::80' };
export const port = 9000;
export const clientCount = 100_000;
const firstClient: Readonly<Record<Family, string>> = { 4: '198.18.0.1', 6: '2001:db8:4000::1' };
const routerMac = '02:00:00:00:00:01';

/** Address of server 1–64 on `br-lan`. */
export function serverAddress(family: Family, number: number): string {
  return family === 4 ? `192.168.1.${10 + number}` : `fd00:1::${10 + number}`;
}

/** Hardware address of server 1–64. */
export function serverMac(number: number): string {
  return `02:00:00:00:02:${number.toString(16).padStart(2, '0')}`;
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
 *     sender eth0 ── wan [router] br-lan(lan1…lanN) ── srv1…srvN [sinks]
 *
 * The servers' devices share one namespace, which drops and counts everything at ingress: what is measured is the way there.
 */
export class BenchLab {
  readonly router: Namespace;
  readonly servers: number;
  readonly family: Family;
  /** For the contestant's files. */
  readonly folder: string;
  readonly #prefix = labPrefix();
  readonly #sinks: Namespace;
  readonly #source: Namespace;
  readonly #disarm: () => void;
  #sender: LineProcess | undefined;

  constructor(servers: number, family: Family) {
    this.servers = servers;
    this.family = family;
    this.folder = labFolder(this.#prefix);
    this.#source = new Namespace(`${this.#prefix}-source`);
    this.router = new Namespace(`${this.#prefix}-router`);
    this.#sinks = new Namespace(`${this.#prefix}-sinks`);
    this.#disarm = atExit(() => removeLab(this.#prefix));
  }

  /** Builds everything and starts the sender on a core, idle. */
  async build(cpu: number): Promise<void> {
    await addNamespaces([this.#source.name, this.router.name, this.#sinks.name]);
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
      `link add wan address ${routerMac} type veth peer name eth0 netns ${this.#source.name}`,
      'link add br-lan address 02:00:00:00:01:00 type bridge mcast_snooping 0',
      ...numbers.flatMap((number) => [
        `link add lan${number} type veth peer name srv${number} address ${serverMac(number)} netns ${this.#sinks.name}`,
        `link set lan${number} master br-lan up`,
      ]),
      'link set lo up',
      'link set wan up',
      'link set br-lan up',
      'address add 203.0.113.1/24 dev wan',
      'address add 2001:db8::1/64 dev wan nodad',
      'address add 192.168.1.1/24 dev br-lan',
      'address add fd00:1::1/64 dev br-lan nodad',
    ]);
    await Promise.all([
      this.#source.ip(['link set eth0 up', 'address add 203.0.113.2/24 dev eth0']),
      this.#sinks.ip(
        numbers.flatMap((number) => [
          `link set srv${number} up`,
          `address add ${serverAddress(4, number)}/24 dev srv${number}`,
          `address add ${serverAddress(6, number)}/64 dev srv${number} nodad`,
        ]),
      ),
    ]);
    await this.#sinks.nft(`table netdev sink {${numbers.map(sinkChain).join('')}\n}\n`);
    await this.#startSender(cpu);
  }

  async #startSender(cpu: number): Promise<void> {
    const [to, from] = [ghost[this.family], firstClient[this.family]];
    this.#sender = this.#source.start(
      [tool('bench-sender'), 'eth0', routerMac, to, from, clientCount, port, cpu].map(String),
    );
    await this.#sender.waitFor((line) => line === 'ready' || undefined);
  }

  /** Sends for so many milliseconds and counts what arrives. */
  async burst(milliseconds: number): Promise<Burst> {
    if (!this.#sender) throw new Error('not built');
    const before = await this.#counters();
    const [sent = 0, nanoseconds = 0] = await this.#sender.ask(`run ${milliseconds}`, (line) =>
      line.startsWith('sent ') ? line.split(' ').slice(1).map(Number) : undefined,
    );
    const after = await this.#counters();
    const byServer = after.map((count, index) => count - (before[index] ?? 0));
    const delivered = byServer.reduce((sum, count) => sum + count, 0);
    return { delivered, sent, seconds: nanoseconds / 1e9, byServer };
  }

  /** Packets that each server's device has seen. */
  async #counters(): Promise<number[]> {
    const listing = JSON.parse(await this.#sinks.run(['nft', '-j', 'list', 'counters'])) as {
      nftables: readonly { counter?: { name: string; packets: number } }[];
    };
    const packets = new Map(listing.nftables.map(({ counter }) => [counter?.name, counter?.packets ?? 0]));
    return Array.from({ length: this.servers }, (_, index) => packets.get(`srv${index + 1}`) ?? 0);
  }

  async remove(): Promise<void> {
    this.#sender?.closeInput();
    await this.#sender?.ended;
    removeLab(this.#prefix);
    this.#disarm();
  }
}

function sinkChain(number: number): string {
  return `
    counter srv${number} { }
    chain srv${number} {
      type filter hook ingress device "srv${number}" priority 0
      meta l4proto udp counter name srv${number} drop
    }`;
}
