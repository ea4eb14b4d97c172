import type { Namespace } from './namespace.ts';
import { tool } from './paths.ts';
import type { LineProcess } from './process.ts';

/** Puts frames, or packets where the device has no link-layer header, on a device as they are. */
export class Injector {
  readonly #process: LineProcess;

  private constructor(process: LineProcess) {
    this.#process = process;
  }

  static async start(namespace: Namespace, device = 'eth0'): Promise<Injector> {
    const process = namespace.start([tool('inject'), device]);
    await process.waitFor((line) => line === 'ready' || undefined);
    return new Injector(process);
  }

  /** Resolves when the frames have left, in order; rejects where the device refuses one. */
  async send(...frames: readonly Buffer[]): Promise<void> {
    for (const frame of frames) {
      const answer = await this.#process.ask(frame.toString('hex'), (line) => /^(sent|failed .*)$/.exec(line)?.[1]);
      if (answer !== 'sent') throw new Error(`a frame of ${frame.length} bytes: ${String(answer)}`);
    }
  }

  async stop(): Promise<void> {
    this.#process.closeInput();
    await this.#process.ended;
  }
}
