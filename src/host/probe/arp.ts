import { Socket } from 'oneip:runtime';
import { LOAD_HALF, keepWhere } from '../../netlink/bpf.ts';
import type { ProbeTarget } from '../../watchdog/prober.ts';
import type { Attempt } from './attempt.ts';
import { DeviceSockets } from './device-sockets.ts';
import type { OwnAddresses } from './own-address.ts';
import { Resolutions } from './resolution.ts';

// ARP (RFC 826): who has the server's own address? The first request is a broadcast; a server that has answered is asked by
// itself, as RFC 1122 §2.3.2.1 has it, until it fails to answer.

const ETH_P_ARP = 0x0806;
const REQUEST = 1;
const REPLY = 2;
const BROADCAST = Uint8Array.of(255, 255, 255, 255, 255, 255);
/** Ethernet, IPv4, lengths of their addresses; then those of the sender and of whom it looks for. */
const HEADER = [0, 1, 8, 0, 6, 4, 0, REQUEST];
const LENGTH = 28;
const ANY = new Uint8Array(4);

/** Asks servers for their own IPv4 addresses. */
export class ArpProber {
  readonly #own: OwnAddresses;
  readonly #sockets = new DeviceSockets(
    () => new Socket('packet', 'dgram', 0),
    (socket, { ifindex }) => {
      socket.setFilter(keepWhere([[LOAD_HALF, 6, REPLY]]));
      socket.bind({ ifindex, protocol: ETH_P_ARP });
    },
    (ifindex, reply) => this.#resolutions.answered(ifindex, reply.subarray(14, 18), reply.slice(8, 14), 'ARP reply'),
  );
  /** They tell MAC addresses. */
  readonly #resolutions = new Resolutions<Uint8Array>();
  readonly #request = new Uint8Array(LENGTH);

  constructor(own: OwnAddresses) {
    this.#own = own;
    this.#request.set(HEADER);
  }

  start(target: ProbeTarget, attempt: Attempt): void {
    const { address, device } = target;
    const own = this.#own.hardware(device);
    if (own.length === 0) return attempt.fail('device without MAC addresses');
    const source = this.#own.towards(target)?.bytes ?? ANY;
    const hardware = this.#resolutions.await(target, attempt) ?? BROADCAST;
    const request = this.#request;
    request.set(own, 8);
    request.set(source, 14);
    request.set(address.bytes, 24);
    const to = { ifindex: device.ifindex, protocol: ETH_P_ARP, hardware };
    if (this.#sockets.on(device).send(request, to) < 0) attempt.fail('send queue full');
  }

  /** Idempotent. */
  close(): void {
    this.#sockets.close();
  }
}
