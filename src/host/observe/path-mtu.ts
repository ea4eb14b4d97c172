import { Socket, randomBytes, setTimer } from 'oneip:runtime';
import type { PathMtu } from '../../doctor/observation.ts';
import { type Address, type Family, parseAddress } from '../../net/address.ts';
import type { DeviceReference } from '../../network/state.ts';
import { readPackets } from '../probe/packets.ts';

// How large a packet gets there and back: ICMP echo requests (RFC 792, RFC 4443 §4) that routers must not fragment and for which
// the kernel forgets what it has learned about the path. The sequence number is the size, so that replies tell theirs.

const PROTOCOL = {
  4: { domain: 'inet', number: 1, request: 8, reply: 0, overhead: 28, option: 'IP_MTU_DISCOVER' },
  6: { domain: 'inet6', number: 58, request: 128, reply: 129, overhead: 48, option: 'IPV6_MTU_DISCOVER' },
} as const;
/** IP_PMTUDISC_PROBE, of both families: no fragments, and only the device's own MTU counts. */
const PROBE = 3;
/** A size that gets through wherever anything does. */
const SMALL = 128;
/** Milliseconds from one attempt to the next, and attempts: the first may have to wait for a MAC address. */
const PACE = 250;
const ATTEMPTS = 3;
/** Sizes that are tried at once. */
const AT_ONCE = 16;

/** Measures the way to a neighbour by a device of the given MTU. Throws where the device is gone. */
export async function measurePath(to: Address, device: DeviceReference, mtu: number): Promise<PathMtu> {
  const echo = new SizedEcho(to, device);
  try {
    const first = await echo.tryAll([SMALL, mtu]);
    if (first.has(mtu)) return { answers: true, expected: mtu, largest: mtu };
    if (!first.has(SMALL)) return { answers: false, expected: mtu, largest: 0 };
    let [passes, fails] = [SMALL, mtu];
    while (fails - passes > 1) {
      const step = Math.max(1, Math.floor((fails - passes) / (AT_ONCE + 1)));
      const sizes: number[] = [];
      for (let size = passes + step; size < fails && sizes.length < AT_ONCE; size += step) sizes.push(size);
      const answered = await echo.tryAll(sizes);
      for (const size of sizes) {
        if (answered.has(size)) passes = size;
        else {
          fails = size;
          break;
        }
      }
    }
    return { answers: true, expected: mtu, largest: passes };
  } finally {
    echo.close();
  }
}

class SizedEcho {
  readonly #to: Address;
  readonly #device: DeviceReference;
  readonly #family: Family;
  readonly #socket: Socket;
  readonly #identifier = randomBytes(2);
  #answered: (size: number) => void = () => undefined;

  constructor(to: Address, device: DeviceReference) {
    this.#to = to;
    this.#device = device;
    this.#family = to.family;
    const { domain, number, option } = PROTOCOL[to.family];
    this.#socket = new Socket(domain, 'raw', number);
    try {
      this.#socket.setOption('SO_BINDTODEVICE', device.name);
      this.#socket.setOption(option, PROBE);
    } catch (error) {
      this.#socket.close();
      throw error;
    }
    readPackets(
      this.#socket,
      ({ data, from }) => {
        const sender = from && 'address' in from ? parseAddress(from.address.replace(/%.*/, '')) : undefined;
        if (sender?.text === to.text) this.#take(data);
        return true;
      },
      () => this.close(),
    );
  }

  /** Sizes that were answered, of those that were asked. */
  tryAll(sizes: readonly number[]): Promise<Set<number>> {
    return new Promise((resolve) => {
      const answered = new Set<number>();
      let attempts = 0;
      const next = () => {
        if (attempts++ === ATTEMPTS) return resolve(answered);
        for (const size of sizes) if (!answered.has(size)) this.#send(size);
        timer = setTimer(next, PACE);
      };
      let timer = setTimer(next, 0);
      this.#answered = (size) => {
        if (sizes.includes(size)) answered.add(size);
        if (answered.size < sizes.length) return;
        timer.cancel();
        resolve(answered);
      };
    });
  }

  /** Idempotent. */
  close(): void {
    this.#socket.close();
  }

  #send(size: number): void {
    const { request, overhead } = PROTOCOL[this.#family];
    const message = new Uint8Array(8 + size - overhead);
    message.set([request, 0, 0, 0, ...this.#identifier, size >> 8, size & 0xff]);
    if (this.#family === 4) message.set(checksum(message), 2);
    try {
      this.#socket.send(message, { address: this.#to.text, port: 0, scopeId: this.#device.ifindex });
    } catch {
      // What cannot be sent is not answered.
    }
  }

  #take(packet: Uint8Array): void {
    // IPv4 has its header before it, IPv6 has not.
    const message = this.#family === 4 ? packet.subarray(((packet[0] ?? 0) & 0xf) * 4) : packet;
    const [type, , , , high = 0, low = 0, sizeHigh = 0, sizeLow = 0] = message;
    if (type !== PROTOCOL[this.#family].reply || high !== this.#identifier[0] || low !== this.#identifier[1]) return;
    this.#answered((sizeHigh << 8) | sizeLow);
  }
}

/** Internet checksum (RFC 1071) of a message whose own field is zero. */
export function checksum(message: Uint8Array): [high: number, low: number] {
  let sum = 0;
  for (let at = 0; at < message.length; at += 2) sum += ((message[at] ?? 0) << 8) | (message[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return [(~sum >> 8) & 0xff, ~sum & 0xff];
}
