import type { InterfaceAddress, LinkState } from '../config/environment.ts';
import type { Server } from '../config/model.ts';
import type { Factors } from '../load/factors.ts';
import { NO_ORDERS, formatOrders, parseOrders } from './orders.ts';
import type { Orders } from './orders.ts';
import { parseAddress } from '../net/address.ts';
import type { Observation } from '../deployment/deployment.ts';
import type { Egress } from '../egress/egress.ts';

/**
 * What the daemon last put into force, as far as it cannot be computed again: `plan` and `simulate` rebuild the rest from it.
 * Kept as JSON in the state directory; only this program writes it.
 */
export interface Snapshot {
  /** Configuration text as it was read. */
  readonly configuration: string;
  readonly orders: Orders;
  readonly standings: readonly ServiceStanding[];
  readonly numbers: ReadonlyMap<string, number>;
  readonly observation: Observation;
}

/** Who of a service's servers gets no slots, who is there for old connections only, and what the load makes of their weights. */
export interface ServiceStanding {
  readonly service: string;
  readonly down: readonly string[];
  readonly leaving: readonly Server[];
  readonly factors?: Factors;
}

const VERSION = 2;

interface StoredAddress extends Omit<InterfaceAddress, 'address' | 'peer'> {
  readonly address: string;
  readonly peer?: string;
}

interface StoredServer {
  readonly name: string;
  readonly weight: number;
  readonly address?: string;
  readonly address6?: string;
}

interface Stored {
  readonly version: number;
  readonly configuration: string;
  readonly orders: string;
  readonly standings: { service: string; down: string[]; leaving: StoredServer[]; factors?: [string, number][] }[];
  readonly numbers: [string, number][];
  readonly links: LinkState[];
  readonly addresses: StoredAddress[];
  readonly interfaces: [string, string][];
  readonly interfaceAddresses?: [string, readonly string[]][];
  readonly hardware: [string, string][];
  readonly strictReversePath: string[];
  readonly occupied?: string[];
  readonly wireless?: string[];
  readonly egresses?: [string, Egress][];
}

export function formatSnapshot({ configuration, orders, standings, numbers, observation }: Snapshot): string {
  const { environment, hardware, strictReversePath, occupied, egresses } = observation;
  const stored: Stored = {
    version: VERSION,
    configuration,
    orders: formatOrders(orders),
    standings: standings.map(({ service, down, leaving, factors }) => ({
      ...{ service, down: [...down] },
      leaving: leaving.map(({ name, weight, address, address6 }) => ({
        ...{ name, weight },
        ...(address ? { address: address.text } : {}),
        ...(address6 ? { address6: address6.text } : {}),
      })),
      ...(factors ? { factors: [...factors] } : {}),
    })),
    numbers: [...numbers],
    links: [...environment.links.values()],
    addresses: environment.addresses.map(({ device, prefixLength, address, peer }) => ({
      device,
      prefixLength,
      address: address.text,
      ...(peer ? { peer: peer.text } : {}),
    })),
    interfaces: [...environment.interfaces],
    interfaceAddresses: [...(environment.interfaceAddresses ?? [])],
    hardware: [...hardware],
    strictReversePath: [...strictReversePath],
    occupied: [...occupied],
    wireless: [...(environment.wireless ?? [])],
    ...(egresses && { egresses: [...egresses] }),
  };
  return `${JSON.stringify(stored)}\n`;
}

/** `undefined` where the text is none of ours, such as that of another version. */
export function parseSnapshot(text: string): Snapshot | undefined {
  try {
    const stored = JSON.parse(text) as Stored;
    if (stored.version !== VERSION) return undefined;
    return {
      configuration: stored.configuration,
      orders: parseOrders(stored.orders) ?? NO_ORDERS,
      standings: stored.standings.map(({ service, down, leaving, factors }) => ({
        ...{ service, down },
        leaving: leaving.map(readServer),
        ...(factors ? { factors: new Map(factors) } : {}),
      })),
      numbers: new Map(stored.numbers),
      observation: {
        environment: {
          links: new Map(stored.links.map((link) => [link.name, link])),
          addresses: stored.addresses.flatMap(readAddress),
          interfaces: new Map(stored.interfaces),
          interfaceAddresses: new Map(stored.interfaceAddresses),
          listeners: [],
          wireless: new Set(stored.wireless),
        },
        hardware: new Map(stored.hardware),
        strictReversePath: new Set(stored.strictReversePath),
        occupied: new Set(stored.occupied),
        ...(stored.egresses && { egresses: new Map(stored.egresses) }),
      },
    };
  } catch {
    return undefined;
  }
}

function readServer({ name, weight, address = '', address6 = '' }: StoredServer): Server {
  const [own, own6] = [parseAddress(address), parseAddress(address6)];
  return { name, weight, ...(own ? { address: own } : {}), ...(own6 ? { address6: own6 } : {}) };
}

function readAddress({ device, prefixLength, address, peer }: StoredAddress): InterfaceAddress[] {
  const parsed = parseAddress(address);
  const parsedPeer = peer === undefined ? undefined : parseAddress(peer);
  return parsed ? [{ device, prefixLength, address: parsed, ...(parsedPeer ? { peer: parsedPeer } : {}) }] : [];
}
