import type { ForwardingEntry } from '../netlink/forwarding.ts';
import type { LinkOperation } from '../netlink/link.ts';

/**
 * What lies between the router and a host on one of its links: the device, and, where that is a bridge or a VLAN of one, the
 * port behind which the host was last seen. Fed with netlink's dumps and events.
 */
export class BridgePorts {
  #links = new Map<number, LinkOperation>();
  /** By bridge and MAC address. */
  #ports = new Map<string, LinkOperation>();
  /** True for MAC addresses of hosts that matter. */
  readonly #matters: (hardware: string) => boolean;

  constructor(matters: (hardware: string) => boolean) {
    this.#matters = matters;
  }

  /** Begins anew with what dumps have found. Hosts that no dump has seen stay where they were last seen. */
  reset(links: readonly LinkOperation[], entries: readonly ForwardingEntry[]): void {
    this.#links = new Map(links.map((link) => [link.ifindex, link]));
    for (const key of this.#ports.keys()) if (!this.#matters(key.slice(key.indexOf(' ') + 1))) this.#ports.delete(key);
    for (const entry of entries) this.forwarding(entry, false);
  }

  link(link: LinkOperation, gone: boolean): void {
    if (gone) this.#links.delete(link.ifindex);
    else this.#links.set(link.ifindex, link);
  }

  /**
   * The kernel forgets all hosts behind a port that goes down, before it tells of the port: those that matter stay with the
   * port until they are seen behind another one.
   */
  forwarding({ bridge, port, hardware, local }: ForwardingEntry, gone: boolean): void {
    const link = this.#links.get(port);
    if (local || !link) return;
    const key = `${bridge} ${hardware}`;
    if (!gone) this.#ports.set(key, link);
    else if (!this.#matters(hardware)) this.#ports.delete(key);
  }

  /** Why nothing gets through to the host, in a few words; `undefined` where no reason is known. */
  fault(device: { readonly name: string; readonly ifindex: number }, hardware?: string): string | undefined {
    const link = this.#links.get(device.ifindex);
    if (!link) return `${device.name} is gone`;
    const own = faultOf(link);
    if (own !== undefined || hardware === undefined) return own;
    const bridge = link.kind === 'vlan' ? this.#links.get(link.lowerIndex ?? 0) : link;
    const seen = bridge?.kind === 'bridge' ? this.#ports.get(`${bridge.ifindex} ${hardware}`) : undefined;
    if (!bridge || !seen) return undefined;
    const port = this.#links.get(seen.ifindex);
    if (!port) return `${seen.name} is gone`;
    return faultOf(port) ?? (port.masterIndex === bridge.ifindex ? undefined : `${port.name} has left ${bridge.name}`);
  }
}

function faultOf({ name, up, carrier }: LinkOperation): string | undefined {
  if (!up) return `${name} is down`;
  return carrier ? undefined : `${name} has no carrier`;
}
