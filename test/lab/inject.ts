import type { Namespace } from './namespace.ts';
import { tool } from './paths.ts';
import type { LineProcess } from './process.ts';

/** Packets of a flood that are under way at once. */
const FLOOD_PIECE = 500;

/** Puts packets on a device as they are; see `inject.c`. */
export class Injector {
  readonly #process: LineProcess;
  readonly #macs: Buffer | undefined;

  private constructor(process: LineProcess, macs: Buffer | undefined) {
    this.#process = process;
    this.#macs = macs;
  }

  /** `macs`: destination and source of the frames; left out for a device without Ethernet headers. */
  static async start(namespace: Namespace, device: string, macs?: [string, string]): Promise<Injector> {
    const process = namespace.start([tool('inject'), device]);
    await process.waitFor((line) => line === 'ready' || undefined);
    return new Injector(process, macs && Buffer.from(macs.join('').replaceAll(':', ''), 'hex'));
  }

  /** Sends a packet, to another MAC address where one is given, and with the tag of a VLAN (IEEE 802.1Q). */
  async send(packet: Buffer, destinationMac?: string, vlan?: number): Promise<void> {
    const outcome = await this.#process.ask(
      this.#frame(packet, destinationMac, vlan).toString('hex'),
      (line) => /^sent|^failed .*/.exec(line)?.[0],
    );
    if (outcome !== 'sent') throw new Error(`not sent: ${outcome}`);
  }

  /** Sends many, as fast as it goes. */
  async flood(packets: Iterable<Buffer>): Promise<void> {
    /** Frames under way, in their order, and those for which the device had no room. */
    let under: string[] = [];
    let again: string[] = [];
    let settle: (failure?: string) => void = () => undefined;
    this.#process.onLine((line) => {
      const frame = under.shift();
      if (line === 'failed ENOBUFS' && frame !== undefined) again.push(frame);
      else if (line !== 'sent') settle(line);
      if (under.length === 0) settle();
    });
    const deliver = async (frames: string[]) => {
      under = frames;
      again = [];
      const outcome = new Promise<string | undefined>((resolve) => (settle = resolve));
      this.#process.send(frames.join('\n'));
      const failure = await outcome;
      if (failure !== undefined) throw new Error(failure);
    };
    let next: string[] = [];
    for (const packet of packets) {
      next.push(this.#frame(packet, undefined, undefined).toString('hex'));
      if (next.length < FLOOD_PIECE) continue;
      await deliver(next);
      next = again;
    }
    while (next.length > 0) {
      await deliver(next);
      next = again;
    }
  }

  #frame(packet: Buffer, destinationMac: string | undefined, vlan: number | undefined): Buffer {
    if (!this.#macs) return packet;
    const type = Buffer.from((packet[0] ?? 0) >> 4 === 6 ? '86dd' : '0800', 'hex');
    const header = Buffer.from(this.#macs);
    if (destinationMac !== undefined) header.write(destinationMac.replaceAll(':', ''), 'hex');
    const tag = vlan === undefined ? Buffer.alloc(0) : Buffer.from([0x81, 0, vlan >> 8, vlan & 255]);
    return Buffer.concat([header, tag, type, packet]);
  }

  async end(): Promise<void> {
    this.#process.closeInput();
    await this.#process.ended;
  }
}
