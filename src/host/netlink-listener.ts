import { Socket, littleEndian } from 'oneip:runtime';
import type { BpfInstruction } from '../netlink/bpf.ts';
import { decodeMessages } from '../netlink/message.ts';
import type { NetlinkMessage } from '../netlink/message.ts';

/** Longest notification: an nftables or rtnetlink message takes a page, a link with many virtual functions a few. */
const NOTIFICATION = 16384;
/** Bytes of notifications that may wait; the kernel keeps them, and only while they do. */
const RECEIVE_BUFFER = 1 << 20;
/** Datagrams taken in one turn of the event loop, so that a flood leaves room for everything else. */
const TURN = 64;

/** Receives what a netlink family multicasts. */
export class NetlinkListener {
  readonly #socket: Socket;
  readonly #take: (messages: readonly NetlinkMessage[]) => void;
  readonly #lost: () => void;

  /**
   * Joins no group yet. `take` gets what came in one turn of the loop; `lost` is called where notifications had to be
   * dropped: everything must be read again then.
   */
  constructor(
    protocol: number,
    filter: readonly BpfInstruction[],
    take: (messages: readonly NetlinkMessage[]) => void,
    lost: () => void,
  ) {
    this.#take = take;
    this.#lost = lost;
    this.#socket = new Socket('netlink', 'raw', protocol);
    this.#socket.bind({ nlPid: 0, nlGroups: 0 });
    enlargeBuffer(this.#socket);
    if (filter.length > 0) this.#socket.setFilter(filter);
    this.#socket.onReadable(() => {
      this.#read();
    });
  }

  join(group: number): void {
    this.#socket.setOption('NETLINK_ADD_MEMBERSHIP', group);
  }

  leave(group: number): void {
    this.#socket.setOption('NETLINK_DROP_MEMBERSHIP', group);
  }

  /** Idempotent. */
  close(): void {
    this.#socket.close();
  }

  #read(): void {
    const messages: NetlinkMessage[] = [];
    let lost = false;
    for (let count = 0; count < TURN; count++) {
      try {
        const received = this.#socket.receive(NOTIFICATION);
        if (!received) break;
        lost ||= received.truncated;
        messages.push(...decodeMessages(received.data, littleEndian));
      } catch (error) {
        if ((error as { code?: string }).code !== 'ENOBUFS') throw error;
        lost = true;
      }
    }
    if (messages.length > 0) this.#take(messages);
    if (lost) this.#lost();
  }
}

/** Only the host's root may go beyond `net.core.rmem_max`; in a container the default has to do. */
function enlargeBuffer(socket: Socket): void {
  try {
    socket.setOption('SO_RCVBUFFORCE', RECEIVE_BUFFER);
  } catch (error) {
    if ((error as { code?: string }).code !== 'EPERM') throw error;
  }
}
