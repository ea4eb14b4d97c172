import { Socket } from 'oneip:runtime';
import { addressFromBytes } from '../../net/address.ts';
import type { Address } from '../../net/address.ts';
import { LOAD_BYTE, NETWORK_HEADER, keepWhere } from '../../netlink/bpf.ts';
import type { ProbeTarget } from '../../watchdog/prober.ts';
import type { Attempt } from './attempt.ts';
import { DeviceSockets } from './device-sockets.ts';
import type { OwnAddresses } from './own-address.ts';
import { Resolutions } from './resolution.ts';

// Neighbour solicitation (RFC 4861 §7.2.2, §7.3.3): to the solicited-node multicast address first; a server that has answered is
// asked by itself until it fails to answer.

const ICMPV6 = 58;
const SOLICITATION = 135;
const ADVERTISEMENT = 136;
/** Packets with less have crossed a router and are not to be believed. */
const HOP_LIMIT = 255;
/** An advertisement that answers a question. */
const SOLICITED = 0x40;
const SOURCE_LINK_LAYER_ADDRESS = [1, 1];
const TARGET_OFFSET = 8;
const OPTION_OFFSET = TARGET_OFFSET + 16;

/** Asks servers for their own IPv6 addresses. */
export class SolicitationProber {
  readonly #own: OwnAddresses;
  readonly #resolutions = new Resolutions<true>();
  readonly #message = new Uint8Array(OPTION_OFFSET + 8);
  readonly #groups = new Map<string, string>();
  /** By device: an advertisement does not say by which one it came. */
  readonly #sockets = new DeviceSockets(
    () => new Socket('inet6', 'raw', ICMPV6),
    (socket, { name }) => {
      socket.setFilter(
        keepWhere([
          [LOAD_BYTE, 0, ADVERTISEMENT],
          [LOAD_BYTE, NETWORK_HEADER + 7, HOP_LIMIT],
        ]),
      );
      socket.setOption('SO_BINDTODEVICE', name);
      socket.setOption('IPV6_UNICAST_HOPS', HOP_LIMIT);
      socket.setOption('IPV6_MULTICAST_HOPS', HOP_LIMIT);
      socket.setOption('IPV6_MULTICAST_LOOP', 0);
    },
    (ifindex, advertisement) => this.#take(ifindex, advertisement),
  );

  constructor(own: OwnAddresses) {
    this.#own = own;
    this.#message[0] = SOLICITATION;
    this.#message.set(SOURCE_LINK_LAYER_ADDRESS, OPTION_OFFSET);
  }

  start(target: ProbeTarget, attempt: Attempt): void {
    const { address, device } = target;
    const own = this.#own.hardware(device);
    if (own.length === 0) return attempt.fail('device without MAC addresses');
    const isAnswering = this.#resolutions.await(target, attempt);
    const message = this.#message;
    message.set(address.bytes, TARGET_OFFSET);
    message.set(own, OPTION_OFFSET + 2);
    const socket = this.#sockets.on(device);
    // Multicast goes where it is sent; a mark would take it by the server's route.
    socket.setOption('SO_MARK', isAnswering ? target.mark : 0);
    const to = isAnswering ? address.text : this.#groupOf(address);
    if (socket.send(message, { address: to, port: 0, scopeId: device.ifindex }) < 0) attempt.fail('send queue full');
  }

  /** Idempotent. */
  close(): void {
    this.#sockets.close();
  }

  /** Solicited-node multicast address (RFC 4291 §2.7.1). */
  #groupOf({ text, bytes }: Address): string {
    const known = this.#groups.get(text);
    if (known !== undefined) return known;
    const group = addressFromBytes([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, ...bytes.subarray(13)]).text;
    this.#groups.set(text, group);
    return group;
  }

  #take(ifindex: number, advertisement: Uint8Array): boolean {
    if (((advertisement[4] ?? 0) & SOLICITED) === 0) return true;
    const address = advertisement.subarray(TARGET_OFFSET, TARGET_OFFSET + 16);
    return this.#resolutions.answered(ifindex, address, true, 'neighbour advertisement');
  }
}
