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
    let sent = 0;
    let wanted = 0;
    let settle: () => void = () => undefined;
    let failure: string | undefined;
    this.#process.onLine((line) => {
      if (line === 'sent') sent++;
      else if (line.startsWith('failed')) failure ??= line;
      if (sent === wanted || failure !== undefined) settle();
    });
    let lines: string[] = [];
    const deliver = async () => {
      wanted += lines.length;
      const settled = new Promise<void>((resolve) => (settle = resolve));
      this.#process.send(lines.join('\n'));
      lines = [];
      await settled;
      if (failure !== undefined) throw new Error(failure);
    };
    for (const packet of packets) {
      lines.push(this.#frame(packet, undefined, undefined).toString('hex'));
      if (lines.length === FLOOD_PIECE) await deliver();
    }
    if (lines.length > 0) await deliver();
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
