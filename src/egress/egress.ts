import type { Address } from '../net/address.ts';
import type { DeviceReference } from '../network/state.ts';

/** How packets for a server leave without its bridge: by the port behind which it is, in frames to this MAC address. */
export interface Egress {
  readonly port: DeviceReference;
  /** MAC address as text. */
  readonly hardware: string;
}

/** By `egressKey`; servers that are not in it are reached by their device. */
export type Egresses = ReadonlyMap<string, Egress>;

/** Key of a server's address on a device. */
export function egressKey({ ifindex }: Pick<DeviceReference, 'ifindex'>, address: Address): string {
  return `${ifindex} ${address.text}`;
}

export function isSameEgress(one: Egress | undefined, other: Egress | undefined): boolean {
  return (
    one?.port.ifindex === other?.port.ifindex &&
    one?.port.name === other?.port.name &&
    one?.hardware === other?.hardware
  );
}

/** True where the same servers leave by the same ports. */
export function areSameEgresses(some: Egresses, others: Egresses): boolean {
  return some.size === others.size && [...some].every(([key, egress]) => isSameEgress(egress, others.get(key)));
}
