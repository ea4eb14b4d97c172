import type { Shell } from '../qemu/console.ts';
import { stepThrough } from './bench-lab.ts';
import { deaths, watchers } from './guest-deaths.ts';
import { boot, guest } from './guest-machine.ts';
import { isCount, runBenchmark } from './program.ts';
import { oneipConfig } from './service.ts';
import { formatInterval, markdownTable, medianInterval, overSetups, type MedianInterval } from './statistics.ts';

const usage = `usage: make bench BENCH=guest [ARGS="…"]

Packets by IPVS's direct routing, in turns and by Maglev's table, beside plain routing and oneip, all in one virtual machine with
Debian's cloud kernel, since the machine's own may lack IPVS. The processor is emulated by software, and its clock counts
instructions, a nanosecond each: ratios say how many each takes, whatever this machine does beside it, and nothing of caches or
of a connection table's memory. And how long a web server is dead until the kernel's table is without it: oneip, and IPVS with
keepalived, both asking by TCP every 200 ms and once more to be sure, and as fast as both can be told to.

  --servers N    servers (default 4)
  --clients N    client addresses, each with one port (default 10000)
  --setups N     how often everything is built anew (default 7; fewer than 6 conclude nothing)
  --rounds N     rounds in each of them (default 2)
  --deaths N     how often each of them sees a server die (default 7; fewer than 6 conclude nothing)
  --burst MS     length of each turn, by the guest's clock (default 100)
  --json         machine-readable result on standard output
`;

interface Options {
  readonly servers: number;
  readonly clients: number;
  readonly setups: number;
  readonly rounds: number;
  readonly deaths: number;
  readonly burst: number;
}

interface Contestant {
  readonly name: string;
  readonly description: string;
  /** Word of guest.sh that makes a router this, and what comes behind its name. */
  readonly command: string;
  readonly argument?: string;
  /** All packets are one server's. */
  readonly alone?: boolean;
}

const contestants: readonly Contestant[] = [
  { name: 'plain', description: 'kernel routing to one server', command: 'plain', alone: true },
  { name: 'oneip', description: 'oneip daemon, 4096 slots, counters on', command: 'oneip' },
  { name: 'ipvs-rr', description: 'IPVS, direct routing, in turns (rr)', command: 'ipvs', argument: 'rr' },
  { name: 'ipvs-mh', description: "IPVS, direct routing, by Maglev's table (mh)", command: 'ipvs', argument: 'mh' },
];

interface Burst {
  readonly sent: number;
  readonly seconds: number;
  readonly byServer: readonly number[];
}

async function send(shell: Shell, contestant: Contestant, command: string): Promise<Burst> {
  const text = await guest(shell, 'send', contestant, command);
  const [, sent, nanoseconds, before = '', after = ''] = /sent (\d+) (\d+) of ([\d ]*) to ([\d ]*)/.exec(text) ?? [];
  const [old = [], counts = []] = [before, after].map((list) => list.trim().split(/ +/).map(Number));
  const byServer = counts.map((count, index) => count - (old[index] ?? NaN));
  return { sent: Number(sent), seconds: Number(nanoseconds) / 1e9, byServer };
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

/** Every client once, which fills what there is to fill; rejects where not all arrive, or not everywhere. */
async function prepare(shell: Shell, contestant: Contestant, { servers, clients }: Options): Promise<void> {
  await guest(shell, 'build', contestant, servers, clients, stepThrough(clients));
  await guest(
    shell,
    contestant.command,
    contestant,
    ...(contestant.argument === undefined ? [] : [contestant.argument]),
  );
  const { byServer } = await send(shell, contestant, 'pass');
  const reached = byServer.filter((count) => count > 0).length;
  if (sum(byServer) !== clients || reached !== (contestant.alone ? 1 : servers)) {
    throw new Error(`${contestant.name}: of ${clients} clients' packets ${byServer.join(' + ')} arrive`);
  }
}

/** Packets per second, by contestant and round. */
async function setUp(shell: Shell, options: Options, setup: number): Promise<number[][]> {
  const order = contestants.map((_, place) => contestants[(place + setup) % contestants.length] as Contestant);
  for (const contestant of order) {
    process.stderr.write(`set-up ${setup + 1} of ${options.setups}: ${contestant.name}\n`);
    await prepare(shell, contestant, options);
  }
  const rates = new Map(contestants.map(({ name }) => [name, [] as number[]]));
  for (let round = 0; round < options.rounds; round++) {
    for (const contestant of order) {
      const { sent, seconds, byServer } = await send(shell, contestant, `run ${options.burst}`);
      // What is dropped on the way is cheaper than what arrives.
      if (sum(byServer) !== sent) throw new Error(`${contestant.name}: ${sum(byServer)} of ${sent} packets arrive`);
      rates.get(contestant.name)?.push(sum(byServer) / seconds);
    }
  }
  for (const contestant of order) await guest(shell, 'end', contestant);
  return contestants.map(({ name }) => rates.get(name) ?? []);
}

interface Result {
  readonly contestant: string;
  readonly description: string;
  /** Thousands of packets per second. */
  readonly rate?: MedianInterval;
  /** oneip's packets over this one's, within a round. */
  readonly ratio?: MedianInterval;
  /** Milliseconds until a dead server is out. */
  readonly death?: MedianInterval;
  /** KiB of who has seen it, after all deaths, and of these its own. */
  readonly memory?: { readonly resident: number; readonly own: number };
}

async function measure(options: Options): Promise<Result[]> {
  const { machine, shell } = await boot();
  try {
    const lab = { family: 4, servers: options.servers } as const;
    await shell.write('/etc/config/oneip', oneipConfig(lab));
    const setups: number[][][] = [];
    for (let setup = 0; setup < options.setups; setup++) setups.push(await setUp(shell, options, setup));
    const own = contestants.findIndex(({ name }) => name === 'oneip');
    const over = (place: number, valueOf: (rate: number, oneip: number) => number) =>
      overSetups(
        setups.map((rates) => (rates[place] ?? []).map((rate, round) => valueOf(rate, rates[own]?.[round] ?? NaN))),
      );
    const seen = await deaths(shell, options.servers, options.deaths);
    const packets = contestants.map(({ name, description }, place) => ({
      ...{ contestant: name, description },
      rate: over(place, (rate) => rate / 1000),
      ratio: over(place, (rate, oneip) => oneip / rate),
    }));
    const watches = watchers.flatMap(({ name, contestant, description }) => {
      const watch = seen.get(name);
      if (!watch) return [];
      const { times, ...memory } = watch;
      return [{ contestant, description, death: medianInterval(times), memory }];
    });
    return [...packets, ...watches];
  } catch (error) {
    process.stderr.write(`The console's last words:\n${machine.console.tail(2_000)}\n`);
    throw error;
  } finally {
    await machine.kill();
  }
}

function format(results: readonly Result[]): string {
  const rows = results.flatMap(({ contestant, description, rate, ratio }) => {
    if (!rate || !ratio) return [];
    const isOpen = contestant !== 'oneip' && ratio.low <= 1 && ratio.high >= 1;
    const few = rate.confidence < 0.95 ? ', too few set-ups to conclude anything' : '';
    const remark = few === '' && isOpen ? ', the spread is wider than the difference' : few;
    return [[contestant, formatInterval(rate, 1), `${formatInterval(ratio, 3)}${remark}`, description]];
  });
  const times = results.flatMap(({ contestant, description, death, memory }) =>
    death && memory
      ? [[contestant, formatInterval(death, 0), String(memory.resident), String(memory.own), description]]
      : [],
  );
  return [
    markdownTable([['in the guest', 'thousand packets a second', 'oneip over this', 'what'], ...rows]),
    '\n',
    markdownTable([
      ['in the guest', 'ms until a dead server is out', 'resident, KiB', 'of these its own', 'asked by'],
      ...times,
    ]),
  ].join('');
}

runBenchmark({
  usage,
  defaults: { servers: '4', clients: '10000', setups: '7', rounds: '2', deaths: '7', burst: '100' },
  read(valueOf) {
    const names = ['servers', 'clients', 'setups', 'rounds', 'deaths', 'burst'] as const;
    const [servers = 0, clients = 0, setups = 0, rounds = 0, deaths = 0, burst = 0] = names.map((name) =>
      Number(valueOf(name)),
    );
    const areFit =
      isCount(servers, 64) && isCount(clients, 100_000) && [setups, rounds, deaths, burst].every((one) => isCount(one));
    return areFit ? { servers, clients, setups, rounds, deaths, burst } : undefined;
  },
  measure,
  format,
});
