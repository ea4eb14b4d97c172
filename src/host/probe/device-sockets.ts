import type { Socket } from 'oneip:runtime';
import type { DeviceReference } from '../../network/state.ts';
import { readPackets } from './packets.ts';

/** A socket for each device, opened with the first question there, and anew where one has broken, as when its device goes. */
export class DeviceSockets {
  readonly #sockets = new Map<number, Socket>();
  readonly #create: () => Socket;
  readonly #prepare: (socket: Socket, device: DeviceReference) => void;
  readonly #take: (ifindex: number, packet: Uint8Array) => boolean;

  /**
   * `prepare` makes a new socket one of the device, and may throw. `take` gets what comes in by a device; false: nobody waits
   * for more.
   */
  constructor(
    create: () => Socket,
    prepare: (socket: Socket, device: DeviceReference) => void,
    take: (ifindex: number, packet: Uint8Array) => boolean,
  ) {
    this.#create = create;
    this.#prepare = prepare;
    this.#take = take;
  }

  /** The device's socket. Throws where none can be had. */
  on(device: DeviceReference): Socket {
    const { ifindex } = device;
    const known = this.#sockets.get(ifindex);
    if (known) return known;
    const socket = this.#create();
    try {
      this.#prepare(socket, device);
      readPackets(
        socket,
        ({ data }) => this.#take(ifindex, data),
        () => this.#drop(ifindex),
      );
    } catch (error) {
      socket.close();
      throw error;
    }
    this.#sockets.set(ifindex, socket);
    return socket;
  }

  /** Idempotent. */
  close(): void {
    for (const ifindex of [...this.#sockets.keys()]) this.#drop(ifindex);
  }

  #drop(ifindex: number): void {
    this.#sockets.get(ifindex)?.close();
    this.#sockets.delete(ifindex);
  }
}
