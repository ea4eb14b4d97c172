import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setTimeout as elapse } from 'node:timers/promises';
import { LabBus } from '../lab/bus.ts';
import { Daemon } from '../lab/daemon.ts';
import { forgetPeak, memoryOf } from '../lab/memory.ts';
import { buildFolder } from '../lab/paths.ts';
import { BenchLab, ghost, port, serverAddress } from './bench-lab.ts';
import { contestantNamed } from './contestants.ts';
import { NftlbDaemon } from './nftlb.ts';
import { peerProgram } from './peer-programs.ts';
import { isCount, runBenchmark } from './program.ts';
import { loadAnew, oneipConfig, serverNumbers, serviceName } from './service.ts';
import { formatInterval, markdownTable, medianInterval, type MedianInterval } from './statistics.ts';

const usage = `usage: make bench BENCH=footprint [ARGS="…"]

What the programs take: their packages; memory of the daemons with one service (idle, with all servers asked every second, while
all tables are loaded anew); memory of the kernel for each client, in steady state, in the middle of a change, and with DNAT.

  --servers N     servers (default 64)
  --clients N     clients whose memory is measured (default 100000)
  --rounds N      rounds (default 7; fewer than 6 conclude nothing)
  --json          machine-readable result on standard output
`;

interface Options {
  readonly servers: number;
  readonly clients: number;
  readonly rounds: number;
}

/** A figure that several rounds have given, or that is the same in all. */
interface Result {
  readonly what: string;
  readonly unit: 'KiB' | 'bytes' | 'entries';
  readonly figure: MedianInterval;
}

type Figures = Map<string, { readonly unit: Result['unit']; readonly values: number[] }>;

function note(figures: Figures, what: string, unit: Result['unit'], value: number): void {
  const figure = figures.get(what) ?? { unit, values: [] };
  figure.values.push(value);
  figures.set(what, figure);
}

/** Resident memory now, and its peak since `forgetPeak`. */
function noteProcess(figures: Figures, what: string, pid: number): void {
  const { resident, peak, anonymous } = memoryOf(pid);
  note(figures, `${what}: resident`, 'KiB', resident);
  note(figures, `${what}: of these its own`, 'KiB', anonymous);
  note(figures, `${what}: peak`, 'KiB', peak);
}

async function inLab(servers: number, clients: number, body: (lab: BenchLab) => Promise<void>): Promise<void> {
  const cpu = availableParallelism() - 1;
  const lab = new BenchLab({ servers, clients, family: 4, sender: 'raw', cpu, target: ghost });
  await lab.build();
  await lab.knowServers();
  await body(lab);
  await lab.remove();
}

/** Long enough for a few rounds of probes. */
const settling = 3_000;

async function oneipProcess(lab: BenchLab, figures: Figures): Promise<void> {
  const daemon = new Daemon(lab.router, join(lab.folder, 'router'));
  const config = oneipConfig(lab);
  await daemon.start(config);
  const { pid } = daemon.process;
  await elapse(settling);
  noteProcess(figures, 'oneip, idle', pid);
  await daemon.reload(`${config}\nconfig watchdog 'alive'\n\toption type 'arp'\n\toption interval '1s'\n`);
  forgetPeak(pid);
  await elapse(settling);
  noteProcess(figures, 'oneip, all servers asked every second', pid);
  forgetPeak(pid);
  await loadAnew(lab, daemon);
  noteProcess(figures, 'oneip, all tables anew', pid);
  await daemon.stop();
}

async function nftlbProcess(lab: BenchLab, figures: Figures): Promise<void> {
  const { process } = await NftlbDaemon.start(lab, 'dsr', 1);
  await elapse(settling);
  noteProcess(figures, 'nftlb, idle', process.pid);
  await process.stop();
}

/** Its checks are refused, as nothing but packets goes on at the lab's servers. */
async function haproxyProcess(lab: BenchLab, figures: Figures): Promise<void> {
  mkdirSync(lab.folder, { recursive: true });
  const file = join(lab.folder, 'haproxy.cfg');
  const servers = serverNumbers(lab).map(
    (number) => `  server server${number} ${serverAddress(4, number)}:${port} check inter 1s\n`,
  );
  writeFileSync(
    file,
    `global\n  maxconn 4096\ndefaults\n  mode tcp\n  timeout connect 5s\n  timeout client 30s\n  timeout server 30s\n` +
      `listen bench\n  bind :${port}\n  balance source\n${servers.join('')}`,
  );
  const program = lab.router.start([...peerProgram('usr/sbin/haproxy'), '-V', '-f', file]);
  await program.waitFor((line) => /Using epoll/.test(line) || undefined);
  await elapse(settling);
  noteProcess(figures, 'haproxy, all servers asked every second', program.pid);
  await program.stop();
}

/** Memory of the kernel that nobody else can have back, in bytes. */
function kernelMemory(): number {
  const text = readFileSync('/proc/meminfo', 'utf8');
  const [slab = NaN, vmalloc = NaN] = ['SUnreclaim', 'VmallocUsed'].map((key) =>
    Number(new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(text)?.[1]),
  );
  return (slab + vmalloc) * 1024;
}

/** Sends a packet of every client, and says what that added for each of so many. */
async function growth(lab: BenchLab, share: (delivered: readonly number[]) => number): Promise<number> {
  const before = kernelMemory();
  const { byServer } = await lab.pass();
  return (kernelMemory() - before) / share(byServer);
}

async function clientsOfOneip(lab: BenchLab, figures: Figures): Promise<void> {
  const daemon = new Daemon(lab.router, join(lab.folder, 'router'));
  const bus = await LabBus.start(daemon.ubusSocket, {});
  await daemon.start(oneipConfig(lab));
  const all = (byServer: readonly number[]) => byServer.reduce((sum, count) => sum + count, 0);
  // What the first packets need for good is not a client's.
  await lab.pass();
  note(figures, 'kernel, a client of oneip', 'bytes', await growth(lab, all));
  note(figures, 'conntrack, all clients of oneip', 'entries', await lab.trackedFlows());
  const { byServer } = await lab.pass();
  const client = bus.client();
  await client.whenReady();
  await client.call('oneip', 'set_server', { server: 'server1', service: serviceName, state: 'drain' });
  note(figures, 'kernel, a recorded flow in a change of oneip', 'bytes', await growth(lab, () => byServer[0] ?? NaN));
  const recorded = await recordedFlows(lab);
  if (recorded !== byServer[0]) throw new Error(`${recorded} flows recorded, not ${byServer[0]}`);
  client.close();
  await daemon.stop();
  await bus.stop();
}

/** Elements that packets have put into our sets. */
async function recordedFlows(lab: BenchLab): Promise<number> {
  const { nftables } = JSON.parse(await lab.router.run(['nft', '-j', 'list', 'table', 'netdev', 'oneip'])) as {
    nftables: readonly { set?: { flags?: readonly string[]; elem?: readonly unknown[] } }[];
  };
  const filled = nftables.flatMap(({ set }) => (set?.flags?.includes('timeout') ? [set.elem?.length ?? 0] : []));
  return filled.reduce((sum, count) => sum + count, 0);
}

async function clientsOfDnat(lab: BenchLab, figures: Figures): Promise<void> {
  const end = await contestantNamed('dnat').setUp(lab);
  note(figures, "kernel, a client of nftables' DNAT", 'bytes', await growth(lab, () => lab.options.clients));
  note(figures, "conntrack, all clients of nftables' DNAT", 'entries', await lab.trackedFlows());
  await end();
}

/** Bytes of packages, as they are downloaded and when they are installed. */
function notePackages(figures: Figures): void {
  const ipk = join(buildFolder, 'ipk');
  if (!existsSync(ipk)) {
    process.stderr.write('there are no packages to weigh: make ipk makes them\n');
    return;
  }
  const ours = readdirSync(ipk).filter((name) => /^(oneip_|oneip-runtime_.*x86_64)/.test(name));
  const bytes = ours.reduce((sum, name) => sum + statSync(join(ipk, name)).size, 0);
  note(figures, 'package: oneip and its runtime, ipk', 'bytes', bytes);
  for (const name of ['nftlb', 'keepalived', 'haproxy']) {
    const text = execFileSync('apt-cache', ['show', '--no-all-versions', name], { encoding: 'utf8' });
    const size = Number(/^Size: (\d+)$/m.exec(text)?.[1]);
    note(figures, `package: ${name}, Debian's, without libraries`, 'bytes', size);
  }
}

async function measure({ servers, clients, rounds }: Options): Promise<Result[]> {
  const figures: Figures = new Map();
  notePackages(figures);
  for (let round = 1; round <= rounds; round++) {
    process.stderr.write(`round ${round} of ${rounds}\n`);
    for (const take of [oneipProcess, nftlbProcess, haproxyProcess]) {
      await inLab(servers, 1, (lab) => take(lab, figures));
    }
    for (const take of [clientsOfOneip, clientsOfDnat]) await inLab(2, clients, (lab) => take(lab, figures));
  }
  return [...figures].map(([what, { unit, values }]) => ({ what, unit, figure: medianInterval(values) }));
}

function format(results: readonly Result[]): string {
  const rows = results.map(({ what, unit, figure }) => [
    what,
    figure.low === figure.high ? figure.median.toFixed(0) : formatInterval(figure, 0),
    unit,
  ]);
  return markdownTable([['what', 'how much', ''], ...rows]);
}

runBenchmark({
  usage,
  defaults: { servers: '64', clients: '100000', rounds: '7' },
  read(valueOf) {
    const [servers = 0, clients = 0, rounds = 0] = ['servers', 'clients', 'rounds'].map((name) =>
      Number(valueOf(name)),
    );
    const areFit = isCount(servers, 64) && isCount(clients, 100_000) && isCount(rounds, 1000);
    return areFit ? { servers, clients, rounds } : undefined;
  },
  measure,
  format,
});
