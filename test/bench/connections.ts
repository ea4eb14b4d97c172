import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ghostPlaces } from '../lab/addresses.ts';
import { withLab, type Lab } from '../lab/lab.ts';
import { webService } from '../lab/web-service.ts';
import { peerProgram } from './peer-programs.ts';
import { isCount, runBenchmark } from './program.ts';
import { formatInterval, markdownTable, overSetups, type MedianInterval } from './statistics.ts';

const usage = `usage: make bench BENCH=connections [ARGS="…"]

Real HTTP through the router: wrk outside, nginx on four servers, each contestant in a network of its own and in turn. Once with
64 connections that stay, once with a new connection for each request.

  --setups N      how often everything is built anew (default 9; fewer than 6 conclude nothing)
  --rounds N      rounds in each of them (default 2)
  --seconds N     length of each turn (default 2)
  --json          machine-readable result on standard output
`;

const ghost = ghostPlaces.elsewhere[4];
const connections = 64;

/** A way from the clients to the servers. */
interface Contestant {
  readonly name: string;
  readonly description: string;
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
];

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

const modes = {
  'connections that stay': [],
  'a connection for each request': ['-H', 'Connection: close'],
} as const;
type Mode = keyof typeof modes;
const modeNames = Object.keys(modes) as Mode[];

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

async function turn(lab: Lab, mode: Mode, seconds: number): Promise<Turn> {
  const script = join(lab.folder, 'report.lua');
  writeFileSync(script, reportScript);
  const options = ['-t1', `-c${connections}`, `-d${seconds}s`, '-s', script, ...modes[mode]];
  const output = await lab.wan.run([...peerProgram('usr/bin/wrk'), ...options, `http://${ghost}/`]);
  const numbers = /^turn (.*)$/m.exec(output)?.[1]?.split(' ').map(Number);
  const [requests = 0, microseconds = 0, errors = 0, p99 = 0] = numbers ?? [];
  // With a connection for each request, those that are open when the time is over count as read errors.
  if (!numbers || requests === 0 || errors > connections) throw new Error(`wrk went wrong:\n${output}`);
  return { requestsPerSecond: (requests / microseconds) * 1e6, p99: p99 / 1000 };
}

/** Turns of each contestant in each mode, by set-up and round. */
type Turns = Readonly<Record<Mode, Map<string, Turn[][]>>>;

interface Options {
  readonly setups: number;
  readonly rounds: number;
  readonly seconds: number;
}

async function compete(options: Options): Promise<Turns> {
  const empty = () => new Map(contestants.map(({ name }) => [name, [] as Turn[][]]));
  const turns: Turns = { 'connections that stay': empty(), 'a connection for each request': empty() };
  for (let setup = 0; setup < options.setups; setup++) {
    const order = contestants.map((_, place) => contestants[(place + setup) % contestants.length] as Contestant);
    await standTogether(order, async (stands) => {
      for (const mode of modeNames) {
        const bursts = new Map(order.map(({ name }) => [name, [] as Turn[]]));
        for (let round = 1; round <= options.rounds; round++) {
          process.stderr.write(
            `set-up ${setup + 1} of ${options.setups}, ${mode}: round ${round} of ${options.rounds}\n`,
          );
          for (const [name, lab] of stands) bursts.get(name)?.push(await turn(lab, mode, options.seconds));
        }
        for (const [name, list] of bursts) turns[mode].get(name)?.push(list);
      }
    });
  }
  return turns;
}

/** Sets all of them up, each in a lab of its own, runs `body`, and ends them in the opposite order. */
async function standTogether(
  [first, ...others]: readonly Contestant[],
  body: (stands: ReadonlyMap<string, Lab>) => Promise<void>,
): Promise<void> {
  if (!first) return body(new Map());
  await withLab({ servers: 4, ghosts: [ghost] }, async (lab) => {
    const end = await first.setUp(lab);
    await standTogether(others, (stands) => body(new Map([[first.name, lab], ...stands])));
    await end();
  });
}

interface Result {
  readonly mode: Mode;
  readonly contestant: string;
  readonly requestsPerSecond: MedianInterval;
  readonly p99: MedianInterval;
  /** oneip's requests a second over this one's, round by round. */
  readonly ratio: MedianInterval;
}

function evaluate(turns: Turns): Result[] {
  return modeNames.flatMap((mode) => {
    const ours = turns[mode].get('oneip') ?? [];
    return [...turns[mode]].map(([contestant, setups]) => ({
      ...{ mode, contestant },
      requestsPerSecond: overSetups(setups.map((list) => list.map((one) => one.requestsPerSecond))),
      p99: overSetups(setups.map((list) => list.map((one) => one.p99))),
      ratio: overSetups(
        setups.map((list, setup) =>
          list.map((one, round) => (ours[setup]?.[round]?.requestsPerSecond ?? NaN) / one.requestsPerSecond),
        ),
      ),
    }));
  });
}

function format(results: readonly Result[]): string {
  return modeNames
    .map((mode) => {
      const lines = results
        .filter((result) => result.mode === mode)
        .map(({ contestant, requestsPerSecond, p99, ratio }) => {
          const isOpen = contestant !== 'oneip' && ratio.low <= 1 && ratio.high >= 1;
          const remark = isOpen ? ', the spread is wider than the difference' : '';
          return [
            contestant,
            formatInterval(requestsPerSecond, 0),
            formatInterval(p99, 2),
            `${formatInterval(ratio, 3)}${remark}`,
          ];
        });
      const head = [mode, 'requests a second', '99th percentile, ms', 'oneip over this'];
      return `${markdownTable([head, ...lines])}\n`;
    })
    .join('');
}

runBenchmark({
  usage,
  defaults: { setups: '9', rounds: '2', seconds: '2' },
  read(valueOf) {
    const [setups = 0, rounds = 0, seconds = 0] = ['setups', 'rounds', 'seconds'].map((name) => Number(valueOf(name)));
    return [setups, rounds, seconds].every((value) => isCount(value)) ? { setups, rounds, seconds } : undefined;
  },
  measure: async (options) => evaluate(await compete(options)),
  format,
});
