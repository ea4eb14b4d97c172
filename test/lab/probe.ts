import { join } from 'node:path';
import type { Check } from '../../src/config/model.ts';
import type { Family } from '../../src/net/address.ts';
import type { ProbeResult } from '../../src/watchdog/prober.ts';
import type { Lab } from './lab.ts';
import type { Namespace } from './namespace.ts';
import { buildFolder } from './paths.ts';
import { run } from './process.ts';
import type { Server } from './topology.ts';

/** A target of a probe as text. */
export interface TargetText {
  readonly service: string;
  readonly server: string;
  readonly ghost: string;
  readonly address: string;
  readonly device: string;
  readonly mark: number;
  readonly port?: number;
}

export interface ProbeRequest {
  readonly check: Check;
  readonly target: TargetText;
  /** Milliseconds. */
  readonly timeout: number;
}

export interface RepeatRequest {
  readonly check: Check;
  readonly targets: readonly TargetText[];
  /** Milliseconds, as all times here. */
  readonly interval: number;
  readonly timeout: number;
  readonly duration: number;
}

/** What a process holds. */
interface Holdings {
  readonly descriptors: number;
  readonly bytes: number;
}

export interface LeakReport {
  readonly before: Holdings;
  readonly after: Holdings;
  readonly probes: number;
}

const root = process.env['ONEIP_ROOT'] ?? '.';
/** `mark_base` where the configuration names none. */
const markBase = 0x6f690000;

/** The prober, in a program for the runtime that runs in a router's namespace. */
export class ProbeProgram {
  readonly #router: Namespace;
  readonly #file: string;

  private constructor(router: Namespace, file: string) {
    this.#router = router;
    this.#file = file;
  }

  static async build(router: Namespace, folder: string): Promise<ProbeProgram> {
    const file = join(folder, 'probe-program.js');
    const source = join(root, 'test/lab/probe-program.ts');
    await run([process.execPath, join(root, 'src/build/bundle.mjs'), source, file, 'test']);
    return new ProbeProgram(router, file);
  }

  /** Runs probes side by side; results in their order. */
  async ask(...requests: ProbeRequest[]): Promise<ProbeResult[]> {
    return (await this.#run('ask', requests)) as ProbeResult[];
  }

  /** Asks again and again; resolves with the reasons of all failures. */
  async repeat(request: RepeatRequest): Promise<string[]> {
    return (await this.#run('repeat', request)) as string[];
  }

  async leaks(requests: readonly ProbeRequest[]): Promise<LeakReport> {
    return (await this.#run('leaks', requests)) as LeakReport;
  }

  /** The command line of a work of the program. */
  command(work: string, data: unknown): string[] {
    return [join(buildFolder, 'bin', 'oneip-runtime'), this.#file, work, JSON.stringify(data)];
  }

  async #run(work: string, data: unknown): Promise<unknown> {
    return JSON.parse(await this.#router.run(this.command(work, data)));
  }
}

/** A server of the lab as the watchdog would have it asked, for the lab's ghost of a family. Servers have their number as mark. */
export function targetOf(
  { ghosts }: Pick<Lab, 'ghosts'>,
  server: Pick<Server, 'name' | 'number' | 'address'>,
  family: Family,
  more: Partial<TargetText> = {},
): TargetText {
  const ghost = ghosts.find((text) => text.includes(':') === (family === 6));
  if (ghost === undefined) throw new Error(`the lab has no ghost of IPv${family}`);
  const mark = markBase + server.number;
  return {
    service: 'web',
    server: server.name,
    ghost,
    address: server.address[family],
    device: 'br-lan',
    mark,
    ...more,
  };
}
