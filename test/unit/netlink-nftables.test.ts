import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { BpfInstruction } from '../../src/netlink/bpf.ts';
import { routeProtocolFilter, tableFilter } from '../../src/netlink/filter.ts';
import { PayloadWriter, decodeMessages, encodeMessage } from '../../src/netlink/message.ts';
import { decodeGeneration, decodeNftablesEvent, nftablesType } from '../../src/netlink/nftables.ts';
import { encodeUtf8 } from '../../src/net/utf8.ts';
import * as recorded from './netlink-recordings.ts';
import { bytesOf, firstMessage } from './support/netlink.ts';

test('what a commit tells, object by object', () => {
  const events = decodeMessages(bytesOf(recorded.NFT_COMMIT), true).map((message) =>
    decodeNftablesEvent(message, true),
  );
  assert.equal(events, [
    { message: 0, family: 1, table: 'oneip' },
    { message: 3, family: 1, table: 'oneip' },
    { message: 6, family: 1, table: 'oneip' },
    { message: 9, family: 1, table: 'oneip' },
    { message: 12, family: 1, table: 'oneip' },
    { message: 0, family: 2, table: 't2' },
  ]);
  assert.is(decodeNftablesEvent(firstMessage(recorded.NFT_NEWGEN), true), undefined);
});

test('generations', () => {
  assert.is(decodeGeneration(firstMessage(recorded.GENERATION), true), 1);
  assert.is(decodeGeneration(firstMessage(recorded.NFT_NEWGEN), true), 2);
  assert.is(decodeGeneration(firstMessage(recorded.NFT_COMMIT), true), undefined);
});

test('the filter takes datagrams about the table, and no others', () => {
  const filter = tableFilter('oneip', true);
  assert.ok(accepts(filter, bytesOf(recorded.NFT_COMMIT)));
  assert.not(accepts(filter, bytesOf(recorded.NFT_NEWGEN)));
  assert.ok(accepts(tableFilter('t2', true), bytesOf(recorded.NFT_COMMIT)), 'the last message of six');
  assert.not(accepts(tableFilter('one', true), bytesOf(recorded.NFT_COMMIT)), 'a prefix of the name');
  assert.not(accepts(tableFilter('oneip2', true), bytesOf(recorded.NFT_COMMIT)), 'a longer name');
  assert.ok(filter.length <= 4096, 'BPF_MAXINSNS');
});

test('the filter and the decoder agree on any datagram', () => {
  const name = fc.constantFrom('oneip', 'onei', 'oneip2', 'fw4', 'x', 'a much longer name than ours');
  const tables = fc.array(fc.tuple(name, fc.nat(60)), { minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(tables, fc.boolean(), name, (list, littleEndian, wanted) => {
      const bytes = list.flatMap(([table, more]) => {
        const payload = new PayloadWriter(littleEndian)
          .bytes([1, 0, 0, 0])
          .attribute(1, [...encodeUtf8(table), 0])
          .attribute(2, new Uint8Array(more))
          .finish();
        return [...encodeMessage({ type: nftablesType(6), flags: 0, sequence: 0, port: 0, payload }, littleEndian)];
      });
      const expected = list.some(([table]) => table === wanted);
      assert.is(accepts(tableFilter(wanted, littleEndian), Uint8Array.from(bytes)), expected);
    }),
  );
});

test('routes of others are not told, all else is', () => {
  const filter = routeProtocolFilter(111, true);
  assert.ok(accepts(filter, bytesOf(recorded.ROUTE4_ONLINK)));
  assert.not(accepts(filter, bytesOf(recorded.ROUTE4_MULTIPATH)));
  assert.ok(accepts(filter, bytesOf(recorded.LINK_TUN)));
  assert.ok(accepts(filter, bytesOf(recorded.RULE4_LOCAL)));
  const deleted = bytesOf(recorded.ROUTE4_MULTIPATH);
  deleted[4] = 25;
  assert.not(accepts(filter, deleted));
  const taking = (length: number) => {
    const bytes = bytesOf(recorded.ROUTE4_MULTIPATH);
    [bytes[7], bytes[17]] = [1, length];
    return bytes;
  };
  assert.ok(accepts(filter, taking(32)));
  assert.ok(accepts(filter, taking(128)));
  assert.not(accepts(filter, taking(24)), 'of networks there are too many');
  const swapped = bytesOf(recorded.ROUTE4_ONLINK);
  [swapped[4], swapped[5]] = [0, 24];
  assert.ok(accepts(routeProtocolFilter(111, false), swapped));
  assert.not(accepts(routeProtocolFilter(112, false), swapped));
});

/** What the kernel would do with a datagram (net/core/filter.c), for the instructions in use. */
function accepts(program: readonly BpfInstruction[], packet: Uint8Array): boolean {
  const memory = new Uint32Array(16);
  let value = 0;
  let index = 0;
  const load = (offset: number, size: number): number | undefined => {
    if (offset + size > packet.length) return undefined;
    return packet.subarray(offset, offset + size).reduce((sum, byte) => sum * 256 + byte, 0);
  };
  for (let at = 0; at < program.length; at++) {
    const [code, ifTrue, ifFalse, operand] = program[at] ?? [0, 0, 0, 0];
    let loaded: number | undefined = value;
    if (code === 0x30) loaded = load(operand, 1);
    else if (code === 0x50) loaded = load(index + operand, 1);
    else if (code === 0x48) loaded = load(index + operand, 2);
    else if (code === 0x40) loaded = load(index + operand, 4);
    else if (code === 0x01) index = operand;
    else if (code === 0x07) index = value;
    else if (code === 0x61) index = memory[operand] ?? 0;
    else if (code === 0x02) memory[operand] = value;
    else if (code === 0x03) memory[operand] = index;
    else if (code === 0x0c) loaded = (value + index) >>> 0;
    else if (code === 0x04) loaded = (value + operand) >>> 0;
    else if (code === 0x54) loaded = (value & operand) >>> 0;
    else if (code === 0x64) loaded = (value << operand) >>> 0;
    else if (code === 0x15) at += value === operand ? ifTrue : ifFalse;
    else if (code === 0x06) return operand > 0;
    else throw new Error(`instruction 0x${code.toString(16)}`);
    if (loaded === undefined) return false;
    value = loaded;
  }
  throw new Error('the program has no end');
}

test.run();
