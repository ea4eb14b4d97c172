import { type Environment, resolveDevice } from '../config/environment.ts';
import { addressesOf } from '../config/ghost-interface.ts';
import type { PortRange } from '../config/model.ts';
import { formatPortRange } from '../config/ports.ts';
import { whyUnusable } from '../config/unusable.ts';
import { portRange } from '../config/value-types.ts';
import { quote } from '../config/wording.ts';
import { type Address, parseAddress } from '../net/address.ts';

/** What clients connect to: an interface, whichever addresses it has, or addresses. */
export type GhostChoice = { readonly interface: string } | { readonly addresses: readonly Address[] };

/** Protocols that a service can be of here, as its option `proto` has them. */
export type Transport = 'tcp' | 'udp' | 'tcp+udp';

/** Ports of one service; not empty. */
export interface PortChoice {
  readonly ranges: readonly PortRange[];
  readonly transport: Transport;
}

/** A server as it was named. */
export interface ServerChoice {
  readonly address: Address;
  /** Of its section; absent: to be made up. */
  readonly name?: string;
}

/** Ways of packets to servers that `oneip setup` offers. */
export type Way = 'nat' | 'route';

/** All that has to be known for a first service. */
export interface Answers {
  readonly ports: PortChoice;
  readonly servers: readonly ServerChoice[];
  readonly ghost: GhostChoice;
  readonly way: Way;
  /** Where the servers live: a device or a logical interface. */
  readonly device: string;
  /** Name of the service's section. */
  readonly service: string;
}

/** What an answer means; or why it means nothing, as a sentence without its full stop. */
export type Understood<T> = { readonly value: T } | { readonly problem: string };

/** `80`, `80 443`, `8000-8010`, `53/udp`, `443/tcp+udp`; without a protocol, TCP. */
export function readPorts(answer: string): Understood<PortChoice> {
  const accepted = `${portRange.accepted}; with /udp or /tcp+udp behind it where it is not TCP`;
  const ports = { tcp: new Map<string, PortRange>(), udp: new Map<string, PortRange>() };
  for (const word of wordsOf(answer)) {
    const [, text = '', transport = 'tcp'] = /^(.*?)(?:\/(tcp|udp|tcp\+udp))?$/.exec(word) ?? [];
    const reading = portRange.read(text);
    if (!('value' in reading)) return { problem: `${quote(text)} ${reading.reason}; accepted: ${accepted}` };
    for (const protocol of ['tcp', 'udp'] as const)
      if (transport.includes(protocol)) ports[protocol].set(text, reading.value);
  }
  const { tcp, udp } = ports;
  if (tcp.size + udp.size === 0) return { problem: `there has to be a port; accepted: ${accepted}` };
  if (udp.size === 0) return { value: { ranges: [...tcp.values()], transport: 'tcp' } };
  if (tcp.size === 0) return { value: { ranges: [...udp.values()], transport: 'udp' } };
  if (tcp.size !== udp.size || [...udp.keys()].some((text) => !tcp.has(text)))
    return { problem: 'one service has the same ports of TCP and of UDP: set up one after the other' };
  return { value: { ranges: [...tcp.values()], transport: 'tcp+udp' } };
}

/** `192.168.1.11 nas=192.168.1.12`: addresses, each with a name before it or without. */
export function readServers(answer: string): Understood<readonly ServerChoice[]> {
  const servers: ServerChoice[] = [];
  for (const word of wordsOf(answer)) {
    const [, name, text = ''] = /^(?:([^=]*)=)?(.*)$/.exec(word) ?? [];
    const address = parseAddress(text);
    const reason = address ? whyUnusable(address) : 'is no address';
    if (!address || reason !== undefined) return { problem: `${quote(text)} ${reason ?? ''}` };
    if (name !== undefined && !/^[a-z0-9_]{1,32}$/.test(name))
      return {
        problem: `${quote(name)} is no name of a server; accepted: up to 32 letters a–z, digits and underscores`,
      };
    const twin = servers.find(
      (other) => other.address.text === address.text || (name !== undefined && other.name === name),
    );
    if (twin)
      return { problem: `${quote(word)} is the second ${twin.name === name && name !== undefined ? name : text}` };
    servers.push({ address, ...(name === undefined ? {} : { name }) });
  }
  return servers.length > 0 ? { value: servers } : { problem: 'there has to be a server; accepted: its address' };
}

/** `wan`, `203.0.113.5`, `198.51.100.1 2001:db8::1`. */
export function readGhost(answer: string, environment: Environment): Understood<GhostChoice> {
  const words = wordsOf(answer);
  const [only = '', second] = words;
  const addresses = words.map(parseAddress);
  if (words.length > 0 && addresses.every((address) => address !== undefined)) {
    const bad = addresses.find((address) => whyUnusable(address) !== undefined);
    return bad ? { problem: `${quote(bad.text)} ${whyUnusable(bad) ?? ''}` } : { value: { addresses } };
  }
  const isKnown = environment.links.has(resolveDevice(environment, only));
  if (second === undefined && isKnown) return { value: { interface: only } };
  return { problem: `${quote(answer)} is neither an interface of this router that is up nor an address` };
}

export function readWay(answer: string): Understood<Way> {
  const way = (['nat', 'route'] as const).find((known) => known === answer.trim());
  return way ? { value: way } : { problem: `${quote(answer)} is neither nat nor route` };
}

/** Addresses that the ghost is at the moment. */
export function ghostAddresses(choice: GhostChoice, environment: Environment): readonly Address[] {
  return 'interface' in choice ? addressesOf(environment, choice.interface) : choice.addresses;
}

/** As it would be typed. */
export function formatPorts({ ranges, transport }: PortChoice): string {
  return ranges.map((range) => `${formatPortRange(range)}${transport === 'tcp' ? '' : `/${transport}`}`).join(' ');
}

/** The port that connections can be opened to, to see who serves; undefined where there is none but of UDP. */
export function portToAsk({ ranges, transport }: PortChoice): number | undefined {
  return transport === 'udp' ? undefined : ranges[0]?.first;
}

function wordsOf(answer: string): string[] {
  return answer.split(/[\s,]+/).filter((word) => word !== '');
}
