import { parseArgs } from 'node:util';
import type { Family } from '../../src/net/address.ts';
import { mostClients, mostServers, senders, shortestFrame, type Load, type Sender } from './bench-lab.ts';
import {
  contestantNamed,
  contestants,
  fullContestants,
  reducedContestant,
  rulesetContestant,
  usualContestants,
} from './contestants.ts';
import type { Contestant } from './contestant.ts';

const named = (list: readonly Contestant[]) => list.map(({ name }) => name);

/** All names, in lines that fit beside the options. */
const allNames = named(contestants)
  .join(', ')
  .replace(/(.{60,90}), /g, `$1,\n${' '.repeat(28)}`);

/** The longest frame of a network whose packets have 1500 bytes, with its check sequence. */
const longestFrame = 1518;

export const usage = `usage: make bench [BENCH=packets] [ARGS="…"]

Sends UDP frames of many clients through a router namespace on one core, by each contestant in turn, and counts what arrives at
the servers. Writes the result to build/bench/packets.json, too.

  --full                all there is, as far as 25 minutes reach: 4, 64 and 256 servers, both families, 1 and ${mostClients}
                        clients, frames of 64 and 1400 bytes, and all contestants that people may use; what is named beside it
                        counts instead
  --servers N[,N…]      servers behind the router, each behind a port of one bridge (default 4,64; 1–${mostServers})
  --contestants A[,B…]  of: ${allNames}
                        (default ${named(usualContestants).join(',')}; the same name twice shows the noise)
  --without NAME=C[,C]  adds a contestant: oneip's ruleset, without those rules of the fast path that have the comment C, or
                        other parts (see service.ts); may be repeated
  --bystander-without NAME=C[,C]   the same for packets of no service
  --ruleset [NAME=]FILE adds a contestant: a ruleset for nft -f, or, if FILE is executable, what it prints when it is run in
                        the router with SERVERS and FAMILY set; may be repeated
  --sender xdp|raw      who sends: the kernel on the router's device (default, where it can), or a packet socket outside
  --family 4|6|4,6      IP version (default 4)
  --clients N[,N…]      client addresses, each with one port (default and most ${mostClients}); with several numbers, fewer are
                        the first of the most, all of which have sent before
  --size N[,N…]         bytes of a frame on the wire, with its check sequence (default ${shortestFrame}, of which IPv6 makes 66; up to ${longestFrame})
  --setups N            how often everything is built anew (default: BENCH_SETUPS, or 9; fewer than 6 conclude nothing)
  --rounds N            rounds in each of them (default 4; --full: 2)
  --burst MS            length of each turn (default 150; --full: 60)
  --minutes N           begins no set-up that would end later, but has one of everything (default: no limit; --full: 25)
  --json                machine-readable result on standard output
  --check               status 1 where a wanted ratio is missed for certain
`;

export interface Options {
  readonly servers: readonly number[];
  readonly families: readonly Family[];
  /** All numbers of clients with all sizes. */
  readonly loads: readonly Load[];
  readonly field: readonly Contestant[];
  readonly sender: Sender;
  readonly setups: number;
  readonly rounds: number;
  readonly burst: number;
  /** Infinite where there is no limit. */
  readonly minutes: number;
  readonly json: boolean;
  readonly check: boolean;
}

export type RequestedOptions = Omit<Options, 'sender'> & Partial<Pick<Options, 'sender'>>;

const usual = {
  ...{ servers: '4,64', family: '4', clients: String(mostClients), size: String(shortestFrame) },
  ...{ contestants: named(usualContestants).join(','), rounds: '4', burst: '150', minutes: 'Infinity' },
};

const full: typeof usual = {
  ...{ servers: '4,64,256', family: '4,6', clients: `1,${mostClients}`, size: `${shortestFrame},1400` },
  ...{ contestants: named(fullContestants).join(','), rounds: '2', burst: '60', minutes: '25' },
};

/**
 * Reads a command line; `undefined` where it asks for help.
 *
 * @throws RangeError where a value makes no sense
 */
export function parseOptions(args: readonly string[]): RequestedOptions | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      full: { type: 'boolean', default: false },
      servers: { type: 'string' },
      contestants: { type: 'string' },
      without: { type: 'string', multiple: true, default: [] },
      'bystander-without': { type: 'string', multiple: true, default: [] },
      ruleset: { type: 'string', multiple: true, default: [] },
      sender: { type: 'string' },
      family: { type: 'string' },
      clients: { type: 'string' },
      size: { type: 'string' },
      setups: { type: 'string', default: process.env['BENCH_SETUPS'] ?? '9' },
      rounds: { type: 'string' },
      burst: { type: 'string' },
      minutes: { type: 'string' },
      json: { type: 'boolean', default: false },
      check: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const defaults = values.full ? full : usual;
  const valueOf = (name: keyof typeof usual) => values[name] ?? defaults[name];
  const listOf = (name: keyof typeof usual) =>
    valueOf(name)
      .split(',')
      .filter((word) => word !== '');
  const more = [
    ...values.without.map((text) => reducedContestant(text, 'service')),
    ...values['bystander-without'].map((text) => reducedContestant(text, 'bystander')),
    ...values.ruleset.map(rulesetContestant),
  ];
  const sizes = listOf('size').map((text) => wholeNumber('size', text, longestFrame, shortestFrame));
  const clients = listOf('clients').map((text) => wholeNumber('clients', text, mostClients));
  return {
    servers: listOf('servers').map((text) => wholeNumber('servers', text, mostServers)),
    families: listOf('family').map((text) => (wholeNumber('family', text, 6, 4) === 6 ? 6 : 4)),
    loads: sizes.flatMap((size) => clients.map((count) => ({ clients: count, size }))),
    field: [...listOf('contestants').map((name) => ({ ...contestantNamed(name) })), ...more],
    ...(values.sender === undefined ? {} : { sender: senderNamed(values.sender) }),
    setups: wholeNumber('setups', values.setups, 1000),
    rounds: wholeNumber('rounds', valueOf('rounds'), 1000),
    burst: wholeNumber('burst', valueOf('burst'), 10_000),
    minutes: valueOf('minutes') === 'Infinity' ? Infinity : wholeNumber('minutes', valueOf('minutes'), 1000),
    json: values.json,
    check: values.check,
  };
}

function senderNamed(name: string): Sender {
  const found = senders.find((sender) => sender === name);
  if (!found) throw new RangeError(`no sender is called '${name}'`);
  return found;
}

function wholeNumber(name: string, text: string, most: number, least = 1): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < least || value > most)
    throw new RangeError(`--${name}: ${least}–${most}, not '${text}'`);
  return value;
}
