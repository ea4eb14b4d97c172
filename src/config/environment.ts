import type { Address } from '../net/address.ts';

/** A network device as rtnetlink tells it (`RTM_NEWLINK`). */
export interface LinkState {
  /** `IFLA_IFNAME`. */
  readonly name: string;
  readonly ifindex: number;
  /** `IFLA_MTU`, bytes. */
  readonly mtu: number;
  /** True where `IFF_UP` is set. */
  readonly up: boolean;
  /** MAC address as text, `02:00:00:00:00:01`; absent for devices without Ethernet header (PPP, tun, WireGuard). */
  readonly hardware?: string;
  /** `IFLA_INFO_KIND`: `bridge`, `vlan`, `veth`, `tun`, …; absent for hardware. */
  readonly kind?: string;
  /** `IFLA_MASTER`: the bridge or VRF that the device belongs to. */
  readonly masterIndex?: number;
  /** Present for a bridge that listens to who joins groups (IGMP, MLD snooping), and may send frames of groups to few ports. */
  readonly snooping?: true;
  /** Present for a port of a bridge that always gets the frames of all groups (`multicast_router` 2). */
  readonly multicastRouter?: true;
}

/** An address of the router (`RTM_NEWADDR`). */
export interface InterfaceAddress {
  /** Name of the device that carries it. */
  readonly device: string;
  readonly address: Address;
  /** 0–32 or 0–128; of `peer`, where there is one. */
  readonly prefixLength: number;
  /** The other end of a point-to-point link; the connected prefix is then the peer's. */
  readonly peer?: Address;
}

/** A local socket that waits for clients. */
export interface Listener {
  readonly protocol: 'tcp' | 'udp';
  /** Local address, or `any` for every address of every family. */
  readonly address: Address | 'any';
  /** 1–65535. */
  readonly port: number;
}

/** What a configuration is checked against: the router as it is at this moment. */
export interface Environment {
  /** Devices by name. */
  readonly links: ReadonlyMap<string, LinkState>;
  readonly addresses: readonly InterfaceAddress[];
  /** Logical interface (`wan`) to layer-3 device (`pppoe-wan`), as netifd tells it; empty where there is no netifd. */
  readonly interfaces: ReadonlyMap<string, string>;
  /** Text of the addresses that netifd has given to a logical interface, which may be one of several on a device. */
  readonly interfaceAddresses?: ReadonlyMap<string, readonly string[]>;
  /** Empty where nobody looked. */
  readonly listeners: readonly Listener[];
  /** Names of the devices that are radios (Wi-Fi); absent where nobody looked. */
  readonly wireless?: ReadonlySet<string>;
}

/** Layer-3 device behind a name of the configuration: a logical interface first, else the name as it is. */
export function resolveDevice(environment: Environment, name: string): string {
  return environment.interfaces.get(name) ?? name;
}
