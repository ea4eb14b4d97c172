import type { Namespace } from './namespace.ts';
import { tool } from './paths.ts';
import { readPacket, type Packet } from './packet.ts';
import type { LineProcess } from './process.ts';
import type { Server, Topology } from './topology.ts';

/** A packet that a device has received or sent. */
export interface Captured extends Packet {
  readonly direction: 'in' | 'out';
  /** The kernel's: 0 for this host, 1 broadcast, 2 multicast, 3 for another host, 4 outgoing. */
  readonly packetType: number;
  readonly destinationMac: string;
  readonly sourceMac: string;
  /** Of the IP packet, which may have more bytes than are kept of it. */
  readonly length: number;
}

/** Writes down the IP packets of one device; see `capture.c`. */
export class Capture {
  readonly #process: LineProcess;
  readonly #packets: Captured[] = [];

  private constructor(process: LineProcess) {
    this.#process = process;
    process.onLine((line) => {
      const packet = readLine(line);
      if (packet) this.#packets.push(packet);
    });
  }

  /** Resolves once it sees every packet. */
  static async start(namespace: Namespace, device: string): Promise<Capture> {
    const process = namespace.start([tool('capture'), device]);
    const capture = new Capture(process);
    await process.waitFor((line) => line === 'ready' || undefined);
    return capture;
  }

  /** All packets since the start, or since the last `take`. Rejects where the kernel has lost some. */
  async take(): Promise<Captured[]> {
    const lost = await this.#process.ask('flush', (line) => /^flushed (\d+)$/.exec(line)?.[1]);
    if (lost !== '0') throw new Error(`the capture has lost ${lost} packets`);
    return this.#packets.splice(0);
  }

  /** Resolves with the first packet, seen already or to come, that is wanted; it stays for `take`. */
  async find(what: string, wanted: (packet: Captured) => boolean, timeout = 5_000): Promise<Captured> {
    const known = this.#packets.find(wanted);
    if (known) return known;
    try {
      return await this.#process.waitFor((line) => {
        const packet = readLine(line);
        return packet && wanted(packet) ? packet : undefined;
      }, timeout);
    } catch (error) {
      throw new Error(`no packet captured: ${what}`, { cause: error });
    }
  }

  async end(): Promise<void> {
    this.#process.closeInput();
    await this.#process.ended;
  }
}

/** A packet that has arrived at one of the servers. */
export interface Arrival {
  readonly server: string;
  readonly packet: Captured;
}

/** Captures at every server at once. */
export class ServerCaptures {
  readonly #captures: readonly { readonly server: Server; readonly capture: Capture }[];

  private constructor(captures: readonly { server: Server; capture: Capture }[]) {
    this.#captures = captures;
  }

  static async start({ servers }: Topology): Promise<ServerCaptures> {
    const started = servers.map(async (server) => ({ server, capture: await Capture.start(server.namespace, 'eth0') }));
    return new ServerCaptures(await Promise.all(started));
  }

  /** What has come in since the start, or since the last call; packets to other hosts, which a bridge floods, left out. */
  async arrivals(wanted: (packet: Captured) => boolean = () => true): Promise<Arrival[]> {
    const taken = await Promise.all(
      this.#captures.map(async ({ server, capture }) =>
        (await capture.take())
          .filter((packet) => packet.direction === 'in' && packet.packetType !== 3 && wanted(packet))
          .map((packet) => ({ server: server.name, packet })),
      ),
    );
    return taken.flat();
  }

  /** Resolves with the first server that gets, or has got, a wanted packet. */
  async first(what: string, wanted: (packet: Captured) => boolean, timeout?: number): Promise<Arrival> {
    const here = (packet: Captured) => packet.direction === 'in' && packet.packetType !== 3 && wanted(packet);
    return Promise.any(
      this.#captures.map(async ({ server, capture }) => ({
        server: server.name,
        packet: await capture.find(what, here, timeout),
      })),
    ).catch(() => {
      throw new Error(`no server has got: ${what}`);
    });
  }

  async end(): Promise<void> {
    await Promise.all(this.#captures.map(({ capture }) => capture.end()));
  }
}

function readLine(line: string): Captured | undefined {
  const [direction, packetType, destinationMac = '', sourceMac = '', protocol, length, hex = ''] = line.split(' ');
  if (direction !== 'in' && direction !== 'out') return undefined;
  if (protocol !== '0800' && protocol !== '86dd') return undefined;
  const packet = readPacket(Buffer.from(hex, 'hex'));
  if (!packet) return undefined;
  return { ...packet, direction, packetType: Number(packetType), destinationMac, sourceMac, length: Number(length) };
}
