import { Socket, littleEndian } from 'oneip:runtime';
import {
  NLMSG_DONE,
  NLMSG_ERROR,
  NLMSG_NOOP,
  NLM_F_ACK,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLM_F_REQUEST,
  decodeAnswer,
  decodeMessages,
  encodeMessage,
} from '../netlink/message.ts';
import type { NetlinkAnswer, NetlinkMessage } from '../netlink/message.ts';
import { ByteWriter } from '../net/byte-writer.ts';
import type { Batch } from '../netlink/slot-elements.ts';

export const NETLINK_ROUTE = 0;
export const NETLINK_NETFILTER = 12;

/** The kernel's largest piece of a dump (`netlink_recvmsg`). */
const DUMP_PIECE = 32768;
/** What the kernel wants beside a datagram in the send buffer. */
const BATCH_ROOM = 65536;
/** Messages of which a datagram is made where none depends on another, and what to begin with for each; bytes. */
const AT_ONCE = 64;
const ROOM = 128;
/** Attempts at a dump that changes disturb; the last one is taken as it is. */
const DUMP_ATTEMPTS = 5;

/** Error numbers by which callers decide; below 35 they are the same on every architecture. */
export const ENOENT = 2;
export const ESRCH = 3;
export const EEXIST = 17;
export const ENODEV = 19;
/** EADDRNOTAVAIL, on most architectures and on MIPS: an address to be deleted is not there. */
const EADDRNOTAVAIL = [99, 126];

export function isAddressGone(errno: number): boolean {
  return EADDRNOTAVAIL.includes(errno);
}

/** Numbers above 34 are given as on most architectures, then as on MIPS; neither stands for something else in netlink. */
const REASONS: readonly (readonly [string, ...number[]])[] = [
  ['not permitted', 1],
  ['not there', ENOENT, ESRCH],
  ['out of memory', 12],
  ['busy', 16],
  ['exists already', EEXIST],
  ['no such device', ENODEV],
  ['invalid argument', 22],
  ['out of range', 34],
  ['not supported', 95, 122],
  ['family not supported', 97, 124],
  ['address not available', 99, 126],
  ['device is down', 100, 127],
  ['network unreachable', 101, 128],
  ['host unreachable', 113, 148],
];

/** The kernel has refused a request. `message` is its own explanation where it gave one. */
export class NetlinkError extends Error {
  readonly errno: number;

  constructor({ errno, explanation }: NetlinkAnswer) {
    const reason = REASONS.find(([, ...numbers]) => numbers.includes(errno))?.[0] ?? `error ${errno}`;
    super(explanation === undefined ? reason : `${explanation} (${reason})`);
    this.name = 'NetlinkError';
    this.errno = errno;
  }
}

/**
 * Requests to one netlink family. They are calls, not promises: the kernel works a request off inside send(2) and the next
 * piece of a dump inside recv(2) (`netlink_unicast_kernel`, `netlink_dump`), so that answers always wait already. The
 * socket joins no group, hence cannot overflow.
 */
export class NetlinkChannel {
  readonly #socket: Socket;
  #sequence = 0;
  #port = 0;

  constructor(protocol: typeof NETLINK_ROUTE | typeof NETLINK_NETFILTER) {
    this.#socket = new Socket('netlink', 'raw', protocol);
    this.#socket.setOption('NETLINK_EXT_ACK', 1);
    this.#socket.setOption('NETLINK_CAP_ACK', 1);
    if (protocol === NETLINK_ROUTE) this.#socket.setOption('NETLINK_GET_STRICT_CHK', 1);
  }

  /** Port that notifications name as the origin of what this channel changed; 0 before its first request. */
  get port(): number {
    return this.#port;
  }

  /** Does what the message asks for; throws `NetlinkError` where the kernel refuses. */
  request(type: number, flags: number, payload: Uint8Array): void {
    this.#exchange(type, NLM_F_ACK | flags, payload, () => undefined);
  }

  /** The message that answers a question; throws `NetlinkError`. */
  query(type: number, payload: Uint8Array): NetlinkMessage {
    let answer: NetlinkMessage | undefined;
    this.#exchange(type, NLM_F_ACK, payload, (message) => (answer = message));
    if (!answer) throw new Error(`netlink: no answer to a message of type ${type}`);
    return answer;
  }

  /** All objects that a dump finds, decoded; what `decode` gives `undefined` for is left out. Throws `NetlinkError`. */
  dump<T>(type: number, payload: Uint8Array, decode: (message: NetlinkMessage) => T | undefined): T[] {
    for (let attempt = 1; ; attempt++) {
      const found: T[] = [];
      const whole = this.#exchange(type, NLM_F_DUMP, payload, (message) => {
        const object = decode(message);
        if (object !== undefined) found.push(object);
      });
      if (whole || attempt === DUMP_ATTEMPTS) return found;
    }
  }

  /** Every message of a dump, once: what changes meanwhile may be among them or not. Throws `NetlinkError`. */
  each(type: number, payload: Uint8Array, take: (message: NetlinkMessage) => void): void {
    this.#exchange(type, NLM_F_DUMP, payload, take);
  }

  /**
   * Hands over the datagrams of a dump as they come, to which the sequence number belongs, until `take` gives the error number
   * with which it has ended (-1: it has not). Each `yield` is a place where others may run, who must leave this channel alone.
   */
  *datagrams(
    type: number,
    payload: Uint8Array,
    take: (datagram: Uint8Array, sequence: number) => number,
  ): Generator<void, void> {
    this.#sequence = (this.#sequence + 1) >>> 0;
    const message = { type, flags: NLM_F_REQUEST | NLM_F_DUMP, sequence: this.#sequence, port: 0, payload };
    this.#socket.send(encodeMessage(message, littleEndian), { nlPid: 0, nlGroups: 0 });
    for (let errno = -1; errno < 0;) {
      const received = this.#socket.receive(DUMP_PIECE);
      if (!received) throw new Error(`netlink: the kernel left a message of type ${type} unanswered`);
      errno = take(received.data, this.#sequence);
      if (errno > 0) throw new NetlinkError({ errno });
      yield;
    }
  }

  /**
   * Has the kernel do all of a batch or nothing of it (`nfnetlink_rcv_batch`); throws `NetlinkError` with what it refuses. The
   * socket stays open: to close one right after a transaction takes 15 ms (`nft_rcv_nl_event` waits for all CPUs).
   */
  transaction({ datagram, acknowledgements }: Batch): void {
    this.#socket.setOption('SO_SNDBUFFORCE', datagram.length + BATCH_ROOM);
    this.#socket.send(datagram, { nlPid: 0, nlGroups: 0 });
    let done = 0;
    let refused: NetlinkError | undefined;
    for (let received = this.#socket.receive(DUMP_PIECE); received; received = this.#socket.receive(DUMP_PIECE)) {
      for (const answer of decodeMessages(received.data, littleEndian)) {
        if (answer.type !== NLMSG_ERROR) continue;
        const result = decodeAnswer(answer, littleEndian);
        if (result.errno === 0) done++;
        else refused ??= new NetlinkError(result);
      }
    }
    if (refused) throw refused;
    if (done !== acknowledgements)
      throw new Error(`netlink: ${done} of ${acknowledgements} parts of a batch acknowledged`);
  }

  /** Does what each message asks for, whatever becomes of the others; tells how many of them the kernel has refused. */
  requestEach(type: number, payloads: readonly Uint8Array[], flags = 0): number {
    let refused = 0;
    for (let first = 0; first < payloads.length; first += AT_ONCE) {
      const here = payloads.slice(first, first + AT_ONCE);
      this.#socket.send(this.#datagramOf(type, flags, here).finish(), { nlPid: 0, nlGroups: 0 });
      for (let received = this.#socket.receive(DUMP_PIECE); received; received = this.#socket.receive(DUMP_PIECE)) {
        for (const answer of decodeMessages(received.data, littleEndian)) {
          if (answer.type === NLMSG_ERROR && decodeAnswer(answer, littleEndian).errno !== 0) refused++;
        }
      }
    }
    return refused;
  }

  /** Idempotent. */
  close(): void {
    this.#socket.close();
  }

  /** Of these messages only refusals are answered. */
  #datagramOf(type: number, flags: number, payloads: readonly Uint8Array[]): ByteWriter {
    const datagram = new ByteWriter(littleEndian, payloads.length * ROOM);
    for (const payload of payloads) {
      this.#sequence = (this.#sequence + 1) >>> 0;
      const message = { type, flags: NLM_F_REQUEST | flags, sequence: this.#sequence, port: 0, payload };
      datagram.bytes(encodeMessage(message, littleEndian));
    }
    return datagram;
  }

  /** False where a dump was disturbed by a change. */
  #exchange(type: number, flags: number, payload: Uint8Array, take: (message: NetlinkMessage) => void): boolean {
    this.#sequence = (this.#sequence + 1) >>> 0;
    const sequence = this.#sequence;
    const message = { type, flags: NLM_F_REQUEST | flags, sequence, port: 0, payload };
    this.#socket.send(encodeMessage(message, littleEndian), { nlPid: 0, nlGroups: 0 });
    let whole = true;
    for (;;) {
      const received = this.#socket.receive(DUMP_PIECE);
      if (!received) throw new Error(`netlink: the kernel left a message of type ${type} unanswered`);
      if (received.truncated) throw new Error(`netlink: an answer to a message of type ${type} is too long`);
      for (const answer of decodeMessages(received.data, littleEndian)) {
        // What an earlier exchange left behind when it threw.
        if (answer.sequence !== sequence) continue;
        this.#port = answer.port;
        if ((answer.flags & NLM_F_DUMP_INTR) !== 0) whole = false;
        if (answer.type === NLMSG_ERROR || answer.type === NLMSG_DONE) {
          const result = decodeAnswer(answer, littleEndian);
          if (result.errno !== 0) throw new NetlinkError(result);
          return whole;
        }
        if (answer.type !== NLMSG_NOOP) take(answer);
      }
    }
  }
}
