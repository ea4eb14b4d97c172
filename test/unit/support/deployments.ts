import type { Environment } from '../../../src/config/environment.ts';
import type { Globals, Model, PortRange, Service } from '../../../src/config/model.ts';
import { deploy, numberServers } from '../../../src/deployment/deployment.ts';
import type { Deployment, Observation } from '../../../src/deployment/deployment.ts';
import type { Egresses } from '../../../src/egress/egress.ts';
import { parseAddress } from '../../../src/net/address.ts';
import type { Address } from '../../../src/net/address.ts';

/** Globals of which a configuration says nothing. */
export const GLOBALS: Globals = {
  enabled: true,
  markBase: 0x6f690000,
  tableBase: 28416,
  rulePriority: 900,
  channelPort: 28521,
  bridgeBypass: true,
};

/** An address that is known to be one. */
export function address(text: string): Address {
  const parsed = parseAddress(text);
  if (!parsed) throw new Error(`'${text}' is no address`);
  return parsed;
}

export interface EnvironmentOptions {
  readonly wanMtu?: number;
  readonly lanMtu?: number;
  /** False: a device without Ethernet header. */
  readonly wanHardware?: boolean;
  readonly lanIndex?: number;
  readonly wanAbsent?: boolean;
}

/** A router with WAN 203.0.113.1/24, 2001:db8::1/64 and LAN 192.168.1.1/24, fd00:1::1/64. */
export function environment(options: EnvironmentOptions = {}): Environment {
  const lan = { name: 'br-lan', ifindex: options.lanIndex ?? 3, mtu: options.lanMtu ?? 1500, up: true };
  const wan = { name: 'wan', ifindex: 2, mtu: options.wanMtu ?? 1500, up: true };
  const wanLink = options.wanHardware === false ? wan : { ...wan, hardware: '02:00:00:00:00:01' };
  const links = [...(options.wanAbsent ? [] : [wanLink]), { ...lan, hardware: '02:00:00:00:00:02' }];
  return {
    links: new Map(links.map((link) => [link.name, link])),
    addresses: [
      { device: 'wan', address: address('203.0.113.1'), prefixLength: 24 },
      { device: 'wan', address: address('2001:db8::1'), prefixLength: 64 },
      { device: 'br-lan', address: address('192.168.1.1'), prefixLength: 24 },
      { device: 'br-lan', address: address('fd00:1::1'), prefixLength: 64 },
    ],
    interfaces: new Map(),
    listeners: [],
  };
}

/** A service for TCP port 80 on 198.51.100.1 and 2001:db8:100::1 with the given servers, 192.168.1.11 and so on. */
export function service(count: number, changes: Partial<Service> = {}): Service {
  return {
    name: 'web',
    ghosts: [address('198.51.100.1'), address('2001:db8:100::1')],
    protocols: ['tcp'],
    ports: [{ first: 80, last: 80 }] as PortRange[],
    sources: ['wan', 'br-lan'],
    device: 'br-lan',
    hash: 'source',
    hashPrefix6: 64,
    allow: [],
    deny: [],
    slots: 256,
    seed: 7,
    dispatch: 'route',
    ghost2: [],
    secondChance: false,
    onChange: 'keep',
    onFailure: 'pass',
    allDown: 'keep',
    drainTimeout: 3_600_000,
    idleTimeout: 300_000,
    learnTime: 30_000,
    servers: Array.from({ length: count }, (_, index) => ({
      name: `web${index + 1}`,
      address: address(`192.168.1.${11 + index}`),
      address6: address(`fd00:1::${(0x11 + index).toString(16)}`),
      weight: 100,
    })),
    disabled: [],
    ...changes,
  };
}

/** Services deployed on a router, with slots dealt in turn: what table they have does not matter to the ruleset. */
export function deployment(
  services: readonly Service[],
  around: Environment = environment(),
  egresses?: Egresses,
): Deployment {
  const model: Model = { globals: GLOBALS, services, watchdogs: [] };
  const observation: Observation = {
    environment: around,
    hardware: new Map([['192.168.1.11', '02:00:00:00:01:01']]),
    strictReversePath: new Set(),
    occupied: new Set(),
    ...(egresses ? { egresses } : {}),
  };
  return deploy(model, observation, numberServers(model, around, new Map()), ({ slots, servers }) => {
    const table = new Uint16Array(slots).map((_, slot) => (servers.length === 0 ? 0xffff : slot % servers.length));
    return { 4: table, 6: table };
  });
}
