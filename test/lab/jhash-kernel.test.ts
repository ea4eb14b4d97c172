import { endianness } from 'node:os';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { slotOf } from '../../src/allocation/client-key.ts';
import type { ClientPacket } from '../../src/allocation/client-key.ts';
import type { HashKey } from '../../src/config/model.ts';
import { addressFromBytes } from '../../src/net/address.ts';
import type { Address, Family } from '../../src/net/address.ts';
import type { Json } from '../../src/ruleset/expression.ts';
import { concat, match, meta, payload, raw, set } from '../../src/ruleset/expression.ts';
import { forwardHashKey, icmpErrorHashKey } from '../../src/ruleset/hash-key.ts';
import { Random } from '../unit/support/random.ts';
import { atExit } from './exit.ts';
import { addNamespaces, labPrefix, Namespace, removeLab } from './namespace.ts';
import { tool } from './paths.ts';

// Random clients send a packet with ports, one without, and the two ICMP errors that answers to these would cause; the kernel
// hashes each packet with the very expressions of our rulesets and writes down the slots, and the twin has to agree.

const littleEndian = endianness() === 'LE';
const clientsOfMainKeys = (globalThis as { ONEIP_FULL?: boolean }).ONEIP_FULL === true ? 50_000 : 10_000;
const ghosts = { 4: [198, 51, 100, 1], 6: [0x20, 1, 0xd, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1] } as const;
const [TCP, UDP, GRE, ESP, SCTP] = [6, 17, 47, 50, 132] as const;
const IP_ICMP = { 4: 1, 6: 58 } as const;

interface Client {
  readonly address: Address;
  readonly ports: { readonly client: number; readonly service: number };
  /** Protocol of its packet with ports, and of the one without. */
  readonly withPorts: number;
  readonly without: number;
}

/** One rule that hashes, and the set that takes what it finds. */
interface Trial {
  readonly name: string;
  readonly key: Json;
  readonly where: Json;
  readonly seed: number;
  readonly slots: number;
  readonly expected: (client: Client) => number;
}

const prefix = labPrefix();
const inside = new Namespace(`${prefix}-jhash`);
const tests = suite('jhash');

tests.before(async () => {
  atExit(() => removeLab(prefix));
  await addNamespaces([inside.name]);
  await inside.ip(['link add out type veth peer name in', 'link set out up', 'link set in up']);
});
tests.after(() => removeLab(prefix));

function randomClients(random: Random, family: Family, count: number): Client[] {
  const found = new Map<string, Client>();
  while (found.size < count) {
    const address = addressFromBytes(random.bytes(family === 4 ? 4 : 16));
    const ports = { client: random.below(65536), service: random.below(65536) };
    const withPorts = [TCP, UDP][random.below(2)] ?? TCP;
    const without = [GRE, ESP, SCTP][random.below(3)] ?? GRE;
    found.set(address.text, { address, ports, withPorts, without });
  }
  return [...found.values()];
}

const twoBytes = (number: number): number[] => [number >> 8, number & 255];

/** A packet from one address to another; checksums are left out, since nobody looks at them at ingress. */
function packet(from: ArrayLike<number>, to: ArrayLike<number>, protocol: number, data: readonly number[]): number[] {
  const addresses = [...Array.from(from), ...Array.from(to)];
  return from.length === 4
    ? [0x45, 0, ...twoBytes(20 + data.length), 0, 0, 0x40, 0, 64, protocol, 0, 0, ...addresses, ...data]
    : [0x60, 0, 0, 0, ...twoBytes(data.length), protocol, 64, ...addresses, ...data];
}

/** What a client sends, and the errors about what it would be sent (RFC 792, RFC 4443): four packets. */
function packetsOf({ address, ports, withPorts, without }: Client): number[][] {
  const { family, bytes } = address;
  const ghost = ghosts[family];
  const rest = Array.from({ length: 12 }, () => 0);
  const transport = (source: number, destination: number) => [...twoBytes(source), ...twoBytes(destination), ...rest];
  const error = (inner: number[]) =>
    packet(bytes, ghost, IP_ICMP[family], [family === 4 ? 3 : 1, 0, 0, 0, 0, 0, 0, 0, ...inner]);
  return [
    packet(bytes, ghost, withPorts, transport(ports.client, ports.service)),
    packet(bytes, ghost, without, rest),
    error(packet(ghost, bytes, withPorts, transport(ports.service, ports.client))),
    error(packet(ghost, bytes, without, rest)),
  ];
}

/** Forward and inner key of one kind of packet. */
function trialsOf(family: Family, hash: HashKey, prefix6: number, slots: number, seed: number): Trial[] {
  const protocols = (...numbers: number[]): Json => ({ set: numbers });
  const inner = family === 4 ? raw('th', 136, 8) : raw('th', 112, 8);
  return (['ports', 'none'] as const).flatMap((kind) => {
    const among = kind === 'ports' ? protocols(TCP, UDP) : protocols(GRE, ESP, SCTP);
    const expected = ({ address, ports, withPorts, without }: Client): number => {
      const sent: ClientPacket =
        kind === 'ports' ? { client: address, protocol: withPorts, ports } : { client: address, protocol: without };
      return slotOf(sent, { hash, hashPrefix6: prefix6, slots, seed }, littleEndian);
    };
    const name = `${hash}-${kind}-${prefix6}-${seed}`;
    const common = { slots, seed, expected };
    return [
      {
        ...common,
        name: `${name}-forward`,
        key: forwardHashKey(hash, family, kind, prefix6),
        where: match(meta('l4proto'), among),
      },
      {
        ...common,
        name: `${name}-inner`,
        key: icmpErrorHashKey(hash, family, kind, prefix6),
        where: match(inner, among),
      },
    ];
  });
}

function ruleset(family: Family, trials: readonly Trial[], size: number): Json {
  const table = { family: 'netdev', table: 'hashes' };
  const protocol = family === 4 ? 'ip' : 'ip6';
  const chain = (name: string): Json => ({ add: { chain: { ...table, name } } });
  const rule = (chainName: string, ...expr: Json[]): Json => ({ add: { rule: { ...table, chain: chainName, expr } } });
  const type = [family === 4 ? 'ipv4_addr' : 'ipv6_addr', 'mark'];
  return {
    nftables: [
      { add: { table: { family: 'netdev', name: 'hashes' } } },
      { delete: { table: { family: 'netdev', name: 'hashes' } } },
      { add: { table: { family: 'netdev', name: 'hashes' } } },
      chain('forward'),
      chain('inner'),
      {
        add: {
          chain: { ...table, name: 'ingress', type: 'filter', hook: 'ingress', dev: 'in', prio: 0, policy: 'drop' },
        },
      },
      { add: { counter: { ...table, name: 'arrived' } } },
      ...trials.flatMap(({ name, key, where, seed, slots }) => [
        { add: { set: { ...table, name, type, size: 2 * size } } },
        rule(
          name.endsWith('inner') ? 'inner' : 'forward',
          where,
          set(meta('mark'), { jhash: { mod: slots, seed, offset: 0, expr: key } }),
          { set: { op: 'update', elem: concat(payload(protocol, 'saddr'), meta('mark')), set: `@${name}` } },
        ),
      ]),
      rule('ingress', match(payload(protocol, 'daddr'), addressFromBytes(ghosts[family]).text), { counter: 'arrived' }),
      rule('ingress', match(meta('l4proto'), IP_ICMP[family]), { goto: { target: 'inner' } }),
      rule('ingress', { goto: { target: 'forward' } }),
    ],
  };
}

/** Sends the packets of all clients and waits until all have come through. */
async function send(clients: readonly Client[]): Promise<void> {
  const sender = inside.start([tool('inject'), 'out']);
  await sender.waitFor((line) => line === 'ready' || undefined);
  const batch = 500;
  for (let at = 0; at < clients.length; at += batch) {
    const packets = clients.slice(at, at + batch).flatMap(packetsOf);
    let sent = 0;
    const all = sender.waitFor((line) => {
      assert.is(line, 'sent');
      return ++sent === packets.length || undefined;
    });
    for (const bytes of packets) {
      const type = (bytes[0] ?? 0) >> 4 === 6 ? '86dd' : '0800';
      sender.send(`ffffffffffff020000000001${type}${Buffer.from(bytes).toString('hex')}`);
    }
    await all;
  }
  sender.closeInput();
  await sender.ended;
}

interface Listing {
  readonly nftables: readonly {
    readonly counter?: { readonly packets: number };
    readonly set?: { readonly name: string; readonly elem?: readonly { readonly concat: readonly [string, number] }[] };
  }[];
}

/** Slots by client that the kernel has found in each trial. */
async function run(
  family: Family,
  trials: readonly Trial[],
  clients: readonly Client[],
): Promise<Map<string, Map<string, number[]>>> {
  // nft opens /dev/stdin by its name, which no socket allows, and that is what Node gives its children.
  await inside.run(['sh', '-c', 'cat | nft -j -f -'], JSON.stringify(ruleset(family, trials, clients.length)));
  await send(clients);
  // The kernel lists a large set in pieces and finds its place again by counting: while it spreads the elements over more
  // buckets, some are told twice and others not at all.
  for (let attempt = 1; ; attempt++) {
    const { nftables } = JSON.parse(await inside.run(['nft', '-j', 'list', 'table', 'netdev', 'hashes'])) as Listing;
    assert.is(nftables.find(({ counter }) => counter)?.counter?.packets, 4 * clients.length, 'packets that arrived');
    const found = new Map(nftables.flatMap(({ set }) => (set ? [[set.name, slotsIn(set)] as const] : [])));
    if (attempt === 5 || [...found.values()].every((slots) => slots.size === clients.length)) return found;
  }
}

/** Slots by client. */
function slotsIn({ elem = [] }: NonNullable<Listing['nftables'][number]['set']>): Map<string, number[]> {
  const slots = new Map<string, number[]>();
  for (const { concat } of elem) {
    const [client, slot] = concat;
    const known = slots.get(client) ?? [];
    if (!known.includes(slot)) slots.set(client, [...known, slot]);
  }
  return slots;
}

async function compare(family: Family, trials: readonly Trial[], clients: readonly Client[]): Promise<number> {
  const found = await run(family, trials, clients);
  let compared = 0;
  for (const { name, expected } of trials) {
    const slots = found.get(name) ?? new Map<string, number[]>();
    assert.is(slots.size, clients.length, `${name}: clients seen by the kernel`);
    for (const client of clients) {
      const seen = slots.get(client.address.text);
      if (seen?.length !== 1 || seen[0] !== expected(client)) {
        assert.unreachable(`${name}: ${client.address.text} in slots ${seen?.join()}, predicted ${expected(client)}`);
      }
      compared++;
    }
  }
  return compared;
}

for (const family of [4, 6] as const) {
  tests(
    `IPv${family}: the kernel finds the slots that the twin predicts, for every key, in packets and ICMP errors`,
    async () => {
      const random = new Random(family);
      const trials = (['source', 'source_port'] as const).flatMap((hash) =>
        trialsOf(family, hash, 64, 4096, random.word()),
      );
      const clients = randomClients(random, family, clientsOfMainKeys);
      const compared = await compare(family, trials, clients);
      console.log(`\n# IPv${family}: ${clients.length} clients, ${compared} slots agree`);
    },
  );
}

tests('IPv6: the same for every length of the prefix', async () => {
  const random = new Random(66);
  let compared = 0;
  for (let prefix6 = 32; prefix6 <= 128; prefix6 += 8) {
    const trials = (['source', 'source_port'] as const).flatMap((hash) =>
      trialsOf(6, hash, prefix6, 1024, random.word()),
    );
    compared += await compare(6, trials, randomClients(random, 6, 1000));
  }
  console.log(`\n# IPv6 prefixes of 32–128 bits: ${compared} slots agree`);
});

tests('seeds and sizes: the least, the greatest and those between', async () => {
  const random = new Random(3);
  for (const [seed, slots] of [
    [0, 256],
    [1, 512],
    [0x7fff_ffff, 2048],
    [0x8000_0000, 4096],
    [0xffff_ffff, 4096],
  ] as const) {
    await compare(4, trialsOf(4, 'source_port', 64, slots, seed), randomClients(random, 4, 200));
  }
});

tests.run();
