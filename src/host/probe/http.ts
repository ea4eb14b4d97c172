import { encodeUtf8 } from 'oneip:runtime';
import type { Socket } from 'oneip:runtime';
import type { HttpCheck } from '../../config/model.ts';
import type { ProbeTarget } from '../../watchdog/prober.ts';
import type { Attempt } from './attempt.ts';
import { reasonOf } from './attempt.ts';
import { HttpAnswer } from './http-answer.ts';
import type { OwnAddresses } from './own-address.ts';
import { connectTo } from './tcp.ts';

const READ_SIZE = 16384;
const DEFAULT_PORT = 80;

/** Asks for a page and judges the answer as soon as enough of it has come. */
export function probeHttp(
  check: HttpCheck,
  target: ProbeTarget,
  port: number,
  own: OwnAddresses,
  attempt: Attempt,
): void {
  const request = encodeUtf8(requestOf(check, target, port));
  connectTo(target, port, own, attempt, (socket) => {
    if (socket.send(request) < request.length) return attempt.fail('send queue full');
    const answer = new HttpAnswer();
    socket.onReadable(() => {
      try {
        read(socket, answer, check, attempt);
      } catch (error) {
        attempt.fail(reasonOf(error));
      }
    });
  });
}

function requestOf({ path, host }: HttpCheck, { ghost }: ProbeTarget, port: number): string {
  const address = ghost.family === 6 ? `[${ghost.text}]` : ghost.text;
  const authority = host ?? (port === DEFAULT_PORT ? address : `${address}:${port}`);
  const lines = [`GET ${path} HTTP/1.1`, `Host: ${authority}`, 'User-Agent: oneip', 'Accept: */*', 'Connection: close'];
  return `${lines.join('\r\n')}\r\n\r\n`;
}

function read(socket: Socket, answer: HttpAnswer, check: HttpCheck, attempt: Attempt): void {
  while (!attempt.over) {
    const received = socket.receive(READ_SIZE);
    if (!received) return;
    const ended = received.data.length === 0;
    answer.feed(received.data);
    judge(check, answer, ended, attempt);
  }
}

/** Ends the attempt if what has come so far is enough. */
function judge(check: HttpCheck, answer: HttpAnswer, ended: boolean, attempt: Attempt): void {
  const { status } = answer;
  if (answer.malformed !== undefined) return attempt.reject(`malformed answer: ${answer.malformed}`);
  if (status === 0) {
    if (ended) attempt.reject('closed without an answer');
    return;
  }
  if (!check.status.some(({ first, last }) => first <= status && status <= last)) {
    return attempt.reject(`status ${status}`);
  }
  if (check.header !== undefined && !holdsHeader(answer, check.header)) {
    return attempt.reject(`status ${status}, header is not '${check.header}'`);
  }
  if (check.body === undefined || holds(answer.body, encodeUtf8(check.body))) return attempt.pass(`status ${status}`);
  const whole = ended ? answer.end() : answer.complete;
  if (whole) attempt.reject(`status ${status}, body without '${check.body}'`);
  else if (ended) attempt.reject('answer cut off');
}

/** `Name: text` is there where one of the headers of that name holds the text, in any case. */
function holdsHeader({ header }: HttpAnswer, wanted: string): boolean {
  const colon = wanted.indexOf(':');
  const text = wanted
    .slice(colon + 1)
    .trim()
    .toLowerCase();
  const values = header.get(wanted.slice(0, colon).trim().toLowerCase()) ?? [];
  return values.some((value) => value.toLowerCase().includes(text));
}

function holds(bytes: Uint8Array, wanted: Uint8Array): boolean {
  const [first = 0] = wanted;
  if (wanted.length === 0) return true;
  for (
    let at = bytes.indexOf(first);
    at >= 0 && at + wanted.length <= bytes.length;
    at = bytes.indexOf(first, at + 1)
  ) {
    if (wanted.every((byte, index) => bytes[at + index] === byte)) return true;
  }
  return false;
}
