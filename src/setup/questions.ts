import type { Environment } from '../config/environment.ts';
import { addressesOf } from '../config/ghost-interface.ts';
import { count } from '../config/wording.ts';
import type { Address } from '../net/address.ts';
import { type Understood, type Way, readGhost, readPorts, readServers, readWay } from './answers.ts';
import { type PortChoice, portToAsk } from './answers.ts';
import type { GhostChoice, ServerChoice } from './answers.ts';
import { proposeGhost } from './propose.ts';

/** A question of the dialogue. */
export interface Question<T> {
  /** Lines before it, and the question itself; the default is put behind it in brackets. */
  readonly text: string;
  /** What an empty answer means; absent: there has to be one. */
  readonly fallback?: string;
  read(answer: string): Understood<T>;
}

/** A host of the servers' network. */
export interface Host {
  readonly address: Address;
  /** As it has told by DHCP. */
  readonly name?: string;
  /** It accepts connections on the first port; of UDP nobody is asked. */
  readonly answers: boolean;
}

export const portQuestion: Question<PortChoice> = {
  text: '1. On which TCP port is the service? Several with blanks between them; 53/udp or 443/tcp+udp where it is not TCP alone.',
  fallback: '80',
  read: readPorts,
};

/** `device`: how the servers' network is called. */
export function serversQuestion(
  hosts: readonly Host[],
  ports: PortChoice,
  device: string,
): Question<readonly ServerChoice[]> {
  const serving = hosts.filter(({ answers }) => answers);
  const asked = portToAsk(ports);
  const silent = hosts.length - serving.length;
  const linesOf = (some: readonly Host[]) =>
    some.map(({ address, name }) => `     ${address.text}${name === undefined ? '' : `  ${name}`}`);
  const found = (): string => {
    if (asked === undefined) return [`Hosts on ${device}, whether they serve or not:`, ...linesOf(hosts)].join('\n');
    if (serving.length === 0)
      return `On ${device} no host accepts connections on port ${asked} (${count(hosts.length, 'host')} looked at).`;
    const these = serving.length === 1 ? 'this host accepts' : 'these hosts accept';
    const others = silent === 0 ? '' : `, and ${count(silent, 'other')} none`;
    return [`On ${device} ${these} connections on port ${asked}${others}:`, ...linesOf(serving)].join('\n');
  };
  return {
    text: `${found()}\n2. Which are the servers? Addresses, if you like with names: nas=192.168.1.11.`,
    ...(serving.length === 0 ? {} : { fallback: serving.map(({ address }) => address.text).join(' ') }),
    read: readServers,
  };
}

export function ghostQuestion(environment: Environment, device: string): Question<GhostChoice> {
  const proposed = proposeGhost(environment, device);
  const has = proposed === undefined ? '' : ` ${proposed} has ${textsOf(addressesOf(environment, proposed))}.`;
  return {
    text: `3. What do clients connect to? An interface of this router, or an address.${has}`,
    ...(proposed === undefined ? {} : { fallback: proposed }),
    read: (answer) => readGhost(answer, environment),
  };
}

export const wayQuestion: Question<Way> = {
  text: [
    '4. How do packets get to the servers?',
    '     nat    the router puts their address in the place of its own: nothing to do on the servers',
    '     route  servers answer clients directly, which is faster; each of them has to be set up by a script',
    '   Which of both?',
  ].join('\n'),
  fallback: 'nat',
  read: readWay,
};

/** What an empty answer means stands in brackets. */
export function prompt({ text, fallback }: Pick<Question<unknown>, 'text' | 'fallback'>): string {
  return `${text} ${fallback === undefined ? '' : `[${fallback}] `}`;
}

function textsOf(addresses: readonly Address[]): string {
  return addresses.map(({ text }) => text).join(', ');
}
