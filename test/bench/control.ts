import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { UbusClient } from '../../src/ubus/client.ts';
import { LabBus } from '../lab/bus.ts';
import { withControl } from '../lab/control-client.ts';
import { Daemon } from '../lab/daemon.ts';
import { byTcp, timeKills } from '../lab/detection.ts';
import { withLab } from '../lab/lab.ts';
import { forgetPeak, memoryOf, type Memory } from '../lab/memory.ts';
import { oneipProgram } from '../lab/paths.ts';
import { eventually } from '../lab/scenario.ts';
import { watched } from '../lab/watchdog-lab.ts';
import { BenchLab, ghost } from './bench-lab.ts';
import { formatControl, type Result } from './control-report.ts';
import { NftlbDaemon } from './nftlb.ts';
import { leaveByPorts, withOption } from './oneip-contestants.ts';
import { isCount, runBenchmark } from './program.ts';
import { loadAnew, oneipConfig, patience, serviceName } from './service.ts';
import { slotCounts, timeSlots, type SlotTimes } from './slots.ts';
import { medianInterval, type MedianInterval } from './statistics.ts';

const usage = `usage: make bench BENCH=control [ARGS="…"]

What the programs themselves cost, oneip and nftlb (direct return) in turn, each with a router of its own: from the start to
rules in the kernel; a server that is taken out and put back by an order, over the bus or nftlb's API, and once more by a command,
whose own start is part of it; a reload without a change; a full load into a router whose tables somebody has deleted. And their
memory: after the load, its peak, the peaks of a reload and of a full load. For oneip also, until it has told that the kernel's
tables of all services are without the server: an event on the bus, by which a program reports it; its cable that is cut, from
the command that does so; with 8 servers its killed process, asked by TCP. What keepalived takes for that BENCH=guest says, as it
needs IPVS. At last what moving 1, 64 and 1024 slots takes, by itself: time until the kernel has committed, and bytes of the
transaction, for both paths' tables together.

  --servers N[,N…]   servers (default 4,64)
  --services N[,N…]  services with all of them (default 1,20)
  --rounds N         rounds, and killed processes (default 7; fewer than 6 conclude nothing)
  --json             machine-readable result on standard output
`;

/** What one round gave; times in milliseconds. */
interface Round {
  readonly start: number;
  readonly down: number;
  readonly up: number;
  /** Absent where a program has no such thing. */
  readonly reload?: number;
  /** By a command line, with all that its start takes. */
  readonly command: number;
  /** By a report on the bus, and by a cable that is cut; until the daemon has told of it for all services. */
  readonly reported?: number;
  readonly cut?: number;
  /** All tables anew. */
  readonly full?: number;
  readonly loaded: Memory;
  readonly peakOfReload?: number;
  readonly peakOfFull?: number;
  readonly slots?: readonly SlotTimes[];
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
  // Changes end soon, and what comes next finds none under way.
  const config = withOption(oneipConfig(lab, services), "option idle_timeout '1s'\n\toption learn_time '0s'");
  const start = await timed(() => daemon.start(config, patience));
  const client: UbusClient = bus.client();
  await client.whenReady();
  const { pid } = daemon.process;
  const loaded = memoryOf(pid);
  const order = (state: string) =>
    timed(() => client.call('oneip', 'set_server', { server: 'server1', service: serviceName, state }));
  // The first order finds no table of who inherits; those after it do, as in a daemon that has been up for a while.
  const [down, up] = [await order('down'), await order('auto')];
  await settled(client);
  forgetPeak(pid);
  const reload = await timed(() => daemon.reload(config, patience));
  const peakOfReload = memoryOf(pid).peak;
  const command = await timed(() =>
    lab.router.run([oneipProgram, 'failover', 'server1', '--ubus', daemon.ubusSocket, '--service', serviceName]),
  );
  await order('auto');
  await settled(client);
  const report = (state: string) => client.sendEvent('oneip.watchdog', { server: 'server1', state, reason: 'told' });
  const reported = await timed(() => told(client, 'down', services, () => report('down')));
  await told(client, 'up', services, () => report('up'));
  await settled(client);
  await leaveByPorts(lab);
  const cut = await timed(() => told(client, 'down', services, () => lab.setLink(1, 'down')));
  await told(client, 'up', services, () => lab.setLink(1, 'up'));
  await settled(client);
  forgetPeak(pid);
  const full = await timed(() => loadAnew(lab, daemon));
  const peakOfFull = memoryOf(pid).peak;
  client.close();
  await daemon.stop();
  await bus.stop();
  // Their rules are those of one service.
  const slots = services === 1 ? await timeSlots(lab, 9) : [];
  return { start, down, up, reload, command, reported, cut, full, loaded, peakOfReload, peakOfFull, slots };
}

/** Resolves when no service is in the middle of a change. */
async function settled(client: UbusClient): Promise<void> {
  await eventually('the end of all changes', patience, async () => {
    const status = (await client.call('oneip', 'status')) as { services: Record<string, { transition?: unknown }> };
    return Object.values(status.services).every(({ transition }) => transition === undefined) || undefined;
  });
}

/** Causes something, and resolves when the daemon has told of what it does to server 1, in so many services. */
function told(client: UbusClient, action: string, services: number, cause: () => Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    const heard = new Set<unknown>();
    const timer = setTimeout(() => {
      listener.cancel();
      reject(new Error(`of ${services} services ${heard.size} have told of '${action}'`));
    }, patience);
    const listener = client.listen('oneip', (_, event) => {
      if (event['action'] !== action || event['server'] !== 'server1') return;
      heard.add(event['service']);
      if (heard.size < services) return;
      listener.cancel();
      clearTimeout(timer);
      resolve();
    });
    cause().catch(reject);
  });
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
  const command = await timed(() => order('down'));
  await daemon.process.stop();
  return { start, down, up, command, loaded };
}

/** `undefined` of nothing. */
function medianOf(values: readonly number[] | undefined): number | undefined {
  return values && medianInterval(values).median;
}

const figuresOf: Readonly<Record<string, (round: Round) => number | undefined>> = {
  'start, ms': ({ start }) => start,
  'server out, ms': ({ down }) => down,
  'server back, ms': ({ up }) => up,
  'server out by a command, ms': ({ command }) => command,
  'server out by an event, ms': ({ reported }) => reported,
  'server out by its cable, ms': ({ cut }) => cut,
  'reload without change, ms': ({ reload }) => reload,
  'all tables anew, ms': ({ full }) => full,
  'memory of its own, KiB': ({ loaded }) => loaded.anonymous,
  'resident, KiB': ({ loaded }) => loaded.resident,
  'peak of the load, KiB': ({ loaded }) => loaded.peak,
  'peak of the reload, KiB': ({ peakOfReload }) => peakOfReload,
  'peak of all tables anew, KiB': ({ peakOfFull }) => peakOfFull,
  ...Object.fromEntries(
    slotCounts.flatMap((count) => {
      const of = ({ slots }: Round) => slots?.find((times) => times.count === count);
      const title = count === 1 ? '1 slot moves' : `${count} slots move`;
      return [
        [`${title}, ms`, (round: Round) => medianOf(of(round)?.milliseconds)],
        [`${title}, bytes`, (round: Round) => of(round)?.bytes],
      ];
    }),
  ),
};

/** How servers are asked whether they live, by what is said of it. */
const questions = {
  'server out by its death, asked every 200 ms and once more, ms': {},
  'server out by its death, asked every 50 ms, ms': { interval: '50ms', timeout: '50ms', fall: 1 },
};

/** With real servers, whose processes are killed. */
async function measureDeaths(rounds: number): Promise<Result> {
  const servers = 8;
  const figures: Record<string, MedianInterval> = {};
  for (const [what, question] of Object.entries(questions)) {
    process.stderr.write(`${what.replace(/, ms$/, '')}: ${rounds} times\n`);
    await withLab({ servers }, (lab) =>
      withControl(lab, watched(lab, { echo: { ...byTcp.echo, ...question } }), async (control) => {
        figures[what] = medianInterval((await timeKills(lab, control, rounds)).out);
      }),
    );
  }
  return { servers, services: 1, contestant: 'oneip', figures };
}

async function measure(servers: number, services: number, rounds: number): Promise<Result[]> {
  const cpu = availableParallelism() - 1;
  const gathered = new Map(Object.keys(contestants).map((name) => [name, [] as Round[]]));
  const failures = new Map<string, number>();
  for (let round = 1; round <= rounds; round++) {
    for (const [name, contestant] of Object.entries(contestants)) {
      process.stderr.write(`${servers} servers, ${services} services, ${name}: ${round} of ${rounds}\n`);
      const lab = new BenchLab({ servers, clients: 1, family: 4, sender: 'raw', cpu, target: ghost });
      await lab.build();
      await lab.knowServers();
      try {
        gathered.get(name)?.push(await contestant(lab, services));
      } catch (error) {
        // With 20 services nftlb now and then ends instead of answering; what it did before counts all the same.
        if (name === 'oneip') throw error;
        process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
        failures.set(name, (failures.get(name) ?? 0) + 1);
      }
      await lab.remove();
    }
  }
  return [...gathered].map(([contestant, list]) => ({
    ...{ servers, services },
    contestant: failures.has(contestant) ? `${contestant} (failed ${failures.get(contestant)} times)` : contestant,
    figures: Object.fromEntries(
      Object.entries(figuresOf).flatMap(([what, figureOf]) => {
        const values = list.flatMap((round) => figureOf(round) ?? []);
        return values.length === 0 ? [] : [[what, medianInterval(values)]];
      }),
    ),
  }));
}

runBenchmark({
  usage,
  defaults: { servers: '4,64', services: '1,20', rounds: '7' },
  read(valueOf) {
    const numbers = (option: string) => valueOf(option).split(',').map(Number);
    const [servers, services, rounds] = [numbers('servers'), numbers('services'), Number(valueOf('rounds'))];
    const areFit = servers.every((count) => isCount(count, 64)) && services.every((count) => isCount(count, 100));
    return areFit && isCount(rounds, 1000) ? { servers, services, rounds } : undefined;
  },
  async measure({ servers, services, rounds }) {
    const results: Result[] = [];
    for (const count of servers) for (const number of services) results.push(...(await measure(count, number, rounds)));
    return [...results, await measureDeaths(rounds)];
  },
  format: formatControl,
});
