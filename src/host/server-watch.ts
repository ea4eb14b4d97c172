import { Socket, littleEndian, setTimer } from 'oneip:runtime';
import type { Received, Timer } from 'oneip:runtime';
import type { Address, Family } from '../net/address.ts';
import { parseAddress } from '../net/address.ts';
import { LOAD_BYTE, LOAD_BYTE_INDEXED, LOAD_HEADER_LENGTH, keepWhere } from '../netlink/bpf.ts';
import { decodeForwarding, encodeForwardingDump } from '../netlink/forwarding.ts';
import { RTM_GETLINK, decodeLinkOperation, encodeLinkDump } from '../netlink/link.ts';
import { RTM_GETNEIGH } from '../netlink/neighbour.ts';
import type { Neighbour } from '../netlink/neighbour.ts';
import type { DeviceReference } from '../network/state.ts';
import type { EvidenceSource } from '../watchdog/watchdog.ts';
import { AddressBurst } from './address-burst.ts';
import { BridgePorts } from './bridge-ports.ts';
import { NETLINK_ROUTE, NetlinkChannel } from './netlink-channel.ts';
import { NetworkWatch } from './network-watch.ts';
import { readPackets } from './probe/packets.ts';
import { HostProber } from './probe/prober.ts';
import { isUnreachable, unreachableReason } from './probe/unreachable.ts';
import { readNeighbours } from './rtnetlink.ts';

/** Milliseconds that an ICMP error counts. A host that goes on refusing repeats it once a second (`icmp_ratelimit`). */
const ERROR_LIFETIME = 3000;

/** A server as it is followed: once for each of its own addresses. */
export interface FollowedServer {
  readonly server: string;
  /** Its own address. */
  readonly address: Address;
  readonly device: DeviceReference;
  /** Ghosts of the same family that it serves. */
  readonly ghosts: readonly Address[];
  /** Firewall mark by which packets go to it. */
  readonly mark: number;
}

/** What speaks against a server, without a probe. */
export interface Evidence {
  readonly server: string;
  /** Name of the device where it lives. */
  readonly device: string;
  readonly source: EvidenceSource;
  /** Present where only one family is concerned: `neighbour` and `icmp`. */
  readonly family?: Family;
  /** False: it no longer holds. */
  readonly down: boolean;
  /** A few words. */
  readonly reason: string;
}

interface Watched extends FollowedServer {
  /** MAC address, as last known. */
  hardware: string | undefined;
  failed: boolean;
  /** While the kernel asks whether it is still there. */
  burst: AddressBurst | undefined;
  /** While an ICMP error counts. */
  error: Timer | undefined;
}

/**
 * Follows servers without asking them: their neighbour entries, the devices and bridge ports that lead to them, and ICMP errors
 * by which a server says that it does not know the ghost. Keeps the process alive until closed.
 */
export class ServerWatch {
  readonly #channel = new NetlinkChannel(NETLINK_ROUTE);
  readonly #tell: (evidence: Evidence) => void;
  readonly #watch: NetworkWatch;
  readonly #icmp: readonly Socket[];
  readonly #bridges: BridgePorts;
  readonly #prober = new HostProber();
  /** By device and address. */
  #watched = new Map<string, Watched>();
  /** What has been told and holds, by its key. */
  readonly #told = new Map<string, string>();

  /** `tell` is called when evidence comes up, its reason changes, or it no longer holds; also within `follow`. */
  constructor(tell: (evidence: Evidence) => void) {
    this.#tell = tell;
    this.#bridges = new BridgePorts((hardware) => this.#isFollowed(hardware));
    this.#watch = new NetworkWatch({
      operation: (link, gone) => {
        this.#bridges.link(link, gone);
        this.#assessLinks();
      },
      forwarding: (entry, gone) => {
        this.#bridges.forwarding(entry, gone);
        if (!gone && this.#isFollowed(entry.hardware)) this.#assessLinks();
      },
      neighbour: (neighbour, gone) => {
        if (!gone) this.#takeNeighbour(neighbour);
      },
      lost: () => this.#read(),
    });
    this.#icmp = ([4, 6] as const).flatMap((family) =>
      icmpSockets(family, (...error) => this.#refused(family, ...error)),
    );
  }

  /** Follows these servers instead of others. What was told of those that are left out is forgotten without a word. */
  follow(servers: readonly FollowedServer[]): void {
    const before = this.#watched;
    this.#watched = new Map();
    for (const server of servers) {
      const key = keyOf(server.device.ifindex, server.address);
      const { hardware, failed = false, burst, error } = before.get(key) ?? {};
      const ghosts = [...(this.#watched.get(key)?.ghosts ?? []), ...server.ghosts];
      this.#watched.set(key, { ...server, ghosts, hardware, failed, burst, error });
    }
    for (const [key, watched] of before) if (!this.#watched.has(key)) forget(watched);
    const kept = new Set([...this.#watched.values()].flatMap(keysOf));
    for (const key of this.#told.keys()) if (!kept.has(key)) this.#told.delete(key);
    this.#read();
  }

  /** Idempotent. */
  close(): void {
    this.#watch.close();
    this.#channel.close();
    for (const socket of this.#icmp) socket.close();
    for (const watched of this.#watched.values()) forget(watched);
    this.#prober.close();
    this.#watched.clear();
  }

  #isFollowed(hardware: string): boolean {
    for (const watched of this.#watched.values()) if (watched.hardware === hardware) return true;
    return false;
  }

  #read(): void {
    const neighbours = readNeighbours(this.#channel, 'hosts');
    for (const neighbour of neighbours) this.#learn(neighbour);
    this.#bridges.reset(
      this.#channel.dump(RTM_GETLINK, encodeLinkDump(littleEndian), (message) =>
        decodeLinkOperation(message, littleEndian),
      ),
      this.#channel.dump(RTM_GETNEIGH, encodeForwardingDump(littleEndian), (message) =>
        decodeForwarding(message, littleEndian),
      ),
    );
    for (const watched of this.#watched.values()) this.#assessNeighbour(watched);
    this.#assessLinks();
  }

  #takeNeighbour(neighbour: Neighbour): void {
    const watched = this.#learn(neighbour);
    if (!watched) return;
    this.#assessNeighbour(watched);
    this.#assessLinks();
  }

  /** Between failure and answer there are states that tell nothing: the kernel asks again. */
  #learn({ address, ifindex, hardware, valid, failed, doubted, proxy }: Neighbour): Watched | undefined {
    const watched = proxy ? undefined : this.#watched.get(keyOf(ifindex, address));
    if (!watched || (!valid && !failed)) return undefined;
    if (doubted) this.#doubt(watched);
    else {
      watched.burst?.cancel();
      watched.burst = undefined;
      watched.failed = failed;
    }
    watched.hardware = hardware ?? watched.hardware;
    return watched;
  }

  #doubt(watched: Watched): void {
    if (watched.burst) return;
    const { server, address, device, ghosts, mark } = watched;
    const target = { service: '', server, ghost: ghosts[0] ?? address, address, device, mark };
    const key = keyOf(device.ifindex, address);
    watched.burst = new AddressBurst(this.#prober, target, () => {
      // What is followed may have been made anew meanwhile.
      const now = this.#watched.get(key);
      if (!now) return;
      now.failed = true;
      this.#assessNeighbour(now);
    });
  }

  #assessNeighbour(watched: Watched): void {
    const reason = watched.failed ? `neighbour ${watched.address.text} does not answer` : undefined;
    this.#hold(watched, 'neighbour', watched.address.family, reason);
  }

  /** One server may have two addresses, with two MAC addresses; the first fault counts for all of it. */
  #assessLinks(): void {
    const faults = new Map<string, { readonly watched: Watched; readonly fault: string | undefined }>();
    for (const watched of this.#watched.values()) {
      const key = tellingKey(watched, 'link');
      const fault = faults.get(key)?.fault ?? this.#bridges.fault(watched.device, watched.hardware);
      faults.set(key, { watched, fault });
    }
    for (const { watched, fault } of faults.values()) this.#hold(watched, 'link', undefined, fault);
  }

  #refused(family: Family, from: string, code: number, about: Uint8Array): void {
    const address = parseAddress(from);
    for (const watched of this.#watched.values()) {
      if (watched.address.text !== address?.text || !watched.ghosts.some(({ bytes }) => isEqual(bytes, about)))
        continue;
      watched.error?.cancel();
      watched.error = setTimer(() => this.#hold(watched, 'icmp', family, undefined), ERROR_LIFETIME);
      this.#hold(watched, 'icmp', family, `server says ${unreachableReason(family, code)}`);
    }
  }

  /** Tells what is new: `reason` speaks against the server, `undefined` that nothing does any more. */
  #hold(of: FollowedServer, source: EvidenceSource, family: Family | undefined, reason: string | undefined): void {
    const key = tellingKey(of, source, family);
    const before = this.#told.get(key);
    if (before === reason) return;
    if (reason === undefined) this.#told.delete(key);
    else this.#told.set(key, reason);
    this.#tell({
      server: of.server,
      device: of.device.name,
      source,
      ...(family !== undefined && { family }),
      down: reason !== undefined,
      reason: reason ?? `no longer: ${before}`,
    });
  }
}

function forget({ burst, error }: Watched): void {
  burst?.cancel();
  error?.cancel();
}

function keyOf(ifindex: number, address: Address): string {
  return `${ifindex} ${address.text}`;
}

function tellingKey({ server, device }: FollowedServer, source: EvidenceSource, family?: Family): string {
  return `${device.ifindex}/${server}/${source}/${family ?? ''}`;
}

function keysOf(watched: Watched): string[] {
  const { family } = watched.address;
  return [tellingKey(watched, 'link'), tellingKey(watched, 'neighbour', family), tellingKey(watched, 'icmp', family)];
}

type TakeError = (from: string, code: number, about: Uint8Array) => void;

/** Where "destination unreachable" has the destination of the packet that it is about, behind the ICMP header's start. */
const ABOUT = { 4: { offset: 8 + 16, length: 4 }, 6: { offset: 8 + 24, length: 16 } } as const;
const UNREACHABLE = { 4: 3, 6: 1 } as const;

/** None where the kernel lacks the family. */
function icmpSockets(family: Family, take: TakeError): Socket[] {
  let socket: Socket;
  try {
    socket = family === 4 ? new Socket('inet', 'raw', 1) : new Socket('inet6', 'raw', 58);
  } catch (error) {
    if ((error as { code?: string }).code === 'EAFNOSUPPORT') return [];
    throw error;
  }
  socket.setFilter(
    family === 4
      ? keepWhere([[LOAD_BYTE_INDEXED, 0, UNREACHABLE[4]]], [[LOAD_HEADER_LENGTH, 0, 0, 0]])
      : keepWhere([[LOAD_BYTE, 0, UNREACHABLE[6]]]),
  );
  const deliver = ({ data, from }: Received) => {
    const message = family === 4 ? data.subarray(((data[0] ?? 0) & 0xf) * 4) : data;
    const code = message[1] ?? 0;
    const { offset, length } = ABOUT[family];
    if (from && 'address' in from && isUnreachable(family, code)) {
      take(from.address, code, message.subarray(offset, offset + length));
    }
    return true;
  };
  readPackets(socket, deliver, () => socket.close());
  return [socket];
}

function isEqual(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
}
