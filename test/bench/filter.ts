import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { loadConfiguration } from '../../src/config/validate.ts';
import type { Family } from '../../src/net/address.ts';
import { replaceRuleset, transaction } from '../../src/plan/ruleset-diff.ts';
import { serverFilter } from '../../src/server/filter.ts';
import { atExit } from '../lab/exit.ts';
import { addNamespaces, labFolder, labPrefix, Namespace, removeLab } from '../lab/namespace.ts';
import { tool } from '../lab/paths.ts';
import type { LineProcess } from '../lab/process.ts';
import { clientAddress, ghost, mostClients, port, shortestFrame } from './bench-lab.ts';
import { isCount, runBenchmark } from './program.ts';
import { formatInterval, markdownTable, overSetups, type MedianInterval } from './statistics.ts';

const usage = `usage: make bench BENCH=filter [ARGS="…"]

What a packet costs a server that gets it only because all servers get all packets: datagrams of many clients to everybody, by
XDP's live frames on the server's device, all of them dropped, on one core.

  --family 4|6   IP version (default 4)
  --setups N     how often everything is built anew (default 9; fewer than 6 conclude nothing)
  --rounds N     rounds in each of them (default 4)
  --burst MS     length of each turn (default 150)
  --json         machine-readable result on standard output
`;

/** A way to drop the packets. Each counts them in a counter `left`. */
interface Contestant {
  readonly name: string;
  readonly description: string;
  /** For nft(8), in its own syntax or as JSON. */
  ruleset(family: Family): string;
}

/** Right behind conntrack, as the filter. */
const place = 'type filter hook prerouting priority -199';
const toGhost = (family: Family) => `${family === 4 ? 'ip' : 'ip6'} daddr ${ghost[family]}`;
const plainDrop = (family: Family) => `${toGhost(family)} udp dport ${port} counter name left drop`;
/** The kernel tracks connections where any rule mentions them. */
const tracking = 'chain follow { type filter hook forward priority 0; ct state established accept; }';

const contestants: readonly Contestant[] = [
  {
    name: 'filter',
    description: "oneip's filter on a server without any of 4096 slots",
    ruleset: filterRuleset,
  },
  {
    name: 'drop',
    description: 'one rule at the same place, behind conntrack',
    ruleset: (family) =>
      `table inet plain { counter left { }; ${tracking}\n chain here { ${place}; ${plainDrop(family)}; }\n}\n`,
  },
  {
    name: 'drop-untracked',
    description: 'the same without conntrack',
    ruleset: (family) => `table inet plain { counter left { }; chain here { ${place}; ${plainDrop(family)}; }\n}\n`,
  },
  {
    name: 'ingress',
    description: 'one rule where packets enter: the sender alone, almost',
    ruleset: (family) =>
      `table netdev plain { counter left { }; chain here { type filter hook ingress device "eth0" priority 0; ${plainDrop(family)}; }\n}\n`,
  },
];

function filterRuleset(family: Family): string {
  const { model } = loadConfiguration(
    `
config service 'bench'
	list ghost '${ghost[family]}'
	option proto 'udp'
	list port '${port}'
	list source 'wan'
	option device 'br-lan'
	option dispatch 'broadcast'
config server 'other'
	list service 'bench'
	option ${family === 4 ? "address '192.168.1.11'" : "address6 'fd00:1::11'"}
`,
    'bench',
  );
  const filtered = model.services.map((service) => ({
    service,
    families: [family],
    owned: { [family]: new Uint8Array(service.slots) },
  }));
  return transaction(replaceRuleset(serverFilter(filtered, false)).commands);
}

/** A server with its sender, idle. */
class Stand {
  readonly contestant: Contestant;
  readonly #server: Namespace;
  readonly #prefix = labPrefix();
  readonly #disarm: () => void;
  #sender: LineProcess | undefined;

  constructor(contestant: Contestant) {
    this.contestant = contestant;
    this.#server = new Namespace(`${this.#prefix}-server`);
    this.#disarm = atExit(() => removeLab(this.#prefix));
  }

  async build(family: Family): Promise<void> {
    await addNamespaces([this.#server.name]);
    const mac = '02:00:00:00:02:01';
    await this.#server.ip([
      'link set lo up',
      `link add eth0 address ${mac} type veth peer name far`,
      'link set eth0 up',
      'link set far up',
      `address add ${family === 4 ? '192.168.1.12/24 dev eth0' : 'fd00:1::12/64 dev eth0 nodad'}`,
      `address add ${ghost[family]}/${family === 4 ? 32 : 128} dev lo`,
    ]);
    // With JSON nft opens its standard input by name, which it cannot where that is a socket.
    const folder = labFolder(this.#prefix);
    mkdirSync(folder, { recursive: true });
    const file = join(folder, 'ruleset');
    const ruleset = this.contestant.ruleset(family);
    writeFileSync(file, ruleset);
    await this.#server.run(['nft', ...(ruleset.startsWith('{') ? ['-j'] : []), '-f', file]);
    const flows = [ghost[family], clientAddress(family, 0), mostClients, port, 61_803];
    const cpu = availableParallelism() - 1;
    const everybody = family === 4 ? 'ff:ff:ff:ff:ff:ff' : '33:33:80:00:00:01';
    this.#sender = this.#server.start(
      [tool('bench-sender'), 'xdp', 'eth0', '02:00:00:00:00:01', everybody, ...flows, cpu, shortestFrame].map(String),
    );
    await this.#sender.waitFor((line) => line === 'ready' || undefined);
    await this.#send('pass');
  }

  /** Packets per second. */
  async burst(milliseconds: number): Promise<number> {
    const { sent, seconds } = await this.#send(`run ${milliseconds}`);
    return sent / seconds;
  }

  async end(): Promise<void> {
    this.#sender?.closeInput();
    await this.#sender?.ended;
    removeLab(this.#prefix);
    this.#disarm();
  }

  /** Rejects where a packet was not dropped by the rule in question. */
  async #send(command: string): Promise<{ sent: number; seconds: number }> {
    if (!this.#sender) throw new Error('not built');
    const before = await this.#left();
    const [sent = 0, nanoseconds = 0] = await this.#sender.ask(command, (line) =>
      line.startsWith('sent ') ? line.split(' ').slice(1).map(Number) : undefined,
    );
    const dropped = (await this.#left()) - before;
    if (dropped !== sent) throw new Error(`${this.contestant.name}: ${sent} packets sent, ${dropped} dropped`);
    return { sent, seconds: nanoseconds / 1e9 };
  }

  async #left(): Promise<number> {
    const listing = JSON.parse(await this.#server.run(['nft', '-j', 'list', 'counters'])) as {
      nftables: readonly { counter?: { name: string; packets: number } }[];
    };
    return listing.nftables.find(({ counter }) => counter?.name === 'left')?.counter?.packets ?? NaN;
  }
}

/** Rates of one set-up, by contestant and round. */
async function setUpAndCompete(setup: number, family: Family, rounds: number, burst: number): Promise<number[][]> {
  const stands = contestants.map((contestant) => new Stand(contestant));
  const order = stands.map((_, index) => stands[(index + setup) % stands.length] ?? stands[index]);
  for (const stand of order) await stand?.build(family);
  const rates = new Map<Stand, number[]>(stands.map((stand) => [stand, []]));
  for (let round = 0; round < rounds; round++) {
    for (const stand of order) if (stand) rates.get(stand)?.push(await stand.burst(burst));
  }
  for (const stand of stands) await stand.end();
  return stands.map((stand) => rates.get(stand) ?? []);
}

interface Options {
  readonly family: Family;
  readonly setups: number;
  readonly rounds: number;
  /** Milliseconds. */
  readonly burst: number;
}

interface Result {
  readonly contestant: string;
  readonly description: string;
  readonly family: Family;
  /** Millions of packets per second. */
  readonly rate: MedianInterval;
  /** Nanoseconds a packet, the sender's share among them. */
  readonly cost: MedianInterval;
  /** To the rate of `drop`, within a round. */
  readonly ratio: MedianInterval;
}

async function measure({ family, setups, rounds, burst }: Options): Promise<Result[]> {
  const gathered: number[][][] = [];
  for (let setup = 0; setup < setups; setup++) {
    process.stderr.write(`set-up ${setup + 1} of ${setups}\n`);
    gathered.push(await setUpAndCompete(setup, family, rounds, burst));
  }
  const over = (place: number, valueOf: (rate: number, drop: number) => number) =>
    overSetups(gathered.map((rates) => (rates[place] ?? []).map((rate, at) => valueOf(rate, rates[1]?.[at] ?? NaN))));
  return contestants.map(({ name, description }, place) => ({
    ...{ contestant: name, description, family },
    rate: over(place, (rate) => rate / 1e6),
    cost: over(place, (rate) => 1e9 / rate),
    ratio: over(place, (rate, drop) => rate / drop),
  }));
}

function format(results: readonly Result[]): string {
  const rows = results.map(({ contestant, description, rate, cost, ratio }) => {
    return [contestant, formatInterval(rate, 3), formatInterval(cost, 0), formatInterval(ratio, 3), description];
  });
  const head = [`dropped by, IPv${results[0]?.family ?? 4}`, 'M/s', 'ns', '/ drop', 'what'];
  return markdownTable([head, ...rows]);
}

runBenchmark({
  usage,
  defaults: { family: '4', setups: '9', rounds: '4', burst: '150' },
  read(valueOf) {
    const family = valueOf('family') === '6' ? 6 : 4;
    const [setups = 0, rounds = 0, burst = 0] = ['setups', 'rounds', 'burst'].map((name) => Number(valueOf(name)));
    return [setups, rounds, burst].every((value) => isCount(value)) ? { family, setups, rounds, burst } : undefined;
  },
  measure,
  format,
});
