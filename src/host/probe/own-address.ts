import { Socket, monotonic } from 'oneip:runtime';
import type { Address } from '../../net/address.ts';
import { parseAddress } from '../../net/address.ts';
import type { DeviceReference } from '../../network/state.ts';
import type { ProbeTarget } from '../../watchdog/prober.ts';

/** Milliseconds that what was found holds: addresses come and go, but hardly between two probes. */
const LIFETIME = 1000;
/** Any port: nothing is sent to it. */
const PORT = 9;

/** What the router's own addresses are, asked of the kernel by sockets that send nothing, and remembered for a moment. */
export class OwnAddresses {
  readonly #known = new Map<string, { readonly value: Address | Uint8Array | undefined; readonly until: number }>();

  /** True where the address is one of the router's own: the kernel speaks to those from themselves. */
  isOwn(address: Address): boolean {
    return this.#recall(`own ${address.text}`, () => sourceTo(address))?.text === address.text;
  }

  /** The address from which the router speaks to the server itself; `undefined` where it has none for that. */
  towards({ address, device, mark }: ProbeTarget): Address | undefined {
    return this.#recall(`to ${device.ifindex} ${address.text}`, () => sourceTo(address, device.name, mark));
  }

  /** MAC address of a device; empty where it has none. Throws where the device is gone. */
  hardware({ ifindex }: DeviceReference): Uint8Array {
    return this.#recall(`of ${ifindex}`, () => hardwareOf(ifindex));
  }

  #recall<T extends Address | Uint8Array | undefined>(key: string, find: () => T): T {
    const known = this.#known.get(key);
    const now = monotonic();
    if (known && known.until > now) return known.value as T;
    const value = find();
    this.#known.set(key, { value, until: now + LIFETIME });
    return value;
  }
}

function sourceTo(to: Address, device?: string, mark?: number): Address | undefined {
  const socket = new Socket(to.family === 4 ? 'inet' : 'inet6', 'dgram');
  try {
    if (device !== undefined) socket.setOption('SO_BINDTODEVICE', device);
    if (mark !== undefined) socket.setOption('SO_MARK', mark);
    socket.connect({ address: to.text, port: PORT });
    const own = socket.localAddress();
    return 'address' in own ? parseAddress(own.address) : undefined;
  } catch {
    // No way there: nothing can be sent, which is the sender's to tell.
    return undefined;
  } finally {
    socket.close();
  }
}

function hardwareOf(ifindex: number): Uint8Array {
  const socket = new Socket('packet', 'dgram', 0);
  try {
    socket.bind({ ifindex, protocol: 0 });
    const own = socket.localAddress();
    const hardware = 'hardware' in own ? own.hardware : undefined;
    // ARPHRD_NONE has no address, PPP an empty one; tunnels have an IP address in its place.
    return hardware?.length === 6 ? hardware : new Uint8Array();
  } finally {
    socket.close();
  }
}
