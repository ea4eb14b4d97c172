import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus, release } from 'node:os';
import { parseArgs } from 'node:util';
import type { Family } from '../../src/net/address.ts';
import { sweepDeadLabs } from '../lab/namespace.ts';
import { BenchLab, clientCount } from './bench-lab.ts';
import { contestants, rulesetContestant, type Contestant } from './contestants.ts';
import { comparisons, formatResult, type Result, type Series } from './report.ts';

const usage = `usage: make bench [ARGS="…"]

Sends 60-byte UDP frames of ${clientCount} clients through a router namespace on one core, by each contestant in turn, and
counts what arrives at the servers.

  --servers N[,N…]      servers behind the router (default 4,64; 1–64)
  --contestants A[,B…]  of: ${contestants.map(({ name }) => name).join(', ')} (default all; the same name twice shows the noise)
  --ruleset [NAME=]FILE adds a contestant: a ruleset for nft -f, or, if FILE is executable, what it prints when it is run in
                        the router with SERVERS and FAMILY set; may be repeated
  --family 4|6          IP version (default 4)
  --rounds N            rounds (default: BENCH_ROUNDS, or 31)
  --burst MS            length of each turn (default 150)
  --json                machine-readable result on standard output
  --check               status 1 where a wanted ratio is missed for certain
`;

interface Options {
  readonly servers: readonly number[];
  readonly field: readonly Contestant[];
  readonly family: Family;
  readonly rounds: number;
  readonly burst: number;
  readonly json: boolean;
  readonly check: boolean;
}

function parseOptions(): Options | undefined {
  const { values } = parseArgs({
    options: {
      servers: { type: 'string', default: '4,64' },
      contestants: { type: 'string', default: contestants.map(({ name }) => name).join(',') },
      ruleset: { type: 'string', multiple: true, default: [] },
      family: { type: 'string', default: '4' },
      rounds: { type: 'string', default: process.env['BENCH_ROUNDS'] ?? '31' },
      burst: { type: 'string', default: '150' },
      json: { type: 'boolean', default: false },
      check: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const names = values.contestants.split(',').filter((name) => name !== '');
  return {
    servers: values.servers.split(',').map((text) => wholeNumber('servers', text, 64)),
    field: [...names.map(contestantNamed), ...values.ruleset.map(rulesetContestant)],
    family: wholeNumber('family', values.family, 6) === 6 ? 6 : 4,
    rounds: wholeNumber('rounds', values.rounds, 1000),
    burst: wholeNumber('burst', values.burst, 10_000),
    json: values.json,
    check: values.check,
  };
}

function contestantNamed(name: string): Contestant {
  const found = contestants.find((contestant) => contestant.name === name);
  if (!found) throw new RangeError(`no contestant is called '${name}'`);
  return found;
}

function wholeNumber(name: string, text: string, most: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > most)
    throw new RangeError(`--${name}: 1–${most}, not '${text}'`);
  return value;
}

function progress(text: string): void {
  process.stderr.write(process.stderr.isTTY ? `\r\x1b[K${text}` : `${text}\n`);
}

/** Lets every contestant send in turn, round by round. */
async function compete(servers: number, options: Options): Promise<Result> {
  const cpu = availableParallelism() - 1;
  const stands: { lab: BenchLab; end: () => Promise<void>; series: Series }[] = [];
  for (const contestant of options.field) {
    progress(`${servers} servers: setting up ${contestant.name}`);
    const lab = new BenchLab(servers, options.family);
    await lab.build(cpu);
    const end = await contestant.setUp(lab);
    // Resolves neighbours and, for DNAT, makes the flows.
    const warmUp = await lab.burst(Math.max(options.burst, 800));
    if (warmUp.delivered === 0) throw new Error(`${contestant.name}: nothing arrives at the servers`);
    stands.push({ lab, end, series: { contestant, bursts: [] } });
  }
  for (let round = 1; round <= options.rounds; round += 1) {
    for (const { lab, series } of stands) {
      progress(`${servers} servers: round ${round} of ${options.rounds}, ${series.contestant.name}`);
      series.bursts.push(await lab.burst(options.burst));
    }
  }
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  for (const { lab, end } of stands) {
    await end();
    await lab.remove();
  }
  return { servers, series: stands.map(({ series }) => series) };
}

async function main(): Promise<number> {
  const options = parseOptions();
  if (!options) {
    process.stdout.write(usage);
    return 0;
  }
  if (process.getuid?.() !== 0) {
    process.stderr.write('make bench builds network namespaces and needs root.\n');
    return 1;
  }
  sweepDeadLabs();
  const machine = describeMachine();
  if (!options.json)
    process.stdout.write(
      `${machine.cpu}, Linux ${machine.kernel}; returns: ${machine.returns}; load ${machine.load}\n\n`,
    );
  const results: Result[] = [];
  for (const servers of options.servers) {
    const result = await compete(servers, options);
    results.push(result);
    if (!options.json) process.stdout.write(formatResult(result, options.family));
  }
  const compared = results.flatMap(comparisons);
  if (options.json) {
    const { family, rounds, burst } = options;
    process.stdout.write(
      `${JSON.stringify({ machine, family, rounds, burst, results: results.map(plainResult), compared }, null, 2)}\n`,
    );
  }
  return options.check && compared.some(({ verdict }) => verdict === 'missed') ? 1 : 0;
}

/** What to know before figures of two machines are compared; mitigations that make every return dear shift ratios too. */
function describeMachine(): { cpu: string; kernel: string; returns: string; load: string } {
  const read = (path: string) => (existsSync(path) ? readFileSync(path, 'utf8').trim() : 'unknown');
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    kernel: release(),
    returns: read('/sys/devices/system/cpu/vulnerabilities/spec_rstack_overflow'),
    load: read('/proc/loadavg').split(' ').slice(0, 3).join(' '),
  };
}

function plainResult({ servers, series }: Result): object {
  return { servers, series: series.map(({ contestant, bursts }) => ({ contestant: contestant.name, bursts })) };
}

main().then(
  (status) => process.exit(status),
  (error: unknown) => {
    process.stderr.write(`\n${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(2);
  },
);
