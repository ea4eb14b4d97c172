import type { InterfaceAddress, LinkState } from '../config/environment.ts';
import { parseAddress } from '../net/address.ts';
import type { Observation } from './deployment.ts';

/**
 * What the daemon last put into force, as far as it cannot be computed again: `plan` and `simulate` rebuild the rest from it.
 * Kept as JSON in the state directory; only this program writes it.
 */
export interface Snapshot {
  /** Configuration text as it was read. */
  readonly configuration: string;
  readonly numbers: ReadonlyMap<string, number>;
  readonly observation: Observation;
}

const VERSION = 1;

interface StoredAddress extends Omit<InterfaceAddress, 'address' | 'peer'> {
  readonly address: string;
  readonly peer?: string;
}

interface Stored {
  readonly version: number;
  readonly configuration: string;
  readonly numbers: [string, number][];
  readonly links: LinkState[];
  readonly addresses: StoredAddress[];
  readonly interfaces: [string, string][];
  readonly hardware: [string, string][];
  readonly strictReversePath: string[];
}

export function formatSnapshot({ configuration, numbers, observation }: Snapshot): string {
  const { environment, hardware, strictReversePath } = observation;
  const stored: Stored = {
    version: VERSION,
    configuration,
    numbers: [...numbers],
    links: [...environment.links.values()],
    addresses: environment.addresses.map(({ device, prefixLength, address, peer }) => ({
      device,
      prefixLength,
      address: address.text,
      ...(peer ? { peer: peer.text } : {}),
    })),
    interfaces: [...environment.interfaces],
    hardware: [...hardware],
    strictReversePath: [...strictReversePath],
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
      numbers: new Map(stored.numbers),
      observation: {
        environment: {
          links: new Map(stored.links.map((link) => [link.name, link])),
          addresses: stored.addresses.flatMap(readAddress),
          interfaces: new Map(stored.interfaces),
          listeners: [],
        },
        hardware: new Map(stored.hardware),
        strictReversePath: new Set(stored.strictReversePath),
      },
    };
  } catch {
    return undefined;
  }
}

function readAddress({ device, prefixLength, address, peer }: StoredAddress): InterfaceAddress[] {
  const parsed = parseAddress(address);
  const parsedPeer = peer === undefined ? undefined : parseAddress(peer);
  return parsed ? [{ device, prefixLength, address: parsed, ...(parsedPeer ? { peer: parsedPeer } : {}) }] : [];
}
