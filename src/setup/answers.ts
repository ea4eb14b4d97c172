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
  /** TCP ports. */
  readonly ports: readonly PortRange[];
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

/** `80`, `80 443`, `8000-8010`. */
export function readPorts(answer: string): Understood<readonly PortRange[]> {
  const ports: PortRange[] = [];
  for (const word of wordsOf(answer)) {
    const reading = portRange.read(word);
    if (!('value' in reading)) return { problem: `${quote(word)} ${reading.reason}; accepted: ${portRange.accepted}` };
    ports.push(reading.value);
  }
  return ports.length > 0 ? { value: ports } : { problem: `there has to be a port; accepted: ${portRange.accepted}` };
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
export function formatPorts(ports: readonly PortRange[]): string {
  return ports.map(formatPortRange).join(' ');
}

function wordsOf(answer: string): string[] {
  return answer.split(/[\s,]+/).filter((word) => word !== '');
}
