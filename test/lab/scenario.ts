import { endianness } from 'node:os';
import { slotOf } from '../../src/allocation/client-key.ts';
import type { Service } from '../../src/config/model.ts';
import { loadConfiguration } from '../../src/config/validate.ts';
import type { SlotTables } from '../../src/deployment/deployment.ts';
import { slotTables } from '../../src/deployment/slot-tables.ts';
import type { Family } from '../../src/net/address.ts';
import { parseAddress } from '../../src/net/address.ts';
import { simulate } from '../../src/simulate/simulate.ts';
import { wanClient } from './addresses.ts';
import type { Lab } from './lab.ts';
import type { Namespace } from './namespace.ts';
import { tool } from './paths.ts';
import type { Topology } from './topology.ts';
import type { Answer, Conversation, Failure } from './traffic.ts';
import { answered } from './traffic.ts';
import { uciSection, type UciOptions } from './uci.ts';

/** A service of a lab; what is left out is as in a home that serves clients from everywhere. */
export interface ServiceSettings {
  /** Default: all ghosts of the lab. */
  readonly ghost?: readonly string[];
  /** Names of its servers; default: all. */
  readonly servers?: readonly string[];
  /** Further options, as UCI has them; default: TCP and UDP from WAN, LAN and guests, all ports. */
  readonly options?: UciOptions;
}

/** The configuration of a lab's services and servers; `weights` by server's name, where not the default. */
export function configuration(
  { servers, ghosts }: Pick<Topology, 'servers' | 'ghosts'>,
  services: Readonly<Record<string, ServiceSettings>>,
  weights: Readonly<Record<string, number>> = {},
): string {
  const defaults = { source: ['wan', 'br-lan', 'br-guest'], device: 'br-lan', proto: 'tcp+udp' };
  const sections = Object.entries(services).map(([name, { ghost = ghosts, options }]) =>
    uciSection('service', name, { ...defaults, ghost, ...options }),
  );
  const members = servers.map(({ name, address }) =>
    uciSection('server', name, {
      service: Object.keys(services).filter((service) => services[service]?.servers?.includes(name) ?? true),
      address: address[4],
      address6: address[6],
      weight: weights[name],
    }),
  );
  return [...sections, ...members].join('');
}

/** Ports of a client's packets, where they matter to the hash. */
export interface Ports {
  readonly client: number;
  readonly service: number;
}

/** What `oneip simulate` says of a configuration, computed in this process: thousands of clients take no time. */
export class Oracle {
  readonly #services: ReadonlyMap<string, { readonly service: Service; readonly tables: SlotTables }>;

  constructor(config: string) {
    const { model, problems } = loadConfiguration(config, 'lab');
    const errors = problems.filter(({ severity }) => severity === 'error');
    if (errors.length > 0) throw new Error(`the lab's configuration has errors: ${JSON.stringify(errors)}`);
    this.#services = new Map(
      model.services.map((service) => [service.name, { service, tables: slotTables(service) }] as const),
    );
  }

  /** Name of the server that gets a client. */
  server(name: string, client: string, ports?: Ports): string {
    const { service, tables } = this.#known(name);
    const address = parseAddress(client);
    if (!address) throw new Error(`'${client}' is no address`);
    const littleEndian = endianness() === 'LE';
    const { server, why } = ports
      ? simulate(service, tables, { address, port: ports.client }, { littleEndian, port: ports.service })
      : simulate(service, tables, { address }, { littleEndian });
    if (server === undefined) throw new Error(`${client} has no server: ${why.join('; ')}`);
    return server;
  }

  /** Name of the server that gets a packet of a protocol without ports. */
  serverWithoutPorts(name: string, client: string, protocol: number): string {
    const { service, tables } = this.#known(name);
    const address = parseAddress(client);
    if (!address) throw new Error(`'${client}' is no address`);
    const slot = slotOf({ client: address, protocol }, service, endianness() === 'LE');
    return service.servers[tables[address.family]?.[slot] ?? -1]?.name ?? 'nobody';
  }

  /** Share of the slots by server's name; all shares make 1. */
  shares(name: string, family: Family): Map<string, number> {
    const { service, tables } = this.#known(name);
    const table = tables[family] ?? new Uint16Array();
    const shares = new Map<string, number>();
    for (const owner of table) {
      const server = service.servers[owner]?.name ?? 'nobody';
      shares.set(server, (shares.get(server) ?? 0) + 1 / table.length);
    }
    return shares;
  }

  #known(name: string) {
    const known = this.#services.get(name);
    if (!known) throw new Error(`no service '${name}' in the lab's configuration`);
    return known;
  }
}

/** An address as the kernel and our programs print it. */
export function canonical(address: string): string {
  const parsed = parseAddress(address);
  if (!parsed) throw new Error(`'${address}' is no address`);
  return parsed.text;
}

/** So many clients of `wan`, spread over all that it has; the same in every run. */
export function spreadClients(family: Family, count: number): string[] {
  return Array.from({ length: count }, (_, index) =>
    canonical(wanClient(family, Math.floor((index * 131_072) / count) ^ (index & 1))),
  );
}

/** What a conversation was answered, or an error that names it. */
export async function heard(conversation: Conversation, timeout?: number): Promise<Answer> {
  const answer: Answer | Failure = await conversation.ask(timeout);
  if (!answered(answer)) throw new Error(`${conversation.source} got no answer: ${JSON.stringify(answer)}`);
  return answer;
}

/** Opens a conversation, asks once who is there, and closes it. Rejects where nobody answers. */
export async function whoAnswers(
  lab: Pick<Lab, 'traffic'>,
  namespace: Namespace,
  protocol: 'tcp' | 'udp',
  from: string,
  to: string,
  port: number,
  sourcePort = 0,
): Promise<Answer> {
  const client = lab.traffic(namespace);
  const conversation = await client[protocol](from, to, port, sourcePort);
  try {
    return await heard(conversation);
  } catch (error) {
    throw new Error(`${protocol} from ${from} to ${to} port ${port}`, { cause: error });
  } finally {
    conversation.close();
  }
}

/**
 * Sends a datagram of `size` bytes, up to `tries` times until it is answered, and returns the name of the server that has
 * answered; the answer repeats it behind some 40 bytes of its own. Rejects where nobody has.
 */
export async function bigDatagram(
  namespace: Namespace,
  from: string,
  to: string,
  port: number,
  size: number,
  { sourcePort = 0, tries = 1 } = {},
): Promise<string> {
  const client = namespace.start([tool('traffic-client')]);
  const isAnswer = (line: string) => /^heard 1 (\S+) .* x+$/.exec(line)?.[1];
  client.send(`udp 1 ${from} ${sourcePort} ${to} ${port}`);
  try {
    for (let left = tries - 1; left > 0; left--) {
      const server = await client.ask(`say 1 ${'x'.repeat(size - 1)}`, isAnswer, 500).catch(() => undefined);
      if (server !== undefined) return server;
    }
    return await client.ask(`say 1 ${'x'.repeat(size - 1)}`, isAnswer, 4_000);
  } finally {
    client.closeInput();
    await client.ended;
  }
}

/** Runs one task for each item, at most `limit` at once, and returns their results in order. */
export async function eachOf<Item, Result>(
  items: readonly Item[],
  limit: number,
  task: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  const queue = items.entries();
  const worker = async () => {
    for (const [index, item] of queue) results[index] = await task(item);
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
  return results;
}

/** Calls `look` until it returns something, and returns that with the milliseconds it took; rejects after `timeout`. */
export async function eventually<Result>(
  what: string,
  timeout: number,
  look: () => Promise<Result | undefined>,
): Promise<{ result: Result; milliseconds: number }> {
  const begin = performance.now();
  for (;;) {
    const result = await look();
    const milliseconds = performance.now() - begin;
    if (result !== undefined) return { result, milliseconds };
    if (milliseconds > timeout) throw new Error(`${what}: not within ${timeout} ms`);
  }
}

/** Counters by name. */
export type Counters = ReadonlyMap<string, { readonly packets: number; readonly bytes: number }>;

/** Counters of one of our tables: fast path or slow path. */
export async function counters(router: Namespace, family: 'netdev' | 'inet' = 'netdev'): Promise<Counters> {
  const text = await router.run(['nft', '-j', 'list', 'counters', 'table', family, 'oneip']);
  const { nftables } = JSON.parse(text) as {
    nftables: { counter?: { name: string; packets: number; bytes: number } }[];
  };
  return new Map(
    nftables.flatMap(({ counter }) =>
      counter ? [[counter.name, { packets: counter.packets, bytes: counter.bytes }] as const] : [],
    ),
  );
}

/** Prints a figure worth knowing; the runner of the tests shows lines that begin so. */
export function figure(text: string): void {
  console.log(`\n# ${text}`);
}

/** Lines of the connection-tracking table that mention one of the addresses. IPv6 addresses are written out in full there. */
export async function trackedConnections(router: Namespace, addresses: readonly string[]): Promise<string[]> {
  const listed = await router.run(['cat', '/proc/net/nf_conntrack']);
  const wanted = addresses.map((text) => parseAddress(text)?.text);
  return listed
    .split('\n')
    .filter((line) =>
      [...line.matchAll(/(?:src|dst)=(\S+)/g)].some(([, text = '']) => wanted.includes(parseAddress(text)?.text)),
    );
}
