import { parseArgs } from 'node:util';
import { allocate, type Member } from '../../src/allocation/table.ts';
import { Random } from '../unit/support/random.ts';
import { maglev, maglevSize, modulo } from './maglev.ts';
import { medianInterval } from './statistics.ts';

/** A table of Maglev's that takes as much room as ours. */
const primeNearOurs = 4093;

const usage = `usage: make bench BENCH=table [ARGS="…"]

How evenly a table spreads clients over servers, and how many of them move beyond the need when a server dies, when another one
dies while a quarter of them is down, and when one more is configured: oneip's table of 4096 slots, Maglev's of ${maglevSize}
entries and of ${primeNearOurs}, and the remainder of the hash. The same on every machine.

  --servers N[,N…]  (default 2,3,4,5,8,16,32,64,128,256)
  --cases N         servers that die or join, for each number (default 8)
  --json            machine-readable result on standard output
`;

const slots = 4096;

interface Contestant {
  readonly name: string;
  /** The index of each place's server, as many places as the contestant has. */
  table(members: readonly Member[], down: ReadonlySet<string>): Uint16Array;
}

/** A server that is down has left, for those that know no difference. */
const withoutThem = (members: readonly Member[], down: ReadonlySet<string>): Member[] =>
  members.map(({ name, weight }) => ({ name, weight: down.has(name) ? 0 : weight }));

const contestants: readonly Contestant[] = [
  { name: 'oneip', table: (members, down) => allocate(members, down, slots, 1) },
  { name: 'maglev', table: (members, down) => maglev(withoutThem(members, down)) },
  { name: 'maglev-4093', table: (members, down) => maglev(withoutThem(members, down), primeNearOurs) },
  { name: 'modulo', table: (members, down) => modulo(withoutThem(members, down)) },
];

const mixes = [
  { name: 'equal', weight: () => 100 },
  { name: 'mixed', weight: (random: Random) => 10 + random.below(191) },
];

const events = ['death', 'further', 'join'] as const;
type Event = (typeof events)[number];

interface Result {
  readonly servers: number;
  readonly weights: string;
  readonly contestant: string;
  /** Largest part of the table over the fair one, with everybody up. */
  readonly largest: number;
  /** Per cent of the table that moves beyond the need: median and worst of all cases. */
  readonly beyond: Readonly<Record<Event, { readonly median: number; readonly worst: number }>>;
}

const nobody: ReadonlySet<string> = new Set();

function fairShares(members: readonly Member[], down: ReadonlySet<string>): number[] {
  const live = withoutThem(members, down);
  const total = live.reduce((sum, { weight }) => sum + weight, 0);
  return live.map(({ weight }) => weight / total);
}

function largestOverFair(members: readonly Member[], table: Uint16Array): number {
  const counts = members.map(() => 0);
  for (const index of table) counts[index] = (counts[index] ?? 0) + 1;
  const fair = fairShares(members, nobody);
  return Math.max(...counts.map((count, index) => count / table.length / (fair[index] ?? NaN)));
}

/** Per cent of the table with another server after the change, less what fair shares grow by. */
function beyondNeed(
  before: { table: Uint16Array; fair: readonly number[] },
  after: { table: Uint16Array; fair: readonly number[] },
): number {
  const moved = before.table.filter((index, place) => after.table[place] !== index).length / before.table.length;
  const need = after.fair.reduce((sum, fair, index) => sum + Math.max(0, fair - (before.fair[index] ?? 0)), 0);
  return 100 * Math.max(0, moved - need);
}

function measure({ table }: Contestant, members: readonly Member[], joining: readonly Member[]) {
  const seen = (set: readonly Member[], down: ReadonlySet<string>) => ({
    table: table(set, down),
    fair: fairShares(set, down),
  });
  const random = new Random(members.length);
  const beyond: Record<Event, number[]> = { death: [], further: [], join: [] };
  const whole = seen(members, nobody);
  for (const newcomer of joining) {
    const [victim, ...others] = random.shuffle(members).map(({ name }) => name);
    if (victim === undefined) continue;
    beyond.death.push(beyondNeed(whole, seen(members, new Set([victim]))));
    const down = others.slice(0, Math.floor(members.length / 4));
    const [before, after] = [seen(members, new Set(down)), seen(members, new Set([...down, victim]))];
    if (down.length > 0) beyond.further.push(beyondNeed(before, after));
    beyond.join.push(beyondNeed(whole, seen([...members, newcomer], nobody)));
  }
  return { largest: largestOverFair(members, whole.table), beyond };
}

function run(servers: number, cases: number): Result[] {
  return mixes.flatMap(({ name: weights, weight }) => {
    const random = new Random(7 * servers);
    const newMember = (name: string): Member => ({ name, weight: weight(random) });
    const members = Array.from({ length: servers }, (_, index) => newMember(`server${index + 1}`));
    const joining = Array.from({ length: cases }, (_, index) => newMember(`newcomer${index + 1}`));
    return contestants.map((contestant) => {
      process.stderr.write(`${servers} servers, ${weights} weights: ${contestant.name}\n`);
      const { largest, beyond } = measure(contestant, members, joining);
      const summary = (event: Event) => {
        const values = beyond[event].length > 0 ? beyond[event] : [0];
        return { median: medianInterval(values).median, worst: Math.max(...values) };
      };
      return {
        ...{ servers, weights, contestant: contestant.name, largest },
        beyond: { death: summary('death'), further: summary('further'), join: summary('join') },
      };
    });
  });
}

function format(results: readonly Result[]): string {
  const lines = results.map(({ servers, weights, contestant, largest, beyond }) => {
    const cells = events.map((event) =>
      `${beyond[event].median.toFixed(2)} (${beyond[event].worst.toFixed(2)})`.padStart(16),
    );
    return `${String(servers).padStart(7)}  ${weights}  ${contestant.padEnd(12)}${largest.toFixed(4).padStart(8)}${cells.join('')}`;
  });
  return [
    'moved beyond the need: per cent of the table, median (worst)',
    'servers  weights              largest        one dies    another dies       one joins',
    ...lines,
    '',
  ].join('\n');
}

const { values } = parseArgs({
  options: {
    servers: { type: 'string', default: '2,3,4,5,8,16,32,64,128,256' },
    cases: { type: 'string', default: '8' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
const counts = values.servers.split(',').map(Number);
const cases = Number(values.cases);
const isBetween = (value: number, least: number, most: number) =>
  Number.isInteger(value) && value >= least && value <= most;
if (values.help || !isBetween(cases, 1, 1000) || !counts.every((count) => isBetween(count, 2, 256))) {
  process.stderr.write(usage);
  process.exit(values.help ? 0 : 2);
}
const results = counts.flatMap((servers) => run(servers, cases));
process.stdout.write(values.json ? `${JSON.stringify(results, null, 2)}\n` : format(results));
