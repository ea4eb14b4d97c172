import type { Environment, LinkState } from '../config/environment.ts';
import type { Server } from '../config/model.ts';
import { serverAddress } from '../config/model.ts';
import type { Family } from '../net/address.ts';

/** Values of a setting for IPv4 as they were before we changed them; the kernel goes by the larger one. */
export interface Setting {
  /** Of `conf/all`. */
  readonly all: number;
  /** Of the device. */
  readonly own: number;
}

/** Settings of a device that decide whether a server on it works. */
export interface LinkSettings {
  readonly arpIgnore: Setting;
  readonly arpAnnounce: Setting;
  readonly reversePath: Setting;
  /** IPv6 `drop_unicast_in_l2_multicast` of the device, which stands alone. */
  readonly dropsFlooded6: boolean;
}

/** What a machine that shall be a server looks like. */
export interface Machine {
  readonly environment: Environment;
  readonly settingsOf: (device: string) => LinkSettings;
  /** Number of the device by which IPv4 packets go where no other route leads; absent: there is no such route. */
  readonly defaultDevice?: number;
}

/** Devices by which a server gets its packets, by family. */
export type Attachment = Readonly<Partial<Record<Family, LinkState>>>;

/**
 * Devices that carry the server's own addresses. An address that has gone for a moment, as while a lease is renewed, was on the
 * device where it was `before`: what keeps that one silent about the ghosts must not go with it.
 */
export function attach(server: Server, { links, addresses }: Environment, before: Attachment = {}): Attachment {
  const found: Partial<Record<Family, LinkState>> = {};
  for (const family of [4, 6] as const) {
    const address = serverAddress(server, family);
    if (!address) continue;
    const device = addresses.find((own) => own.address.text === address.text)?.device ?? before[family]?.name;
    const link = device === undefined ? undefined : links.get(device);
    if (link) found[family] = link;
  }
  return found;
}
