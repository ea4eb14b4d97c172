import { encodeUtf8 } from 'oneip:runtime';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BODY_LIMIT, HttpAnswer } from '../../src/host/probe/http-answer.ts';

/** An answer as it comes in pieces of so many bytes. */
function answer(text: string, size = 65536): HttpAnswer {
  const bytes = encodeUtf8(text);
  const result = new HttpAnswer();
  for (let offset = 0; offset < bytes.length; offset += size) result.feed(bytes.subarray(offset, offset + size));
  return result;
}

const textOf = ({ body }: HttpAnswer) => String.fromCharCode(...body);
const OK = 'HTTP/1.1 200 OK\r\n';

for (const size of [1, 3, 65536]) {
  test(`a body of known length, in pieces of ${size}`, () => {
    const whole = answer(`${OK}Content-Length: 5\r\nX-A: 1\r\nx-a:  2 \r\n\r\nhelloignored`, size);
    assert.equal([whole.status, textOf(whole), whole.complete, whole.malformed], [200, 'hello', true, undefined]);
    assert.equal(whole.header.get('x-a'), ['1', '2']);
    const part = answer(`${OK}Content-Length: 6\r\n\r\nhello`, size);
    assert.equal([textOf(part), part.complete, part.end()], ['hello', false, false]);
  });

  test(`chunks with extensions and a trailer, in pieces of ${size}`, () => {
    const body = '4\r\nwiki\r\n00A;name="x"\r\npedia\r\n\r\n.\r\n0\r\nX-Sum: 1\r\n\r\n';
    const whole = answer(`${OK}Transfer-Encoding: gzip, Chunked\r\n\r\n${body}`, size);
    assert.equal([textOf(whole), whole.complete, whole.malformed], ['wikipedia\r\n\r\n.', true, undefined]);
    const part = answer(`${OK}Transfer-Encoding: chunked\r\n\r\n4\r\nwiki\r\n`, size);
    assert.equal([textOf(part), part.complete, part.end()], ['wiki', false, false]);
  });

  test(`a body to the end of the connection, in pieces of ${size}`, () => {
    const whole = answer('HTTP/1.0 404 Not Found\n\nnothing here', size);
    assert.equal([whole.status, textOf(whole), whole.complete, whole.end()], [404, 'nothing here', false, true]);
  });

  test(`interim answers are passed over, in pieces of ${size}`, () => {
    const real = answer(`HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n${OK}\r\n`, size);
    assert.equal([real.status, real.header.size], [200, 0]);
  });
}

test('answers without a body', () => {
  for (const status of ['204 No Content', '304 Not Modified', '101 Switching Protocols']) {
    assert.ok(answer(`HTTP/1.1 ${status}\r\nContent-Length: 7\r\n\r\n`).complete, status);
  }
  assert.ok(answer(`${OK}Content-Length: 0\r\n\r\n`).complete);
  assert.not.ok(answer(`${OK}Content-Length: 5\r\n`).complete);
});

test('no more than 64 KiB of a body are kept', () => {
  const long = answer(`${OK}\r\n${'x'.repeat(BODY_LIMIT + 10)}`, 1000);
  assert.equal([long.body.length, long.complete], [BODY_LIMIT, true]);
  const chunks = `fff0\r\n${'y'.repeat(0xfff0)}\r\n`.repeat(2);
  const chunked = answer(`${OK}Transfer-Encoding: chunked\r\n\r\n${chunks}`);
  assert.equal([chunked.body.length, chunked.complete, chunked.malformed], [BODY_LIMIT, true, undefined]);
});

test('what is no HTTP is told at its first line, or where it goes wrong', () => {
  const cases: [string, string][] = [
    ['SSH-2.0-OpenSSH_9.9\r\n', 'no HTTP'],
    ['HTTP/2 200\r\n', 'no HTTP'],
    ['HTTP/1.1 20 OK\r\n', 'no HTTP'],
    ['\r\n', 'no HTTP'],
    [`${OK}no colon\r\n`, 'bad header'],
    [`${OK} folded: x\r\n`, 'bad header'],
    [`${OK}Content-Length: five\r\n\r\n`, 'bad length'],
    [`${OK}Content-Length: 5\r\nContent-Length: 6\r\n\r\n`, 'bad length'],
    [`${OK}Content-Length: -1\r\n\r\n`, 'bad length'],
    [`${OK}Transfer-Encoding: chunked\r\n\r\nxyz\r\n`, 'bad chunk'],
    [`${OK}Transfer-Encoding: chunked\r\n\r\n-1\r\n`, 'bad chunk'],
    [`${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n`, 'bad chunk'],
    [`${OK}X: ${'x'.repeat(70_000)}`, 'header too long'],
    [OK + 'A: b\r\n'.repeat(15_000), 'header too long'],
    ['x'.repeat(70_000), 'header too long'],
  ];
  for (const [text, reason] of cases) {
    assert.is(answer(text).malformed, reason, text.slice(0, 60));
    assert.is(answer(text, 7).malformed, reason, text.slice(0, 60));
  }
});

test('rubbish is never an answer, and never throws', () => {
  let seed = 1;
  const next = () => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) / 2 ** 32;
  const sample = encodeUtf8(`${OK}Transfer-Encoding: chunked\r\n\r\n4\r\nwiki\r\n0\r\n\r\n`);
  for (let round = 0; round < 3000; round++) {
    const bytes = sample.slice();
    for (let count = 1 + Math.floor(next() * 4); count > 0; count--) {
      bytes[Math.floor(next() * bytes.length)] = Math.floor(next() * 256);
    }
    const result = new HttpAnswer();
    result.feed(bytes.subarray(0, Math.floor(next() * bytes.length)));
    result.end();
    assert.ok(result.body.length <= sample.length);
    assert.ok(result.status === 0 || (result.status >= 101 && result.status <= 999));
  }
});

test.run();
