import type { Namespace } from './namespace.ts';
import { readPacket, type Packet } from './packet.ts';
import { tool } from './paths.ts';
import type { LineProcess } from './process.ts';

/** One packet as a device saw it. */
export interface Captured {
  readonly direction: 'in' | 'out';
  /** What the kernel took it for, when it came in: for this host, broadcast, multicast, or somebody else. */
  readonly packetType: 'host' | 'broadcast' | 'multicast' | 'other' | 'outgoing';
  /** Hardware addresses; absent on a device without Ethernet headers. */
  readonly destinationMac?: string;
  readonly sourceMac?: string;
  readonly etherType: number;
  /** Bytes behind the link-layer header, padding included. */
  readonly length: number;
  /** First bytes behind the link-layer header, at most 160. */
  readonly bytes: Buffer;
  /** Absent where it is not an IP packet. */
  readonly packet?: Packet;
}

const packetTypes = ['host', 'broadcast', 'multicast', 'other', 'outgoing'] as const;

/** Writes down what a device receives and sends, from its start to its end. */
export class Capture {
  readonly #process: LineProcess;
  readonly #seen: Captured[] = [];

  private constructor(process: LineProcess) {
    this.#process = process;
    process.onLine((line) => {
      const captured = readLine(line);
      if (captured) this.#seen.push(captured);
    });
  }

  /** Resolves when packets are being written down. */
  static async start(namespace: Namespace, device = 'eth0'): Promise<Capture> {
    const process = namespace.start([tool('capture'), device]);
    const capture = new Capture(process);
    await process.waitFor((line) => line === 'ready' || undefined);
    return capture;
  }

  /** All that the device has seen until now; rejects where the kernel lost some for us. */
  async seen(): Promise<readonly Captured[]> {
    const lost = await this.#process.ask('flush', (line) => /^flushed (\d+)$/.exec(line)?.[1]);
    if (lost !== '0') throw new Error(`the capture lost ${lost} packets`);
    return this.#seen;
  }

  /** Those of the IP packets that came in until now for which `wanted` holds. */
  async received(wanted: (packet: Packet) => boolean = () => true): Promise<Packet[]> {
    const seen = await this.seen();
    return seen.flatMap(({ direction, packet }) => (direction === 'in' && packet && wanted(packet) ? [packet] : []));
  }

  /** Forgets what has been seen. */
  async clear(): Promise<void> {
    await this.seen();
    this.#seen.length = 0;
  }

  async stop(): Promise<void> {
    this.#process.closeInput();
    await this.#process.ended;
  }
}

function readLine(line: string): Captured | undefined {
  const [direction, type, destinationMac = '', sourceMac = '', etherType = '', length, hex = ''] = line.split(' ');
  if (direction !== 'in' && direction !== 'out') return undefined;
  const bytes = Buffer.from(hex, 'hex');
  const packet = readPacket(bytes);
  return {
    direction,
    packetType: packetTypes[Number(type)] ?? 'other',
    ...(destinationMac !== '-' && { destinationMac, sourceMac }),
    etherType: Number.parseInt(etherType, 16),
    length: Number(length),
    bytes,
    ...(packet && { packet }),
  };
}
