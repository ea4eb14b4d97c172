import type { Address } from '../net/address.ts';
import type { Service } from './model.ts';
import { commonPorts, formatPortRange } from './ports.ts';

/** Traffic that two services claim both. */
export interface Overlap {
  readonly ghost: Pick<Address, 'text'>;
  /** `tcp port 443`, `udp ports 53, 8000-8010`, `every tcp+udp port`, `every protocol`. */
  readonly traffic: string;
}

/** The first ghost address, or interface that has them, for which two services take the same protocol and port; `undefined` where there is none. */
export function findOverlap(some: Service, other: Service): Overlap | undefined {
  const shared = some.ghosts.find(({ text }) => other.ghosts.some((address) => address.text === text));
  // Whatever addresses an interface has, both would have them.
  const followed = some.ghostInterfaces?.find((name) => other.ghostInterfaces?.includes(name));
  const ghost = shared ?? (followed === undefined ? undefined : { text: followed });
  if (!ghost) return undefined;
  const traffic = commonTraffic(some, other);
  return traffic === undefined ? undefined : { ghost, traffic };
}

function commonTraffic(some: Service, other: Service): string | undefined {
  const protocols = commonProtocols(some, other);
  if (protocols.length === 0) return undefined;
  const names = protocols.join('+');
  if (some.ports.length === 0 && other.ports.length === 0) {
    return names === 'all' ? 'every protocol' : `every ${names} port`;
  }
  const ports =
    some.ports.length === 0
      ? other.ports
      : other.ports.length === 0
        ? some.ports
        : commonPorts(some.ports, other.ports);
  if (ports.length === 0) return undefined;
  const plural = ports.length > 1 || ports.some(({ first, last }) => first < last);
  return `${names} port${plural ? 's' : ''} ${ports.map(formatPortRange).join(', ')}`;
}

function commonProtocols(some: Service, other: Service): readonly string[] {
  if (some.protocols.includes('all')) return other.protocols;
  if (other.protocols.includes('all')) return some.protocols;
  return some.protocols.filter((protocol) => other.protocols.includes(protocol));
}
