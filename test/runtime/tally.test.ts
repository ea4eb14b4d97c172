import { littleEndian, processorTime, tally } from 'oneip:runtime';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ConnectionTally } from '../../src/host/connection-tally.ts';
import { NETLINK_NETFILTER, NetlinkChannel, NetlinkError } from '../../src/host/netlink-channel.ts';
import type { Address, Family } from '../../src/net/address.ts';
import { parseAddress } from '../../src/net/address.ts';
import {
  CONNTRACK_GET,
  LIVE_CONNECTIONS,
  encodeConnectionDump,
  liveConnectionKey,
} from '../../src/netlink/conntrack.ts';
import { LIVE_FLOWS, NFT_MSG_GETSETELEM, encodeFlowQuestion } from '../../src/netlink/flow-elements.ts';
import { NLMSG_DONE, NLMSG_ERROR, NLM_F_CREATE, PayloadWriter, encodeMessage } from '../../src/netlink/message.ts';
import { nftablesType } from '../../src/netlink/nftables.ts';
import { encodePlan, encodeRanges, sortRanges } from '../../src/netlink/tally.ts';
import type { KeyRange, TallyPlan } from '../../src/netlink/tally.ts';
import { Random } from '../unit/support/random.ts';
import { enterNamespace, runOnLines, shell } from './support/namespace.ts';
import { closeOpened, opened } from './support/opened.ts';
import { removeScratch } from './support/script.ts';

await enterNamespace();

const isFull = (globalThis as { ONEIP_FULL?: boolean }).ONEIP_FULL === true;

test.after.each(closeOpened);
test.after(removeScratch);

/** Keys of one byte, in an attribute of a list's entries; those whose other one is above 5 do not count. */
const PLAN: TallyPlan = {
  ...{ header: 4, list: [3] },
  limit: { path: [9, 1], most: 5 },
  key: [{ path: [1, 2], length: 1 }],
};
const SEQUENCE = 7;

function range(first: number, last: number): KeyRange {
  return { first: Uint8Array.from([first]), last: Uint8Array.from([last]) };
}

interface Entry {
  readonly key?: number;
  readonly limit?: number;
}

function listMessage(entries: readonly Entry[], sequence = SEQUENCE): Uint8Array {
  const payload = new PayloadWriter(littleEndian).bytes([1, 0, 0, 0]).nest(3, (list) => {
    for (const { key, limit } of entries) {
      list.nest(1, (entry) => {
        entry.attribute(4, [1, 2, 3]);
        if (key !== undefined) entry.nest(1, (value) => value.attribute(2, [key]));
        if (limit !== undefined) entry.nest(9, (value) => value.attributeU8(1, limit));
      });
    }
  });
  return encodeMessage({ type: 700, flags: 0, sequence, port: 0, payload: payload.finish() }, littleEndian);
}

function ending(type: number, errno: number): Uint8Array {
  const payload = new Uint8Array(4);
  new DataView(payload.buffer).setInt32(0, -errno, littleEndian);
  return encodeMessage({ type, flags: 0, sequence: SEQUENCE, port: 0, payload }, littleEndian);
}

function count(ranges: readonly KeyRange[], ...messages: readonly Uint8Array[]): { result: number; counts: number[] } {
  const datagram = Uint8Array.from(messages.flatMap((message) => [...message]));
  const counts = new Uint32Array(ranges.length);
  const into = new Uint8Array(counts.buffer);
  return { result: tally(datagram, SEQUENCE, encodePlan(PLAN), encodeRanges(ranges), into), counts: [...counts] };
}

test('entries are counted by the range in which their key is', () => {
  const ranges = [range(0, 0), range(3, 5), range(6, 6), range(200, 255)];
  const entries = [{ key: 3 }, { key: 5, limit: 5 }, { key: 5, limit: 6 }, { key: 7 }, { key: 255, limit: 0 }, {}];
  assert.equal(count(ranges, listMessage(entries), listMessage([{ key: 6 }])), { result: -1, counts: [1, 2, 1, 1] });
  assert.equal(count(ranges, listMessage(entries, 6)).counts, [0, 0, 0, 0], 'of an earlier dump');
  assert.equal(count([], listMessage(entries)).counts, []);
});

test('the end of a dump is told, with its error', () => {
  const entries = listMessage([{ key: 3 }]);
  assert.equal(count([range(3, 3)], entries, ending(NLMSG_DONE, 0), entries), { result: 0, counts: [1] });
  assert.is(count([range(3, 3)], ending(NLMSG_ERROR, 2)).result, 2);
  assert.is(count([range(3, 3)], ending(NLMSG_DONE, 12)).result, 12);
});

test('any number of ranges is found', () => {
  const random = new Random(1);
  for (let turn = 0; turn < 50; turn++) {
    const ends = [...new Set(Array.from({ length: 2 * random.below(40) }, () => random.below(256)))].sort(
      (a, b) => a - b,
    );
    const ranges = ends.flatMap((first, at) => (at % 2 === 0 ? [range(first, ends[at + 1] ?? first)] : []));
    const keys = Array.from({ length: 500 }, () => random.below(256));
    const expected = ranges.map(
      ({ first, last }) => keys.filter((key) => key >= (first[0] ?? 0) && key <= (last[0] ?? 0)).length,
    );
    assert.equal(count(ranges, listMessage(keys.map((key) => ({ key })))).counts, expected);
  }
});

test('whatever comes, nothing is read beyond it', () => {
  const random = new Random(2);
  const good = listMessage(Array.from({ length: 20 }, (_, key) => ({ key, limit: key % 8 })));
  const [plan, ranges] = [encodePlan(PLAN), encodeRanges([range(3, 9)])];
  for (let turn = 0; turn < 5000; turn++) {
    const bad = good.slice(0, random.below(4) === 0 ? random.below(good.length) : good.length);
    for (let change = random.below(8); change >= 0 && bad.length > 0; change--)
      bad[random.below(bad.length)] = random.word() & 0xff;
    const result = tally(bad, SEQUENCE, plan, ranges, new Uint8Array(4));
    assert.ok(result >= -1);
  }
});

test('plans and ranges that cannot be are refused', () => {
  const [datagram, plan, ranges, counts] = [
    new Uint8Array(),
    encodePlan(PLAN),
    encodeRanges([range(3, 9)]),
    new Uint8Array(4),
  ];
  for (let length = 0; length < plan.length; length++) {
    assert.throws(
      () => tally(datagram, 1, plan.slice(0, length), ranges, counts),
      /plan is too short|a key has 1 to 64/,
    );
  }
  const longKey = encodePlan({ ...PLAN, key: [{ path: [1], length: 65 }] });
  assert.throws(() => tally(datagram, 1, longKey, ranges, counts), /a key has 1 to 64 bytes/);
  for (const [keys, into] of [
    [1, 4],
    [2, 3],
    [2, 8],
    [4, 4],
    [0, 4],
  ] as const) {
    assert.throws(() => tally(datagram, 1, plan, new Uint8Array(keys), new Uint8Array(into)), /do not fit/);
  }
  assert.throws(() => tally(datagram, -1, plan, ranges, counts), /sequence/);
});

/** Runs to the end; tells the counts, and the milliseconds of processors' time that all steps and the longest of them took. */
function whole(work: Generator<void, Uint32Array>): { counts: number[]; took: number; longest: number } {
  const began = processorTime();
  for (let [longest, last] = [0, began]; ;) {
    const { done, value } = work.next();
    const now = processorTime();
    [longest, last] = [Math.max(longest, now - last), now];
    if (done) return { counts: [...value], took: now - began, longest };
  }
}

function address(text: string): Address {
  const parsed = parseAddress(text);
  assert.ok(parsed);
  return parsed;
}

const ghosts = { 4: address('198.51.100.1'), 6: address('2001:db8:100::1') } as const;
const servers = {
  4: [address('192.168.1.11'), address('192.168.1.12')],
  6: [address('fd00:1::11'), address('fd00:1::12')],
} as const;

/** Has the kernel track so many connections of the family, whose states go from 1 to 8, with one server and the other by turns. */
function track(channel: NetlinkChannel, family: Family, connections: number): void {
  const CTA = { orig: 1, reply: 2, protoinfo: 4, timeout: 7, ip: 1, proto: 2 };
  const [source, destination] = family === 4 ? [1, 2] : [3, 4];
  const port = (number: number) => [number >> 8, number & 255];
  const payloads = Array.from({ length: connections }, (_, number) => {
    const client = Uint8Array.from(ghosts[family].bytes);
    client.set([10, number >> 16], client.length - 4);
    const server = servers[family][number % 2] ?? ghosts[family];
    const tuple = (writer: PayloadWriter, from: Uint8Array, to: Uint8Array, ports: readonly [number, number]) =>
      writer
        .nest(CTA.ip, (ip) => ip.attribute(source, from).attribute(destination, to))
        .nest(CTA.proto, (proto) => proto.attributeU8(1, 6).attribute(2, port(ports[0])).attribute(3, port(ports[1])));
    return new PayloadWriter(littleEndian)
      .bytes([family === 4 ? 2 : 10, 0, 0, 0])
      .nest(CTA.orig, (to) => void tuple(to, client, ghosts[family].bytes, [number & 0xffff, 80]))
      .nest(CTA.reply, (back) => void tuple(back, server.bytes, client, [8080, number & 0xffff]))
      .attribute(CTA.timeout, [0, 0, 2, 0])
      .nest(CTA.protoinfo, (info) => info.nest(1, (tcp) => tcp.attributeU8(1, 1 + ((number >> 1) % 8))))
      .finish();
  });
  const CTNETLINK_NEW = CONNTRACK_GET & 0xff00;
  assert.is(channel.requestEach(CTNETLINK_NEW, payloads, NLM_F_CREATE), 0);
}

/** Of the service, by the first server and by the second. */
function rangesOf(family: Family): KeyRange[] {
  return sortRanges(
    servers[family].map((server) => {
      const ends = { destination: ghosts[family], answering: server };
      const key = (last: number) => liveConnectionKey(ends, Uint8Array.from([6, 0, 80, last, last]));
      return { first: key(0), last: key(255) };
    }),
  );
}

test('tracked connections that are live, by server', () => {
  const channel = opened(new NetlinkChannel(NETLINK_NETFILTER));
  const counter = opened(new ConnectionTally());
  for (const family of [4, 6] as const) {
    const connections = isFull && family === 4 ? 100_000 : 1600;
    track(channel, family, connections);
    for (const [which, ghost] of [
      [undefined, undefined],
      [family, undefined],
      [family, ghosts[family]],
    ] as const) {
      const { counts, took, longest } = whole(
        counter.count({
          ...{ type: CONNTRACK_GET, payload: encodeConnectionDump(which, ghost, littleEndian) },
          ...{ plan: LIVE_CONNECTIONS, ranges: rangesOf(family) },
        }),
      );
      // States 1 to 5 of 8.
      assert.equal(counts, [(connections / 2) * (5 / 8), (connections / 2) * (5 / 8)]);
      console.log(
        `# ${connections} tracked connections, IPv${family}${which ? ', of the family' : ''}${ghost ? ', of one address' : ''}: counted in ${took.toFixed(1)} ms, in steps of ${longest.toFixed(1)} ms at most`,
      );
    }
  }
});

const FLOW_TYPE = 'inet_proto . ipv4_addr . inet_service . ipv4_addr . inet_service : mark; flags timeout';

test('flows that are live, by mark', async () => {
  const flows = isFull ? 65_535 : 1600;
  await shell(`nft 'add table netdev oneip; add map netdev oneip web/flow4 { type ${FLOW_TYPE}; }'`);
  const line = (number: number) =>
    `add element netdev oneip web/flow4 { ${number % 4 === 3 ? 17 : 6} . 10.1.${number >> 14}.1 . ${1 + (number & 0x3fff)} . 198.51.100.1 . 80 timeout ${number % 8 < 4 ? 100 : 7200}s : ${1 + (number % 2)} }`;
  await runOnLines(
    ['nft', '-f'],
    Array.from({ length: flows }, (_, number) => line(number)),
  );
  const range = (mark: number, protocol: number, least: number): KeyRange => {
    const key = (fill: number) => {
      const bytes = new Uint8Array(13).fill(fill);
      new DataView(bytes.buffer).setUint32(0, mark, littleEndian);
      bytes[4] = protocol;
      return bytes;
    };
    const first = key(0);
    new DataView(first.buffer).setUint32(9, least);
    return { first, last: key(255) };
  };
  const counter = opened(new ConnectionTally());
  const question = {
    ...{ type: nftablesType(NFT_MSG_GETSETELEM), plan: LIVE_FLOWS },
    payload: encodeFlowQuestion({ family: 'netdev', table: 'oneip', set: 'web/flow4' }, undefined, littleEndian),
  };
  const ranges = sortRanges([range(1, 6, 120_001), range(2, 6, 120_001), range(2, 17, 0)]);
  const { counts, took, longest } = whole(counter.count({ ...question, ranges }));
  const expected = (isMeant: (kind: number) => boolean) =>
    Array.from({ length: flows }, (_, number) => number % 8).filter(isMeant).length;
  const byRange = ranges.map(({ first }) => {
    const mark = new DataView(first.buffer).getUint32(0, littleEndian);
    return expected((kind) =>
      first[4] === 17 ? kind % 4 === 3 : kind % 2 === mark - 1 && kind % 4 !== 3 && kind >= 4,
    );
  });
  assert.equal(counts, byRange);
  console.log(`# ${flows} flows: counted in ${took.toFixed(1)} ms, in steps of ${longest.toFixed(1)} ms at most`);

  const gone = {
    ...question,
    payload: encodeFlowQuestion({ family: 'netdev', table: 'oneip', set: 'nobody' }, undefined, littleEndian),
  };
  assert.throws(
    () => whole(counter.count({ ...gone, ranges })),
    (error: unknown) => error instanceof NetlinkError,
  );
  const half = counter.count({ ...question, ranges });
  half.next();
  half.return(new Uint32Array());
  assert.equal(
    whole(counter.count({ ...question, ranges })).counts,
    byRange,
    'one that was given up is in nobody’s way',
  );
});

test.run();
