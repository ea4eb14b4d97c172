import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { UbusClient } from '../../src/ubus/client.ts';
import { LabBus } from '../lab/bus.ts';
import { Daemon } from '../lab/daemon.ts';
import { forgetPeak, memoryOf, type Memory } from '../lab/memory.ts';
import { BenchLab, ghost } from './bench-lab.ts';
import { NftlbDaemon } from './nftlb.ts';
import { isCount, runBenchmark } from './program.ts';
import { oneipConfig, serviceName } from './service.ts';
import { medianInterval, type MedianInterval } from './statistics.ts';

const usage = `usage: make bench BENCH=control [ARGS="…"]

What the programs themselves cost, oneip and nftlb (direct return) in turn, each with a router of its own: from the start to
rules in the kernel; a server that is taken out and put back by an order; a reload without a change. And their memory: after
the load, its peak, and the peak of a reload.

  --servers N[,N…]   servers (default 4,64)
  --services N[,N…]  services with all of them (default 1,20)
  --rounds N         rounds (default 9; fewer than 6 conclude nothing)
  --json             machine-readable result on standard output
`;

/** What one round gave; times in milliseconds. */
interface Round {
  readonly start: number;
  readonly down: number;
  readonly up: number;
  /** Absent where a program has no such thing. */
  readonly reload?: number;
  readonly loaded: Memory;
  readonly peakOfReload?: number;
}

type Contestant = (lab: BenchLab, services: number) => Promise<Round>;

const contestants: Readonly<Record<string, Contestant>> = { oneip, nftlb };

async function timed(act: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await act();
  return performance.now() - begin;
}

async function oneip(lab: BenchLab, services: number): Promise<Round> {
  const daemon = new Daemon(lab.router, join(lab.folder, 'router'));
  const bus = await LabBus.start(daemon.ubusSocket, {});
  const config = oneipConfig(lab, services);
  const start = await timed(() => daemon.start(config));
  const client: UbusClient = bus.client();
  await client.whenReady();
  const { pid } = daemon.process;
  const loaded = memoryOf(pid);
  const order = (state: string) =>
    timed(() => client.call('oneip', 'set_server', { server: 'server1', service: serviceName, state }));
  // The first order finds no table of who inherits; those after it do, as in a daemon that has been up for a while.
  const [down, up] = [await order('down'), await order('auto')];
  forgetPeak(pid);
  const reload = await timed(() => daemon.reload(config));
  const peakOfReload = memoryOf(pid).peak;
  client.close();
  await daemon.stop();
  await bus.stop();
  return { start, down, up, reload, loaded, peakOfReload };
}

async function nftlb(lab: BenchLab, services: number): Promise<Round> {
  let started: NftlbDaemon | undefined;
  const start = await timed(async () => (started = await NftlbDaemon.start(lab, 'dsr', services)));
  if (!started) throw new Error('not started');
  const daemon: NftlbDaemon = started;
  const loaded = memoryOf(daemon.process.pid);
  const order = (state: string) =>
    daemon.call('PUT', '/farms', { farms: [{ name: 'bench', backends: [{ name: 'server1', state }] }] });
  const [down, up] = [await order('down'), await order('up')];
  await daemon.process.stop();
  return { start, down, up, loaded };
}

interface Result {
  readonly servers: number;
  readonly services: number;
  readonly contestant: string;
  /** By what was measured: milliseconds, or KiB. */
  readonly figures: Readonly<Record<string, MedianInterval>>;
}

const figuresOf: Readonly<Record<string, (round: Round) => number | undefined>> = {
  'start, ms': ({ start }) => start,
  'server out, ms': ({ down }) => down,
  'server back, ms': ({ up }) => up,
  'reload without change, ms': ({ reload }) => reload,
  'memory of its own, KiB': ({ loaded }) => loaded.anonymous,
  'resident, KiB': ({ loaded }) => loaded.resident,
  'peak of the load, KiB': ({ loaded }) => loaded.peak,
  'peak of the reload, KiB': ({ peakOfReload }) => peakOfReload,
};

async function measure(servers: number, services: number, rounds: number): Promise<Result[]> {
  const cpu = availableParallelism() - 1;
  const gathered = new Map(Object.keys(contestants).map((name) => [name, [] as Round[]]));
  for (let round = 1; round <= rounds; round++) {
    for (const [name, contestant] of Object.entries(contestants)) {
      process.stderr.write(`${servers} servers, ${services} services, ${name}: ${round} of ${rounds}\n`);
      const lab = new BenchLab({ servers, clients: 1, family: 4, sender: 'raw', cpu, target: ghost });
      await lab.build();
      await lab.knowServers();
      gathered.get(name)?.push(await contestant(lab, services));
      await lab.remove();
    }
  }
  return [...gathered].map(([contestant, list]) => ({
    ...{ servers, services, contestant },
    figures: Object.fromEntries(
      Object.entries(figuresOf).flatMap(([what, figureOf]) => {
        const values = list.flatMap((round) => figureOf(round) ?? []);
        return values.length === 0 ? [] : [[what, medianInterval(values)]];
      }),
    ),
  }));
}

function format(results: readonly Result[]): string {
  const setups = new Set(results.map(({ servers, services }) => `${servers} servers, ${services} services`));
  const cell = (interval: MedianInterval | undefined) =>
    (interval
      ? `${interval.median.toFixed(1)} (${interval.low.toFixed(1)}–${interval.high.toFixed(1)})`
      : '–'
    ).padStart(28);
  return [...setups]
    .map((title) => {
      const here = results.filter(({ servers, services }) => `${servers} servers, ${services} services` === title);
      const head = `${title.padEnd(27)}${here.map(({ contestant }) => contestant.padStart(28)).join('')}`;
      const lines = Object.keys(figuresOf).map(
        (what) => `  ${what.padEnd(25)}${here.map(({ figures }) => cell(figures[what])).join('')}`,
      );
      return [head, ...lines, ''].join('\n');
    })
    .join('\n');
}

runBenchmark({
  usage,
  defaults: { servers: '4,64', services: '1,20', rounds: '9' },
  read(valueOf) {
    const numbers = (option: string) => valueOf(option).split(',').map(Number);
    const [servers, services, rounds] = [numbers('servers'), numbers('services'), Number(valueOf('rounds'))];
    const areFit = servers.every((count) => isCount(count, 64)) && services.every((count) => isCount(count, 100));
    return areFit && isCount(rounds, 1000) ? { servers, services, rounds } : undefined;
  },
  async measure({ servers, services, rounds }) {
    const results: Result[] = [];
    for (const count of servers) for (const number of services) results.push(...(await measure(count, number, rounds)));
    return results;
  },
  format,
});
