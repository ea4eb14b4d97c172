import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { MessageReader } from '../../src/ubus/framing.ts';
import type { Message } from '../../src/ubus/message.ts';
import { MAX_BLOB_LENGTH, MessageType, decodeMessage, encodeMessage } from '../../src/ubus/message.ts';
import { fromHex, toHex } from '../ubus/recorded.ts';
import { recordedMessages } from './ubus-recordings.ts';

const ping: Message = { type: MessageType.ping, seq: 1, peer: 0, attributes: {} };

function read(stream: Uint8Array, pieceSize: number): { messages: Message[]; lost: string | undefined } {
  const reader = new MessageReader();
  const messages: Message[] = [];
  let lost: string | undefined;
  for (let at = 0; at < stream.length && lost === undefined; at += pieceSize) {
    lost = reader.push(stream.subarray(at, at + pieceSize), (message) => messages.push(message));
  }
  return { messages, lost };
}

test('attributes are judged as ubusd judges them', () => {
  const attributesOf = (hex: string): Message['attributes'] => decodeMessage(fromHex(hex)).attributes;
  assert.equal(attributesOf('00040007000000000000000c0200019061626300'), {}, 'longer than the message');
  assert.equal(attributesOf('00040008000000000000000c0200000261626300'), {}, 'length below 4');
  assert.equal(
    attributesOf('0004000900000000000000183c0000077a7a0000020000096e6f706500000000'),
    { objectPath: 'nope' },
    'unknown id',
  );
  assert.equal(attributesOf('0007000a000000000000000c0300000600010000'), {}, 'an id of two bytes');
  assert.equal(
    attributesOf('0004000b0000000000000020020000096e6f7065000000000200000f676f6c64656e2e7376630000'),
    { objectPath: 'golden.svc' },
    'the last counts',
  );
  assert.equal(attributesOf('0004000c00000000000000100200000c6e6f70656e6f7065'), {}, 'no NUL');
  assert.equal(
    attributesOf('0004000d00000000000000148200000f676f6c64656e2e7376630000'),
    { objectPath: 'golden.svc' },
    'extended bit',
  );
  assert.equal(
    attributesOf('0004000e000000000000001802000014676f6c64656e2e737663006a756e6b00'),
    { objectPath: 'golden.svc' },
    'inner NUL',
  );
});

test('an attribute without its padding does not fit', () => {
  assert.equal(decodeMessage(fromHex('00040001000000000000000b02000007616200')).attributes, {});
  assert.equal(decodeMessage(fromHex('00040001000000000000000c0200000761620000')).attributes, { objectPath: 'ab' });
});

test('messages go up to the limit and no further', () => {
  const invoke = (dataLength: number): Message => ({
    type: MessageType.invoke,
    seq: 1,
    peer: 0,
    attributes: { objectId: 0x7fffffff, method: 'x', data: new Uint8Array(dataLength) },
  });
  const largest = encodeMessage(invoke(MAX_BLOB_LENGTH - 24));
  // As recorded with a real ubusd, which took this one and hung up on the next.
  assert.is(largest.length, 1048584);
  assert.is(toHex(largest.subarray(0, 32)), '000500010000000000100000030000087fffffff0400000678000000070fffec');
  assert.throws(() => encodeMessage(invoke(MAX_BLOB_LENGTH - 23)), /at most 1048576/);
  const { messages, lost } = read(largest, 65536);
  assert.is(lost, undefined);
  assert.is(messages[0]?.attributes.data?.length, MAX_BLOB_LENGTH - 24);
});

test('a stream comes apart at the same places however it is cut', () => {
  const hexes = recordedMessages.map(({ hex }) => hex);
  const stream = fromHex(hexes.join(''));
  const expected = hexes.map((hex) => decodeMessage(fromHex(hex)));
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 300 }), (size) => {
      assert.equal(read(stream, size), { messages: expected, lost: undefined });
    }),
    { numRuns: 30 },
  );
});

test('a length that is not a multiple of four ends where it says', () => {
  const { messages, lost } = read(fromHex('0003000600000000000000057a' + toHex(encodeMessage(ping))), 100);
  assert.is(lost, undefined);
  assert.equal(
    messages.map(({ seq }) => seq),
    [6, 1],
  );
});

test('framing is lost with a length that cannot be, and with another version', () => {
  const lostWith = (hex: string): string | undefined => read(fromHex(toHex(encodeMessage(ping)) + hex), 5).lost;
  assert.match(lostWith('000300010000000000000000') ?? '', /length/);
  assert.match(lostWith('000300010000000000000003') ?? '', /length/);
  assert.match(lostWith('000300010000000000ffffff') ?? '', /length/);
  assert.match(lostWith('000300010000000000100001') ?? '', /length/);
  assert.match(lostWith('050300010000000000000004') ?? '', /version 5/);
  assert.is(lostWith('0004000100000000000000140200'), undefined, 'half a message waits for its rest');
});

test('no bytes make the reader throw', () => {
  const bytes = fromHex(recordedMessages.map(({ hex }) => hex).join(''));
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { maxLength: 20 }), (changes) => {
      const changed = bytes.slice();
      for (const [at, byte] of changes) changed[at] = byte;
      read(changed, 1000);
    }),
    { numRuns: 500 },
  );
});

test.run();
