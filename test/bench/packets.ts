import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus, release } from 'node:os';
import { parseArgs } from 'node:util';
import type { Family } from '../../src/net/address.ts';
import { sweepDeadLabs } from '../lab/namespace.ts';
import { BenchLab, ghost, mostClients, SenderNotOffered, senders } from './bench-lab.ts';
import type { Burst, Sender } from './bench-lab.ts';
import { conntrackTable, widenConntrackTable } from './conntrack-table.ts';
import { contestantNamed, contestants, reducedContestant, rulesetContestant, usualContestants } from './contestants.ts';
import type { Contestant } from './contestant.ts';
import { comparisons, formatResult, type Result } from './report.ts';

const named = (list: readonly Contestant[]) => list.map(({ name }) => name);

/** All names, in lines that fit beside the options. */
const allNames = named(contestants)
  .join(', ')
  .replace(/(.{60,90}), /g, `$1,\n${' '.repeat(28)}`);

const usage = `usage: make bench [ARGS="…"]

Sends UDP frames of 60 bytes (IPv6: 62) of many clients through a router namespace on one core, by each contestant in turn,
and counts what arrives at the servers.

  --servers N[,N…]      servers behind the router (default 4,64; 1–64)
  --contestants A[,B…]  of: ${allNames}
                        (default ${named(usualContestants).join(',')}; the same name twice shows the noise)
  --without NAME=C[,C]  adds a contestant: oneip's ruleset, without those rules of the fast path that have the comment C, or
                        other parts (see service.ts); may be repeated
  --bystander-without NAME=C[,C]   the same for packets of no service
  --ruleset [NAME=]FILE adds a contestant: a ruleset for nft -f, or, if FILE is executable, what it prints when it is run in
                        the router with SERVERS and FAMILY set; may be repeated
  --sender xdp|raw      who sends: the kernel on the router's device (default, where it can), or a packet socket outside
  --family 4|6          IP version (default 4)
  --clients N           client addresses, each with one port (default and most ${mostClients})
  --setups N            how often everything is built anew (default: BENCH_SETUPS, or 9; fewer than 6 conclude nothing)
  --rounds N            rounds in each of them (default 4)
  --burst MS            length of each turn (default 150)
  --json                machine-readable result on standard output
  --check               status 1 where a wanted ratio is missed for certain
`;

interface Options {
  readonly servers: readonly number[];
  readonly field: readonly Contestant[];
  readonly family: Family;
  readonly sender: Sender;
  readonly clients: number;
  readonly setups: number;
  readonly rounds: number;
  readonly burst: number;
  readonly json: boolean;
  readonly check: boolean;
}

type RequestedOptions = Omit<Options, 'sender'> & Partial<Pick<Options, 'sender'>>;

function parseOptions(): RequestedOptions | undefined {
  const { values } = parseArgs({
    options: {
      servers: { type: 'string', default: '4,64' },
      contestants: { type: 'string', default: named(usualContestants).join(',') },
      without: { type: 'string', multiple: true, default: [] },
      'bystander-without': { type: 'string', multiple: true, default: [] },
      ruleset: { type: 'string', multiple: true, default: [] },
      sender: { type: 'string' },
      family: { type: 'string', default: '4' },
      clients: { type: 'string', default: String(mostClients) },
      setups: { type: 'string', default: process.env['BENCH_SETUPS'] ?? '9' },
      rounds: { type: 'string', default: '4' },
      burst: { type: 'string', default: '150' },
      json: { type: 'boolean', default: false },
      check: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const names = values.contestants.split(',').filter((name) => name !== '');
  const more = [
    ...values.without.map((text) => reducedContestant(text, 'service')),
    ...values['bystander-without'].map((text) => reducedContestant(text, 'bystander')),
    ...values.ruleset.map(rulesetContestant),
  ];
  const family = wholeNumber('family', values.family, 6) === 6 ? 6 : 4;
  return {
    servers: values.servers.split(',').map((text) => wholeNumber('servers', text, 64)),
    field: [...names.map((name) => ({ ...contestantNamed(name) })), ...more],
    family,
    ...(values.sender === undefined ? {} : { sender: senderNamed(values.sender) }),
    clients: wholeNumber('clients', values.clients, mostClients),
    setups: wholeNumber('setups', values.setups, 1000),
    rounds: wholeNumber('rounds', values.rounds, 1000),
    burst: wholeNumber('burst', values.burst, 10_000),
    json: values.json,
    check: values.check,
  };
}

function senderNamed(name: string): Sender {
  const found = senders.find((sender) => sender === name);
  if (!found) throw new RangeError(`no sender is called '${name}'`);
  return found;
}

/** The first sender that this kernel lets us use. */
async function offeredSender(family: Family): Promise<Sender> {
  const lab = new BenchLab({ servers: 1, clients: 1, family, sender: senders[0], cpu, target: ghost });
  try {
    await lab.build();
    return senders[0];
  } catch (error) {
    if (!(error instanceof SenderNotOffered)) throw error;
    progress(`${error.message}; sending through a packet socket instead, which weighs on every contestant\n`);
    return senders[1];
  } finally {
    await lab.remove();
  }
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

/** The last core, as the first one often has the interrupts. */
const cpu = availableParallelism() - 1;

/** Neighbour discovery and the like may make a few entries in a connection table. */
const fewEntries = 16;

/** One contestant, ready to be measured. */
interface Stand {
  readonly contestant: Contestant;
  readonly lab: BenchLab;
  readonly end: () => Promise<void>;
}

type BurstsOf = ReadonlyMap<Contestant, readonly Burst[]>;

async function prepare(contestant: Contestant, servers: number, options: Options): Promise<Stand> {
  const { family, sender, clients } = options;
  const lab = new BenchLab({ servers, clients, family, sender, cpu, target: contestant.target ?? ghost });
  await lab.build();
  const end = await contestant.setUp(lab);
  // Resolves neighbours and, for DNAT, makes the flows; what waits for a neighbour may be lost.
  await lab.pass();
  const pass = await lab.pass();
  const fault =
    pass.delivered === clients
      ? await contestant.faultOf?.(lab, pass)
      : `of ${clients} clients' packets ${pass.delivered} arrive`;
  if (fault !== undefined) throw new Error(`${contestant.name}: ${fault}`);
  const entries = await lab.trackedFlows();
  const wrong = contestant.tracked ? entries < clients : entries > fewEntries;
  if (wrong) throw new Error(`${contestant.name}: ${entries} entries in the connection table for ${clients} clients`);
  return { contestant, lab, end };
}

/** Builds all contestants' labs and lets each send in turn, round by round. Whoever is first in one set-up is last in the next. */
async function setUpAndCompete(servers: number, options: Options, setup: number): Promise<BurstsOf> {
  const { field } = options;
  const stands: Stand[] = [];
  const title = `${servers} servers, set-up ${setup + 1} of ${options.setups}`;
  for (const place of field.keys()) {
    const contestant = field[(place + setup) % field.length];
    if (!contestant) continue;
    progress(`${title}: ${contestant.name}`);
    stands.push(await prepare(contestant, servers, options));
  }
  const bursts = new Map(field.map((contestant) => [contestant, [] as Burst[]]));
  for (let round = 1; round <= options.rounds; round += 1) {
    progress(`${title}: round ${round} of ${options.rounds}`);
    for (const { contestant, lab } of stands) bursts.get(contestant)?.push(await lab.burst(options.burst));
  }
  for (const { lab, end } of stands) {
    await end();
    await lab.remove();
  }
  return bursts;
}

async function compete(servers: number, options: Options): Promise<Result> {
  const narrowConntrackTable = widenConntrackTable(options.field.filter(({ tracked }) => tracked).length);
  const setups: BurstsOf[] = [];
  for (let setup = 0; setup < options.setups; setup += 1) setups.push(await setUpAndCompete(servers, options, setup));
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  narrowConntrackTable();
  const series = options.field.map((contestant) => ({
    contestant,
    setups: setups.map((bursts) => bursts.get(contestant) ?? []),
  }));
  return { servers, series };
}

async function main(): Promise<number> {
  const requested = parseOptions();
  if (!requested) {
    process.stdout.write(usage);
    return 0;
  }
  if (process.getuid?.() !== 0) {
    process.stderr.write('make bench builds network namespaces and needs root.\n');
    return 1;
  }
  sweepDeadLabs();
  const options = { ...requested, sender: requested.sender ?? (await offeredSender(requested.family)) };
  const machine = describeMachine();
  if (!options.json)
    process.stdout.write(
      `${machine.cpu}, Linux ${machine.kernel}; returns: ${machine.returns}; conntrack: ${machine.conntrack}; ` +
        `load ${machine.load}; sender ${options.sender}\n\n`,
    );
  const results: Result[] = [];
  for (const servers of options.servers) {
    const result = await compete(servers, options);
    results.push(result);
    if (!options.json) process.stdout.write(formatResult(result, options.family));
  }
  const compared = results.flatMap(comparisons);
  if (options.json) {
    const { family, sender, clients, setups, rounds, burst } = options;
    process.stdout.write(
      `${JSON.stringify({ machine, family, sender, clients, setups, rounds, burst, results: results.map(plainResult), compared }, null, 2)}\n`,
    );
  }
  return options.check && compared.some(({ verdict }) => verdict === 'missed') ? 1 : 0;
}

/** What to know before figures of two machines are compared; mitigations that make every return dear shift ratios too. */
function describeMachine(): Readonly<Record<'cpu' | 'kernel' | 'returns' | 'conntrack' | 'load', string>> {
  const table = conntrackTable();
  const read = (path: string) => (existsSync(path) ? readFileSync(path, 'utf8').trim() : 'unknown');
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    kernel: release(),
    returns: read('/sys/devices/system/cpu/vulnerabilities/spec_rstack_overflow'),
    conntrack: table ? `at most ${table.entries} entries, ${table.buckets} buckets` : 'not loaded',
    load: read('/proc/loadavg').split(' ').slice(0, 3).join(' '),
  };
}

function plainResult({ servers, series }: Result): object {
  return { servers, series: series.map(({ contestant, setups }) => ({ contestant: contestant.name, setups })) };
}

main().then(
  (status) => process.exit(status),
  (error: unknown) => {
    process.stderr.write(`\n${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(2);
  },
);
