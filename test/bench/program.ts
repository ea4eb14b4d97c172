import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release } from 'node:os';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { sweepDeadLabs } from '../lab/namespace.ts';
import { buildFolder } from '../lab/paths.ts';

/** A benchmark that builds networks, and prints its results as a table or as JSON, which it writes to `build/bench`, too. */
export interface Benchmark<Options, Result> {
  /** For `--help`, and for who asks for something else than there is. */
  readonly usage: string;
  /** Options that take a value, and what they have by default. `--json` and `--help` are there beside them. */
  readonly defaults: Readonly<Record<string, string>>;
  /** Makes sense of the values; `undefined` where there is none. */
  read(valueOf: (option: string) => string): Options | undefined;
  measure(options: Options): Promise<readonly Result[]>;
  format(results: readonly Result[]): string;
}

/** Runs it as this process: status 0, 1 where it fails or lacks the rights, 2 for wrong usage. */
export function runBenchmark<Options, Result>(benchmark: Benchmark<Options, Result>): void {
  run(benchmark).then(
    (status) => process.exit(status),
    (error: unknown) => {
      process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
      process.exit(1);
    },
  );
}

async function run<Options, Result>(benchmark: Benchmark<Options, Result>): Promise<number> {
  const { usage, defaults } = benchmark;
  const taking = Object.entries(defaults).map(([name, value]) => [name, { type: 'string', default: value }] as const);
  const { values } = parseArgs({
    options: {
      ...Object.fromEntries(taking),
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const options = benchmark.read((option) => String((values as Record<string, unknown>)[option]));
  if (values.help || options === undefined) {
    process.stderr.write(usage);
    return values.help ? 0 : 2;
  }
  if (process.getuid?.() !== 0) {
    process.stderr.write('make bench builds network namespaces and needs root: try sudo make bench.\n');
    return 1;
  }
  sweepDeadLabs();
  const machine = { cpu: cpus()[0]?.model ?? 'unknown', kernel: release(), load: loadavg()[0] ?? NaN };
  const results = await benchmark.measure(options);
  const { cpu, kernel, load } = machine;
  const json = { machine, options, results };
  const file = writeResult(basename(process.argv[1] ?? 'benchmark', '.mjs'), json);
  process.stderr.write(`${file} has it for programs\n`);
  process.stdout.write(
    values.json
      ? `${JSON.stringify(json, null, 2)}\n`
      : `${cpu}, Linux ${kernel}, load ${load.toFixed(1)} at the beginning\n\n${benchmark.format(results)}`,
  );
  return 0;
}

/** Writes what a benchmark has found, for programs; returns where. */
export function writeResult(benchmark: string, result: object): string {
  const folder = join(buildFolder, 'bench');
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${benchmark}.json`);
  writeFileSync(file, `${JSON.stringify(result, null, 2)}\n`);
  return file;
}

/** True for a whole number from 1 to `most`. */
export function isCount(value: number, most = Infinity): boolean {
  return Number.isInteger(value) && value >= 1 && value <= most;
}
