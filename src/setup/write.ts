import type { Environment } from '../config/environment.ts';
import { type NewOptions, addSection, addToList, removeFromList, removeSection } from '../config/uci-edit.ts';
import { parseUci } from '../config/uci.ts';
import type { UciSection } from '../config/uci.ts';
import { formatPortRange } from '../config/ports.ts';
import { type Answers, ghostAddresses } from './answers.ts';
import { existingService } from './names.ts';
import { freeName, proposeSources, serverName } from './propose.ts';

/** A configuration with a service more. */
export interface Draft {
  readonly text: string;
  /** Sections that are new, as they stand in it. */
  readonly added: string;
  /** Names of the servers' sections, in the order of the answers. */
  readonly servers: readonly string[];
}

/**
 * Writes the service that the answers describe into a configuration, whose comments and other sections stay. One of the same
 * name is replaced, and those of its servers go that are in no service any more; servers and watchdogs that are there already are used. `names`: of hosts, by address. Throws
 * `UciEditError` where the text cannot be edited.
 */
export function writeService(
  before: string,
  answers: Answers,
  environment: Environment,
  names: ReadonlyMap<string, string>,
): Draft {
  const { service } = answers;
  let text = existingService(before, service) ? withoutService(before, service) : before;
  let added = '';
  const add = (type: string, name: string, options: NewOptions): void => {
    const after = addSection(text, type, name, options);
    added += after.slice(text.length).replace(/^\n+/, added === '' ? '' : '\n');
    text = after;
  };
  add('service', service, serviceOptionsOf(answers, environment));
  const servers = answers.servers.map(({ address, name }): string => {
    const { sections } = parseUci(text, '');
    const known = sections.find((section) => section.type === 'server' && isAt(section, address.text));
    if (known?.name !== undefined) {
      text = addToList(text, 'server', known.name, 'service', service);
      return known.name;
    }
    const taken = new Set(sections.flatMap((section) => section.name ?? []));
    const chosen = name ?? freeName(serverName(address, names.get(address.text)), taken);
    add('server', chosen, { service: [service], [address.family === 4 ? 'address' : 'address6']: address.text });
    return chosen;
  });
  for (const name of serversOf(before, service)) {
    const section = parseUci(text, '').sections.find((other) => other.type === 'server' && other.name === name);
    if (section && servicesOf(section).length === 0) text = removeSection(text, 'server', name);
  }
  const { sections } = parseUci(text, '');
  if (!sections.some((section) => section.type === 'watchdog' && watches(section, service))) {
    const taken = new Set(sections.flatMap((section) => section.name ?? []));
    add('watchdog', freeName('alive', taken), {
      ...{ type: answers.ports.transport === 'udp' ? 'ping' : 'tcp', service: [service], interval: '1s' },
    });
  }
  return { text, added, servers };
}

function serviceOptionsOf({ ports, servers, ghost, way, device }: Answers, environment: Environment): NewOptions {
  const served = new Set(servers.map(({ address }) => address.family));
  const addresses = ghostAddresses(ghost, environment).filter(({ family }) => served.has(family));
  return {
    ...('interface' in ghost && way === 'nat'
      ? { ghost_interface: [ghost.interface] }
      : { ghost: addresses.map(({ text }) => text) }),
    proto: ports.transport,
    port: ports.ranges.map(formatPortRange),
    source: proposeSources(environment, ghost, device),
    device,
    dispatch: way,
  };
}

/** Without the service, which its servers no longer name. */
function withoutService(before: string, service: string): string {
  let text = before;
  for (const name of serversOf(before, service)) text = removeFromList(text, 'server', name, 'service', service);
  return removeSection(text, 'service', service);
}

/** Names of the servers that name a service. */
function serversOf(text: string, service: string): string[] {
  const servers = parseUci(text, '').sections.filter(({ type }) => type === 'server');
  return servers.flatMap((section) => (servicesOf(section).includes(service) ? (section.name ?? []) : []));
}

function servicesOf({ options }: UciSection): string[] {
  return options.get('service')?.values.flatMap(({ text }) => text.split(/[ \t]+/)) ?? [];
}

function isAt({ options }: UciSection, address: string): boolean {
  return ['address', 'address6'].some((option) => options.get(option)?.values.at(-1)?.text === address);
}

/** Whether a watchdog is for all servers of a service. */
function watches(section: UciSection, service: string): boolean {
  const listed = servicesOf(section);
  const { options } = section;
  const isOn = !['0', 'off', 'false', 'no', 'disabled'].includes(options.get('enabled')?.values.at(-1)?.text ?? '1');
  return isOn && !options.has('server') && (listed.length === 0 || listed.includes(service));
}
