import { Socket, equalBytes, hmacSha256, littleEndian, randomBytes } from 'oneip:runtime';
import type { Received } from 'oneip:runtime';
import { KIND_OFFSET, LONGEST_MESSAGE, SERVER_KINDS } from '../channel/message.ts';
import type { Authenticator } from '../channel/seal.ts';
import type { Family } from '../net/address.ts';
import { DROP, KEEP, LOAD_BYTE, jumpsUnless } from '../netlink/bpf.ts';
import type { DeviceReference } from '../network/state.ts';

/**
 * The groups for experiments on one link (RFC 4727 §2.4.1 and §3.4.1). Switches that follow who is in which group pass packets
 * to the IPv4 one to everybody (RFC 4541 §2.1.2), and routers keep both on the link.
 */
const GROUPS = { 4: '224.0.0.254', 6: 'ff02::114' } as const;
/** Bytes of messages that may wait while the event loop is busy. */
const RECEIVE_BUFFER = 1 << 20;

/** For the filter a datagram begins with its UDP header. */
const UDP_HEADER_LENGTH = 8;
const NO_REPORTS = [
  ...SERVER_KINDS.flatMap((kind) => [...jumpsUnless([[LOAD_BYTE, UDP_HEADER_LENGTH + KIND_OFFSET, kind]], 1), DROP]),
  KEEP,
];

/** Where the messages of a channel go. */
export interface ChannelPlace {
  readonly device: DeviceReference;
  readonly family: Family;
  /** UDP port. */
  readonly port: number;
  /** True: reports are for others, and the kernel drops them, until they are wanted; of many servers each would wake all. */
  readonly withoutReports?: boolean;
}

/** The channel on a device: what is sent reaches everybody else there. Keeps the process alive until closed. */
export class ChannelSocket {
  readonly #socket: Socket;
  readonly #place: ChannelPlace;

  /** Throws where the device has gone, or another program has the port. */
  constructor(place: ChannelPlace, received: (datagram: Uint8Array) => void) {
    this.#place = place;
    const { device, family, port } = place;
    const socket = new Socket(family === 4 ? 'inet' : 'inet6', 'dgram');
    try {
      socket.setOption('SO_BINDTODEVICE', device.name);
      if (family === 4) {
        socket.setOption('IP_MULTICAST_IF', byDevice(device.ifindex));
        socket.setOption('IP_MULTICAST_LOOP', 0);
        socket.setOption('IP_MULTICAST_TTL', 1);
      } else {
        socket.setOption('IPV6_MULTICAST_IF', device.ifindex);
        socket.setOption('IPV6_MULTICAST_LOOP', 0);
        socket.setOption('IPV6_MULTICAST_HOPS', 1);
      }
      enlargeBuffer(socket);
      if (place.withoutReports) socket.setFilter(NO_REPORTS);
      // Bound to the group itself, it hears nothing that is sent to this machine alone.
      socket.bind({ address: GROUPS[family], port, ...(family === 6 ? { scopeId: device.ifindex } : {}) });
      socket.joinGroup(GROUPS[family], device.ifindex);
      socket.onReadable(() => deliver(socket, received));
    } catch (error) {
      socket.close();
      throw error;
    }
    this.#socket = socket;
  }

  /** Whether reports are heard from now on. */
  hearReports(areWanted: boolean): void {
    this.#socket.setFilter(areWanted ? [] : NO_REPORTS);
  }

  /** Sends to everybody. What cannot be sent is lost, as on a network that is down; whoever lacks it will get it again. */
  send(datagram: Uint8Array): void {
    const { device, family, port } = this.#place;
    const scope = family === 6 ? { scopeId: device.ifindex } : {};
    try {
      this.#socket.send(datagram, { address: GROUPS[family], port, ...scope });
    } catch (error) {
      if ((error as { errno?: number }).errno === undefined) throw error;
    }
  }

  /** Idempotent. */
  close(): void {
    this.#socket.close();
  }
}

export const authenticator: Authenticator = { hmacSha256, equalBytes };

/** A number that no earlier start has had, not 0. */
export function randomLife(): bigint {
  const bytes = randomBytes(8);
  const life = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0);
  return life === 0n ? 1n : life;
}

function deliver(socket: Socket, received: (datagram: Uint8Array) => void): void {
  for (;;) {
    let next: Received | null;
    try {
      next = socket.receive(LONGEST_MESSAGE + 1);
    } catch {
      // The device is down or gone: whoever opened the socket hears of that by netlink.
      return;
    }
    if (!next) return;
    received(next.data);
  }
}

/** struct ip_mreqn: no group, no address, the device. */
function byDevice(ifindex: number): Uint8Array {
  const request = new DataView(new ArrayBuffer(12));
  request.setInt32(8, ifindex, littleEndian);
  return new Uint8Array(request.buffer);
}

/** Only the host's root may go beyond `net.core.rmem_max`; in a container the default has to do. */
function enlargeBuffer(socket: Socket): void {
  try {
    socket.setOption('SO_RCVBUFFORCE', RECEIVE_BUFFER);
  } catch (error) {
    if ((error as { code?: string }).code !== 'EPERM') throw error;
  }
}
