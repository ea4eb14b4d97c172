import { Socket, randomBytes } from 'oneip:runtime';
import type { Received } from 'oneip:runtime';
import { parseAddress } from '../../net/address.ts';
import type { Address, Family } from '../../net/address.ts';
import {
  DROP,
  JUMP_EQUAL,
  KEEP,
  LOAD_BYTE,
  LOAD_BYTE_INDEXED,
  LOAD_HALF,
  LOAD_HALF_INDEXED,
  LOAD_HEADER_LENGTH,
  jumpsUnless,
  keepWhere,
} from '../../netlink/bpf.ts';
import type { BpfInstruction } from '../../netlink/bpf.ts';
import type { ProbeTarget } from '../../watchdog/prober.ts';
import type { Attempt } from './attempt.ts';
import type { OwnAddresses } from './own-address.ts';
import { readPackets } from './packets.ts';
import { isUnreachable, unreachableReason } from './unreachable.ts';

// ICMP echo (RFC 792, RFC 4443 §4): one raw socket for each family asks all servers. A reply is known by our identifier, the
// sequence number of its request, and a cookie that nobody else knows; what comes from another address than the ghost is none.
//
// Where the ghost is the router's own address the ruleset lets its servers answer as a service only, since whoever else spoke
// as the router would be a forger. Packet sockets hear the replies before the ruleset does.

interface EchoProtocol {
  readonly domain: 'inet' | 'inet6';
  readonly number: number;
  readonly request: number;
  readonly reply: number;
  readonly unreachable: number;
  /** ETH_P_*. */
  readonly etherType: number;
}

const PROTOCOLS: Readonly<Record<Family, EchoProtocol>> = {
  4: { domain: 'inet', number: 1, request: 8, reply: 0, unreachable: 3, etherType: 0x0800 },
  6: { domain: 'inet6', number: 58, request: 128, reply: 129, unreachable: 1, etherType: 0x86dd },
};

const IP4_HEADER = 20;
const IP6_HEADER = 40;
const ICMP_HEADER = 8;
const COOKIE = 8;
const SEQUENCES = 65536;

interface Waiting {
  readonly target: ProbeTarget;
  readonly attempt: Attempt;
}

/** Asks ghosts of one family by ICMP echo. */
export class EchoProber {
  readonly #family: Family;
  readonly #protocol: EchoProtocol;
  readonly #own: OwnAddresses;
  readonly #waiting = new Map<number, Waiting>();
  readonly #request: Uint8Array;
  readonly #identifier: number;
  /** Sum of the request without its sequence number (RFC 1071). */
  readonly #sum: number;
  readonly #sockets = new Map<string, EchoSocket>();
  #sequence = 0;

  constructor(family: Family, own: OwnAddresses) {
    this.#family = family;
    this.#own = own;
    this.#protocol = PROTOCOLS[family];
    this.#request = new Uint8Array(ICMP_HEADER + COOKIE);
    this.#request[0] = this.#protocol.request;
    this.#request.set(randomBytes(2), 4);
    this.#request.set(randomBytes(COOKIE), ICMP_HEADER);
    this.#identifier = half(this.#request, 4);
    let sum = 0;
    for (let offset = 0; offset < this.#request.length; offset += 2) sum += half(this.#request, offset);
    this.#sum = sum;
  }

  start(target: ProbeTarget, attempt: Attempt): void {
    const [key, socket] = this.#socketFor(target);
    if (this.#waiting.size === SEQUENCES) throw new Error('too many probes');
    do this.#sequence = (this.#sequence + 1) % SEQUENCES;
    while (this.#waiting.has(this.#sequence));
    const sequence = this.#sequence;
    this.#waiting.set(sequence, { target, attempt });
    attempt.release = () => this.#waiting.delete(sequence);
    this.#number(sequence);
    try {
      if (!socket.send(this.#request, target)) attempt.fail('send queue full');
    } catch (error) {
      // Its device may be another one by now, or its address gone.
      if (key !== '') this.#drop(key);
      throw error;
    }
  }

  /** Idempotent. */
  close(): void {
    for (const key of [...this.#sockets.keys()]) this.#drop(key);
  }

  #socketFor(target: ProbeTarget): [key: string, socket: EchoSocket] {
    const source = this.#own.isOwn(target.ghost) ? this.#own.towards(target) : undefined;
    const key = source ? `${target.device.ifindex} ${source.text}` : '';
    const known = this.#sockets.get(key);
    if (known) return [key, known];
    const protocol = this.#protocol;
    const broken = () => this.#drop(key);
    const socket = source
      ? new OwnAddressSocket(protocol, this.#identifier, target, source, (packet) => this.#takePacket(packet), broken)
      : new PlainSocket(protocol, this.#identifier, (message, from) => this.#take(message, from), broken);
    this.#sockets.set(key, socket);
    return [key, socket];
  }

  #drop(key: string): void {
    this.#sockets.get(key)?.close();
    this.#sockets.delete(key);
  }

  #number(sequence: number): void {
    const request = this.#request;
    request[6] = sequence >> 8;
    request[7] = sequence & 0xff;
    // The kernel itself writes the checksum of ICMPv6, which covers the addresses too.
    if (this.#family === 6) return;
    let sum = this.#sum + sequence;
    sum = (sum & 0xffff) + (sum >> 16);
    sum = ~(sum + (sum >> 16)) & 0xffff;
    request[2] = sum >> 8;
    request[3] = sum & 0xff;
  }

  /** A whole packet that came to an address of ours as the router's own. True where more are expected. */
  #takePacket(packet: Uint8Array): boolean {
    const [offset, at, length] = this.#family === 4 ? [((packet[0] ?? 0) & 0xf) * 4, 12, 4] : [IP6_HEADER, 8, 16];
    const message = packet.subarray(offset);
    const waiting = this.#waiting.get(half(message, 6));
    const from = packet.subarray(at, at + length);
    if (waiting?.target.ghost.bytes.every((byte, index) => byte === from[index])) this.#answered(message, waiting);
    return this.#waiting.size > 0;
  }

  #take(message: Uint8Array, from: string): boolean {
    const waiting = this.#waiting.get(half(message, 6));
    if (message[0] === this.#protocol.unreachable) this.#refused(message, from);
    else if (waiting && isSame(from, waiting.target.ghost)) this.#answered(message, waiting);
    return this.#waiting.size > 0;
  }

  #answered(message: Uint8Array, { attempt }: Waiting): void {
    const request = this.#request;
    if (message.length < request.length) return;
    for (let offset = ICMP_HEADER; offset < request.length; offset++) {
      if (message[offset] !== request[offset]) return;
    }
    attempt.pass('echo reply');
  }

  /** The server says that it does not know where the ghost is. Only its own word counts. */
  #refused(message: Uint8Array, from: string): void {
    const inner = ICMP_HEADER + (this.#family === 4 ? IP4_HEADER : IP6_HEADER);
    const waiting = this.#waiting.get(half(message, inner + 6));
    const code = message[1] ?? 0;
    if (!waiting || !isUnreachable(this.#family, code) || !isSame(from, waiting.target.address)) return;
    waiting.attempt.reject(unreachableReason(this.#family, code));
  }
}

interface EchoSocket {
  /** False where the socket is full. Throws. */
  send(request: Uint8Array, target: ProbeTarget): boolean;
  close(): void;
}

/** A raw socket that sets the mark by which a packet finds its server. */
class Sender {
  readonly socket: Socket;
  #mark = 0;

  constructor({ domain, number }: EchoProtocol) {
    this.socket = new Socket(domain, 'raw', number);
  }

  send(request: Uint8Array, { ghost, mark }: ProbeTarget): boolean {
    if (mark !== this.#mark) this.socket.setOption('SO_MARK', mark);
    this.#mark = mark;
    return this.socket.send(request, { address: ghost.text, port: 0 }) >= 0;
  }

  close(): void {
    this.socket.close();
  }
}

class PlainSocket extends Sender implements EchoSocket {
  /** `take` gets ICMP messages and who has sent them. */
  constructor(
    protocol: EchoProtocol,
    identifier: number,
    take: (message: Uint8Array, from: string) => boolean,
    broken: () => void,
  ) {
    super(protocol);
    const { socket } = this;
    socket.setFilter(protocol.number === 1 ? filter4(protocol, identifier) : filter6(protocol, identifier));
    const deliver = ({ data, from }: Received) => {
      const sender = from && 'address' in from ? from.address : '';
      // IPv4 has its header before it, IPv6 has not.
      return take(protocol.number === 1 ? data.subarray(((data[0] ?? 0) & 0xf) * 4) : data, sender);
    };
    readPackets(socket, deliver, broken);
  }
}

class OwnAddressSocket extends Sender implements EchoSocket {
  readonly #packets: Socket;

  /** `take` gets whole packets, from whomever. */
  constructor(
    protocol: EchoProtocol,
    identifier: number,
    { device }: ProbeTarget,
    source: Address,
    take: (packet: Uint8Array) => boolean,
    broken: () => void,
  ) {
    super(protocol);
    this.#packets = new Socket('packet', 'dgram', 0);
    try {
      this.socket.setFilter([DROP]);
      this.socket.setOption('SO_BINDTODEVICE', device.name);
      this.socket.bind({ address: source.text, port: 0 });
      const conditions = [[LOAD_HALF_INDEXED, 4, identifier]] as const;
      this.#packets.setFilter(
        protocol.number === 1
          ? keepWhere(
              [[LOAD_BYTE, 9, protocol.number], [LOAD_BYTE_INDEXED, 0, protocol.reply], ...conditions],
              [[LOAD_HEADER_LENGTH, 0, 0, 0]],
            )
          : keepWhere([
              [LOAD_BYTE, 6, protocol.number],
              [LOAD_BYTE, IP6_HEADER, protocol.reply],
              [LOAD_HALF, IP6_HEADER + 4, identifier],
            ]),
      );
      this.#packets.bind({ ifindex: device.ifindex, protocol: protocol.etherType });
      readPackets(this.#packets, ({ data }) => take(data), broken);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  override close(): void {
    super.close();
    this.#packets.close();
  }
}

/** Our replies, and errors about our requests. Raw sockets of IPv4 see the packet from its IP header on. */
function filter4({ reply, unreachable, number }: EchoProtocol, identifier: number): BpfInstruction[] {
  const inner = ICMP_HEADER + IP4_HEADER;
  return [
    [LOAD_HEADER_LENGTH, 0, 0, 0],
    [LOAD_BYTE_INDEXED, 0, 0, 0],
    [JUMP_EQUAL, 0, 4, reply],
    ...jumpsUnless([[LOAD_HALF_INDEXED, 4, identifier]], 1),
    KEEP,
    DROP,
    ...keepWhere([
      [LOAD_BYTE_INDEXED, 0, unreachable],
      [LOAD_BYTE_INDEXED, ICMP_HEADER + 9, number],
      [LOAD_HALF_INDEXED, inner + 4, identifier],
    ]),
  ];
}

/** The same for those of IPv6, which see it from the ICMPv6 header on. */
function filter6({ reply, unreachable, number }: EchoProtocol, identifier: number): BpfInstruction[] {
  const inner = ICMP_HEADER + IP6_HEADER;
  return [
    [LOAD_BYTE, 0, 0, 0],
    [JUMP_EQUAL, 0, 4, reply],
    ...jumpsUnless([[LOAD_HALF, 4, identifier]], 1),
    KEEP,
    DROP,
    ...keepWhere([
      [LOAD_BYTE, 0, unreachable],
      [LOAD_BYTE, ICMP_HEADER + 6, number],
      [LOAD_HALF, inner + 4, identifier],
    ]),
  ];
}

function isSame(text: string, address: Address): boolean {
  // C libraries differ in how they write some IPv6 addresses.
  return text === address.text || parseAddress(text)?.text === address.text;
}

function half(bytes: Uint8Array, offset: number): number {
  return ((bytes[offset] ?? 0) << 8) | (bytes[offset + 1] ?? 0);
}
