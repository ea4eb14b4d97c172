import { join } from 'node:path';
import { buildFolder } from '../lab/paths.ts';
import { run } from '../lab/process.ts';
import type { BenchLab } from './bench-lab.ts';
import { loadRuleset, serviceName } from './service.ts';

/** What `slot-program.ts` shall do. */
export interface SlotRequest {
  /** Name of the map, and how many slots it has. */
  readonly map: string;
  readonly slots: number;
  /** How many slots move at once, in turn. */
  readonly counts: readonly number[];
  /** Chains of the servers that they move between. */
  readonly chains: readonly string[];
  readonly rounds: number;
}

/** What moving so many slots took. */
export interface SlotTimes {
  readonly count: number;
  /** Of the transaction, as it goes over the socket. */
  readonly bytes: number;
  /** From the call to the kernel's last acknowledgement, one for each time. */
  readonly milliseconds: readonly number[];
}

/** Numbers of slots that are moved. */
export const slotCounts = [1, 64, 1024] as const;

const root = process.env['ONEIP_ROOT'] ?? '.';

/** Made once. */
let bundled: Promise<string> | undefined;

async function bundle(): Promise<string> {
  const program = join(buildFolder, 'bench', 'slot-program.js');
  const source = join(root, 'test/bench/slot-program.ts');
  await run([process.execPath, join(root, 'src/build/bundle.mjs'), source, program, 'test']);
  return program;
}

/** Loads the ruleset, without a daemon that would repair it, and moves slots as the daemon does. */
export async function timeSlots(lab: BenchLab, rounds: number): Promise<SlotTimes[]> {
  await loadRuleset(lab);
  const program = await (bundled ??= bundle());
  const request: SlotRequest = {
    ...{ map: `${serviceName}/slot`, slots: 4096, counts: slotCounts, rounds },
    chains: [1, 2].map((number) => `${serviceName}/to/server${number}`),
  };
  const runtime = join(buildFolder, 'bin', 'oneip-runtime');
  return JSON.parse(await lab.router.run([runtime, program, JSON.stringify(request)])) as SlotTimes[];
}
