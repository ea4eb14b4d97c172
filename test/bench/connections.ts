import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ghostPlaces } from '../lab/addresses.ts';
import { withLab, type Lab } from '../lab/lab.ts';
import { webService } from '../lab/web-service.ts';
import { conclusion } from './conclusion.ts';
import { followConnections } from './firewall.ts';
import { peerProgram } from './peer-programs.ts';
import { isCount, runBenchmark } from './program.ts';
import { formatInterval, markdownTable, overSetups, type MedianInterval } from './statistics.ts';

const usage = `usage: make bench BENCH=connections [ARGS="…"]

Real HTTP through the router: wrk outside, nginx on four servers, each contestant in a network of its own and in turn. With 64
connections that stay, with a new connection for each request, and with answers of 2 MB. Two contestants ask for an address that
is of no service, one of them with oneip on the router; behind a firewall that follows connections, as routers have one.

  --contestants A[,B…]  of: plain, oneip, dnat, haproxy, firewall, bystander (default: all)
  --setups N            how often everything is built anew (default 9; fewer than 6 conclude nothing)
  --rounds N            rounds in each of them (default 2)
  --seconds N           length of each turn (default 2)
  --json                machine-readable result on standard output
`;

const ghost = ghostPlaces.elsewhere[4];
/** A way from the clients to the servers. */
interface Contestant {
  readonly name: string;
  readonly description: string;
  /** Address that is asked; default: the ghost's. */
  readonly target?: (lab: Lab) => string;
  /** Makes the lab's router work this way; returns what ends it. */
  setUp(lab: Lab): Promise<() => Promise<unknown>>;
}

const nothing = (): Promise<void> => Promise.resolve();

const contestants: readonly Contestant[] = [
  {
    name: 'plain',
    description: 'kernel routing to one server',
    async setUp(lab) {
      await lab.router.ip([`route add ${ghost} via ${lab.servers[0]?.address[4]}`]);
      return nothing;
    },
  },
  {
    name: 'oneip',
    description: 'oneip, by address and port, answers go to the client directly',
    async setUp(lab) {
      await lab.daemon.start(webService(lab, { ghosts: [ghost], service: { hash: 'source_port' } }));
      return () => lab.daemon.stop();
    },
  },
  {
    name: 'dnat',
    description: 'DNAT by nftables with conntrack',
    async setUp(lab) {
      const targets = lab.servers.map(({ number, address }) => `${number - 1} : ${address[4]}`);
      await lab.router.nft(`table ip bench {
        chain prerouting {
          type nat hook prerouting priority dstnat
          ip daddr ${ghost} tcp dport 80 dnat to numgen inc mod ${targets.length} map { ${targets.join(', ')} }
        }
      }`);
      return nothing;
    },
  },
  {
    name: 'haproxy',
    description: 'HAProxy in TCP mode on the router',
    async setUp(lab) {
      await lab.router.ip([`address add ${ghost}/32 dev lo`]);
      const file = join(lab.folder, 'haproxy.cfg');
      mkdirSync(lab.folder, { recursive: true });
      writeFileSync(file, haproxyConfig(lab));
      const process = lab.router.start([...peerProgram('usr/sbin/haproxy'), '-V', '-f', file]);
      await process.waitFor((line) => /Using epoll/.test(line) || undefined);
      return () => process.stop();
    },
  },
  {
    name: 'firewall',
    description: 'kernel routing to one server, behind a firewall that follows connections',
    target: bystander,
    async setUp(lab) {
      await followConnections(lab);
      return nothing;
    },
  },
  {
    name: 'bystander',
    description: 'the same, of no service, with oneip on the router',
    target: bystander,
    async setUp(lab) {
      await followConnections(lab);
      await lab.daemon.start(webService(lab, { ghosts: [ghost] }));
      return () => lab.daemon.stop();
    },
  },
];

/** A server's own address, which is no service's. */
function bystander({ servers }: Lab): string {
  const [first] = servers;
  if (!first) throw new Error('no servers');
  return first.address[4];
}

function haproxyConfig({ servers }: Lab): string {
  return `
global
  maxconn 4096
defaults
  mode tcp
  timeout connect 5s
  timeout client 30s
  timeout server 30s
listen web
  bind ${ghost}:80
  balance roundrobin
${servers.map(({ name, address }) => `  server ${name} ${address[4]}:80\n`).join('')}`;
}

/** What is asked. */
interface Mode {
  readonly name: string;
  readonly path: string;
  readonly connections: number;
  readonly options: readonly string[];
}

const modes: readonly Mode[] = [
  { name: 'connections that stay', path: '/', connections: 64, options: [] },
  { name: 'a connection for each request', path: '/', connections: 64, options: ['-H', 'Connection: close'] },
  { name: 'answers of 2 MB', path: '/download', connections: 8, options: [] },
];

/** What one turn of wrk gave. */
interface Turn {
  readonly requestsPerSecond: number;
  /** Milliseconds. */
  readonly p99: number;
}

/** wrk's own report is for people; this one is a line: requests, microseconds, errors, the 99th percentile in microseconds. */
const reportScript = `
done = function(summary, latency)
  local e = summary.errors
  local errors = e.connect + e.read + e.write + e.status + e.timeout
  io.write(string.format("turn %d %d %d %d\\n", summary.requests, summary.duration, errors, latency:percentile(99)))
end
`;

async function turn(lab: Lab, target: string, mode: Mode, seconds: number): Promise<Turn> {
  const { connections, path } = mode;
  const script = join(lab.folder, 'report.lua');
  writeFileSync(script, reportScript);
  const options = ['-t1', `-c${connections}`, `-d${seconds}s`, '-s', script, ...mode.options];
  const output = await lab.wan.run([...peerProgram('usr/bin/wrk'), ...options, `http://${target}${path}`]);
  const numbers = /^turn (.*)$/m.exec(output)?.[1]?.split(' ').map(Number);
  const [requests = 0, microseconds = 0, errors = 0, p99 = 0] = numbers ?? [];
  // With a connection for each request, those that are open when the time is over count as read errors.
  if (!numbers || requests === 0 || errors > connections) throw new Error(`wrk went wrong:\n${output}`);
  return { requestsPerSecond: (requests / microseconds) * 1e6, p99: p99 / 1000 };
}

/** Turns of one contestant in one mode, by set-up and round. */
type Turns = Turn[][];

interface Options {
  readonly contestants: readonly Contestant[];
  readonly setups: number;
  readonly rounds: number;
  readonly seconds: number;
}

/** By mode and contestant. */
async function compete(options: Options): Promise<Map<Mode, Map<string, Turns>>> {
  const { contestants: all } = options;
  const turns = new Map(modes.map((mode) => [mode, new Map(all.map(({ name }) => [name, [] as Turns]))]));
  for (let setup = 0; setup < options.setups; setup++) {
    const order = all.map((_, place) => all[(place + setup) % all.length] as Contestant);
    await standTogether(order, async (stands) => {
      for (const mode of modes) {
        const bursts = new Map(order.map(({ name }) => [name, [] as Turn[]]));
        for (let round = 1; round <= options.rounds; round++) {
          process.stderr.write(
            `set-up ${setup + 1} of ${options.setups}, ${mode.name}: round ${round} of ${options.rounds}\n`,
          );
          for (const [{ name, target }, lab] of stands) {
            bursts.get(name)?.push(await turn(lab, target?.(lab) ?? ghost, mode, options.seconds));
          }
        }
        for (const [name, list] of bursts) turns.get(mode)?.get(name)?.push(list);
      }
    });
  }
  return turns;
}

/** Sets all of them up, each in a lab of its own, runs `body`, and ends them in the opposite order. */
async function standTogether(
  [first, ...others]: readonly Contestant[],
  body: (stands: ReadonlyMap<Contestant, Lab>) => Promise<void>,
): Promise<void> {
  if (!first) return body(new Map());
  await withLab({ servers: 4, ghosts: [ghost] }, async (lab) => {
    const end = await first.setUp(lab);
    await standTogether(others, (stands) => body(new Map([[first, lab], ...stands])));
    await end();
  });
}

/** Requests a second over those of another contestant, round by round. */
interface Ratio {
  readonly of: string;
  readonly over: string;
  readonly ratio: MedianInterval;
  /** The least that is wanted. */
  readonly wanted?: number;
}

interface Result {
  readonly mode: string;
  readonly contestants: readonly {
    readonly name: string;
    readonly requestsPerSecond: MedianInterval;
    readonly p99: MedianInterval;
  }[];
  readonly ratios: readonly Ratio[];
}

const compared: readonly Omit<Ratio, 'ratio'>[] = [
  ...['plain', 'dnat', 'haproxy'].map((over) => ({ of: 'oneip', over })),
  { of: 'bystander', over: 'firewall', wanted: 0.99 },
];

function evaluate(all: ReadonlyMap<Mode, ReadonlyMap<string, Turns>>): Result[] {
  return [...all].map(([mode, turns]) => ({
    mode: mode.name,
    contestants: [...turns].map(([name, setups]) => ({
      name,
      requestsPerSecond: overSetups(setups.map((list) => list.map((one) => one.requestsPerSecond))),
      p99: overSetups(setups.map((list) => list.map((one) => one.p99))),
    })),
    ratios: compared.flatMap((pair) => {
      const [of, over] = [turns.get(pair.of), turns.get(pair.over)];
      if (!of || !over) return [];
      const ratios = of.map((list, setup) =>
        list.map((one, round) => one.requestsPerSecond / (over[setup]?.[round]?.requestsPerSecond ?? NaN)),
      );
      return { ...pair, ratio: overSetups(ratios) };
    }),
  }));
}

function format(results: readonly Result[]): string {
  return results
    .map(({ mode, contestants: of, ratios }) => {
      const figures = of.map(({ name, requestsPerSecond, p99 }) => [
        ...[name, formatInterval(requestsPerSecond, 0), formatInterval(p99, 2)],
      ]);
      const head = [mode, 'requests a second', '99th percentile, ms'];
      const conclusions = ratios.map(({ of: one, over, ratio, wanted }) => [
        ...[`${one} / ${over}`, formatInterval(ratio, 3), conclusion(ratio, wanted)],
      ]);
      return `${markdownTable([head, ...figures])}\n${markdownTable([['ratio', 'median', 'conclusion'], ...conclusions])}\n`;
    })
    .join('');
}

runBenchmark({
  usage,
  defaults: { contestants: contestants.map(({ name }) => name).join(), setups: '9', rounds: '2', seconds: '2' },
  read(valueOf) {
    const [setups = 0, rounds = 0, seconds = 0] = ['setups', 'rounds', 'seconds'].map((name) => Number(valueOf(name)));
    const named = valueOf('contestants')
      .split(',')
      .map((name) => contestants.find((contestant) => contestant.name === name));
    const chosen = named.filter((contestant) => contestant !== undefined);
    const isWhole = chosen.length === named.length && [setups, rounds, seconds].every((value) => isCount(value));
    return isWhole ? { contestants: chosen, setups, rounds, seconds } : undefined;
  },
  measure: async (options) => evaluate(await compete(options)),
  format,
});
