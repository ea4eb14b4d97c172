import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus, release } from 'node:os';
import type { Family } from '../../src/net/address.ts';
import { sweepDeadLabs } from '../lab/namespace.ts';
import { BenchLab, ghost, SenderNotOffered, senders, type Burst, type Load, type Sender } from './bench-lab.ts';
import { conntrackTable, widenConntrackTable } from './conntrack-table.ts';
import type { Contestant } from './contestant.ts';
import { widenNeighbourTables } from './neighbour-tables.ts';
import { parseOptions, usage, type Options } from './packets-options.ts';
import { sweep, type Site } from './packets-sweep.ts';
import { writeResult } from './program.ts';
import { comparisons, formatResult, formatWishes, type Result } from './report.ts';

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

/** Servers and family: what everything is built for. */
interface PacketSite extends Site {
  readonly servers: number;
  readonly family: Family;
  readonly field: readonly Contestant[];
}

type BurstsOf = ReadonlyMap<Contestant, ReadonlyMap<Load, readonly Burst[]>>;

/** Milliseconds of a first burst, from which a sender knows its pace. */
const warmUp = 10;

async function prepare(contestant: Contestant, { servers, family }: PacketSite, options: Options): Promise<Stand> {
  const { sender, loads } = options;
  const clients = Math.max(...loads.map((load) => load.clients));
  const lab = new BenchLab({ servers, clients, family, sender, cpu, target: contestant.target ?? ghost });
  await lab.build();
  const end = await contestant.setUp(lab);
  // Resolves neighbours and, for DNAT, makes the flows; what waits for a neighbour may be lost.
  await lab.pass();
  let pass = await lab.pass();
  // At hundreds of ports, neighbour discovery now and then fills the queue of a core, which has no room for a batch then.
  for (let again = 0; again < 2 && pass.delivered < clients; again += 1) {
    progress(`${contestant.name}: ${clients - pass.delivered} packets were lost; every client once more\n`);
    pass = await lab.pass();
  }
  const fault =
    pass.delivered === clients
      ? await contestant.faultOf?.(lab, pass)
      : `of ${clients} clients' packets ${pass.delivered} arrive`;
  if (fault !== undefined) throw new Error(`${contestant.name}: ${fault}`);
  const entries = await lab.trackedFlows();
  const wrong = contestant.tracked ? entries < clients : entries > fewEntries;
  if (wrong) throw new Error(`${contestant.name}: ${entries} entries in the connection table for ${clients} clients`);
  for (const load of loads) await lab.burst(warmUp, load);
  return { contestant, lab, end };
}

/** Builds all contestants' labs and lets each send in turn, round by round. Whoever is first in one set-up is last in the next. */
async function setUpAndCompete(site: PacketSite, options: Options, setup: number): Promise<BurstsOf> {
  const { field } = site;
  const narrowConntrackTable = widenConntrackTable(field.filter(({ tracked }) => tracked).length);
  // Those of the router and those of the servers, on the bridge and on its ports.
  const narrowNeighbourTables = widenNeighbourTables(4 * field.length * (site.servers + fewEntries));
  const stands: Stand[] = [];
  for (const place of field.keys()) {
    const contestant = field[(place + setup) % field.length];
    if (!contestant) continue;
    if (process.stderr.isTTY) progress(`${site.name}, set-up ${setup + 1}: ${contestant.name}`);
    stands.push(await prepare(contestant, site, options));
  }
  const bursts = new Map(field.map((contestant) => [contestant, new Map<Load, Burst[]>()]));
  for (const load of options.loads) {
    for (const rounds of bursts.values()) rounds.set(load, []);
    for (let round = 0; round < options.rounds; round += 1) {
      for (const { contestant, lab } of stands)
        bursts
          .get(contestant)
          ?.get(load)
          ?.push(await lab.burst(options.burst, load));
    }
  }
  for (const { lab, end } of stands) {
    await end();
    await lab.remove();
  }
  narrowConntrackTable();
  narrowNeighbourTables();
  return bursts;
}

/** What was measured, and whether something went wrong in the course of it. */
async function compete(options: Options): Promise<{ readonly results: Result[]; readonly hasFailed: boolean }> {
  const { loads, setups, minutes } = options;
  const sites = options.servers.flatMap((servers) =>
    options.families.map((family): PacketSite => {
      const field = options.field.filter(({ mostServers = servers }) => mostServers >= servers);
      return { name: `${servers} servers, IPv${family}`, servers, family, field };
    }),
  );
  const { outcomes, failure } = await sweep(sites, (site, setup) => setUpAndCompete(site, options, setup), {
    ...{ setups, minutes, now: () => performance.now() },
    onProgress({ name }, setup, minutesLeft) {
      const time = minutesLeft === undefined ? '' : `; ${minutesLeft.toFixed(1)} minutes left`;
      progress(`${name}: set-up ${setup + 1} of ${setups}${Number.isFinite(minutes) ? ' at most' : ''}${time}`);
    },
  });
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  if (failure !== undefined) process.stderr.write(`${reasonOf(failure)}; what was measured before follows\n`);
  const results = sites.flatMap((site) =>
    loads.map((load) => {
      const { servers, family, field } = site;
      const series = field.map((contestant) => ({
        contestant,
        setups: (outcomes.get(site) ?? []).map((bursts) => bursts.get(contestant)?.get(load) ?? []),
      }));
      return { servers, family, ...load, series };
    }),
  );
  return { results, hasFailed: failure !== undefined };
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

async function main(): Promise<number> {
  const requested = parseOptions(process.argv.slice(2));
  if (!requested) {
    process.stdout.write(usage);
    return 0;
  }
  if (process.getuid?.() !== 0) {
    process.stderr.write('make bench builds network namespaces and needs root.\n');
    return 1;
  }
  sweepDeadLabs();
  const options = { ...requested, sender: requested.sender ?? (await offeredSender(requested.families[0] ?? 4)) };
  const machine = describeMachine();
  const begin = performance.now();
  const { results, hasFailed } = await compete(options);
  const minutes = (performance.now() - begin) / 60_000;
  const compared = results.flatMap(comparisons);
  const { sender, rounds, burst } = options;
  const json = { machine, minutes, sender, rounds, burst, results: results.map(plainResult), compared };
  const file = writeResult('packets', json);
  if (options.json) process.stdout.write(`${JSON.stringify(json, null, 2)}\n`);
  else {
    process.stdout.write(
      `${machine.cpu}, Linux ${machine.kernel}; returns: ${machine.returns}; conntrack: ${machine.conntrack}; ` +
        `load ${machine.load}; sender ${sender}; ${minutes.toFixed(1)} minutes\n\n` +
        `${results.map(formatResult).join('')}${results.length > 1 ? formatWishes(results) : ''}`,
    );
    process.stderr.write(`${file} has it for programs\n`);
  }
  if (hasFailed) return 2;
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

function plainResult({ series, ...course }: Result): object {
  return { ...course, series: series.map(({ contestant, setups }) => ({ contestant: contestant.name, setups })) };
}

main().then(
  (status) => process.exit(status),
  (error: unknown) => {
    process.stderr.write(`\n${reasonOf(error)}\n`);
    process.exit(2);
  },
);
