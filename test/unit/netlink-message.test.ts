import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  PayloadWriter,
  decodeAnswer,
  decodeAttributes,
  decodeMessages,
  encodeMessage,
  type NetlinkMessage,
} from '../../src/netlink/message.ts';
import { DUMP_DONE, ERROR_EXPLAINED, ERROR_PLAIN, NFT_COMMIT } from './netlink-recordings.ts';
import { bytesOf, firstMessage, hexOf } from './support/netlink.ts';

test('a header and its attributes, in both byte orders', () => {
  for (const [littleEndian, expected] of [
    [true, '2800000020000506070000000000000002000000fe000001050015006f00000008000600e8030000'],
    [false, '000000280020060500000007000000000200fe0000000001000500156f00000000080006000003e8'],
  ] as const) {
    const header = littleEndian ? [2, 0, 0, 0, 254, 0, 0, 1] : [2, 0, 254, 0, 0, 0, 0, 1];
    const payload = new PayloadWriter(littleEndian).bytes(header).attributeU8(21, 111).attributeU32(6, 1000).finish();
    const message = { type: 32, flags: 0x605, sequence: 7, port: 0, payload };
    const bytes = encodeMessage(message, littleEndian);
    assert.is(hexOf(bytes), expected);
    assert.equal(decodeMessages(bytes, littleEndian), [message]);
  }
});

test('several messages in one datagram', () => {
  const messages = decodeMessages(bytesOf(NFT_COMMIT), true);
  assert.equal(
    messages.map(({ type, payload }) => [type & 0xff, payload.length + 16]),
    [
      [0, 60],
      [3, 60],
      [6, 100],
      [9, 116],
      [12, 60],
      [0, 56],
    ],
  );
});

test('what is cut off is left out, and ends nothing', () => {
  const whole = bytesOf(NFT_COMMIT);
  for (let length = 0; length < whole.length; length++) {
    const count = decodeMessages(whole.subarray(0, length), true).length;
    assert.is(count, [60, 120, 220, 336, 396].filter((end) => end <= length).length);
  }
});

test('a message that claims to be shorter than its header ends the datagram', () => {
  assert.equal(decodeMessages(new Uint8Array(64), true), []);
});

test('random bytes are read without complaint', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, littleEndian) => {
      for (const message of decodeMessages(bytes, littleEndian)) decodeAnswer(message, littleEndian);
      decodeAttributes(bytes, 0, littleEndian).types();
    }),
  );
});

test('attributes come back as they were written', () => {
  const attribute = fc.tuple(fc.integer({ min: 1, max: 0x3fff }), fc.uint8Array({ maxLength: 20 }));
  fc.assert(
    fc.property(fc.array(attribute, { maxLength: 8 }), fc.boolean(), (list, littleEndian) => {
      const writer = new PayloadWriter(littleEndian);
      for (const [type, value] of list) writer.attribute(type, value);
      const found = decodeAttributes(writer.finish(), 0, littleEndian);
      for (const [type, value] of new Map(list)) assert.equal(found.bytes(type), value);
      assert.is(found.types().length, new Map(list).size);
    }),
  );
});

test('numbers of an attribute', () => {
  const found = decodeAttributes(bytesOf('08000100000000010800020001020304050003007f000000'), 0, true);
  assert.is(found.be32(1), 1);
  assert.is(found.u32(2), 0x04030201);
  assert.is(found.u8(3), 0x7f);
  assert.is(found.u32(3), undefined);
  assert.is(found.u32(4), undefined);
});

test('nested and byte-order flags are no part of the type', () => {
  const found = decodeAttributes(bytesOf('0c0001800800014000000005'), 0, true);
  assert.is(found.nested(1)?.be32(1), 5);
});

test('an answer tells the error and the kernel’s explanation', () => {
  assert.equal(decodeAnswer(firstMessage(ERROR_EXPLAINED), true), {
    errno: 101,
    explanation: 'Nexthop has invalid gateway',
  });
  assert.equal(decodeAnswer(firstMessage(ERROR_PLAIN), true), { errno: 3 });
});

test('an answer that repeats the whole request has its explanation behind it', () => {
  // struct nlmsgerr with -22 and a request of 20 bytes, then NLMSGERR_ATTR_MSG "no".
  const payload = bytesOf('eaffffff14000000180005060700000000000000aabbccdd070001006e6f0000');
  assert.equal(decodeAnswer(errorMessage(0x200, payload), true), { errno: 22, explanation: 'no' });
  const swapped = bytesOf('ffffffea000000140018060500000007000000000aabbccd000700016e6f0000');
  assert.equal(decodeAnswer(errorMessage(0x200, swapped), false), { errno: 22, explanation: 'no' });
});

test('the end of a dump and an acknowledgement are no errors', () => {
  assert.equal(decodeAnswer(firstMessage(DUMP_DONE), true), { errno: 0 });
  assert.equal(decodeAnswer(errorMessage(0x100, new Uint8Array(20)), true), { errno: 0 });
});

function errorMessage(flags: number, payload: Uint8Array): NetlinkMessage {
  return { type: 2, flags, sequence: 7, port: 0, payload };
}

test.run();
