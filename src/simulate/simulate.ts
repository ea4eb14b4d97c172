import { clientKey, slotOf } from '../allocation/client-key.ts';
import type { ClientPacket } from '../allocation/client-key.ts';
import { jhash } from '../allocation/jhash.ts';
import { isFlooded } from '../config/model.ts';
import type { Service } from '../config/model.ts';
import type { SlotTables } from '../deployment/deployment.ts';
import { formatPrefix, parseAddress, prefixHolds } from '../net/address.ts';
import type { Address } from '../net/address.ts';
import { PROTOCOL_NUMBER } from '../ruleset/traffic.ts';
import { simulateChances } from './translation.ts';

/** A client as people write one: `ADDRESS`, `ADDRESS:PORT`, `[ADDRESS6]:PORT`. */
export interface Client {
  readonly address: Address;
  readonly port?: number;
}

/** Where a client's packets go, and why. */
export interface Simulation {
  readonly service: string;
  /** `undefined`: the service does not take the client, or nobody has the slot; `why` tells. */
  readonly server?: string;
  readonly slot?: number;
  /** Where it is not the client that decides: each server's part of the new connections, 0 to 1, by its name. */
  readonly chances?: Readonly<Record<string, number>>;
  /** Value of the hash, 0–4294967295. */
  readonly hash?: number;
  readonly slots: number;
  /** Sentences, in the order of the decision. */
  readonly why: readonly string[];
}

export interface SimulationOptions {
  /** The service's port that the client asks for; default its first one. */
  readonly port?: number;
  readonly littleEndian: boolean;
}

/** Reads a client; `undefined` where the text is none. */
export function parseClient(text: string): Client | undefined {
  const alone = parseAddress(text.replace(/^\[(.*)\]$/, '$1'));
  if (alone) return { address: alone };
  const found = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const address = parseAddress(found?.[1] ?? found?.[2] ?? '');
  const port = Number(found?.[3]);
  return address && port >= 1 && port <= 65535 ? { address, port } : undefined;
}

/** The decision of a service about a client, step by step as the ruleset takes it. */
export function simulate(service: Service, tables: SlotTables, client: Client, options: SimulationOptions): Simulation {
  const { address } = client;
  const { family } = address;
  const { name, slots } = service;
  const nobody = (reason: string): Simulation => ({ service: name, slots, why: [reason] });

  if (!service.ghosts.some((ghost) => ghost.family === family)) return nobody(`no IPv${family} ghost address`);
  const denied = service.deny.find((prefix) => prefixHolds(prefix, address));
  if (denied) return nobody(`denied: ${address.text} is in ${formatPrefix(denied)}`);
  if (service.allow.length > 0 && !service.allow.some((prefix) => prefixHolds(prefix, address))) {
    return nobody(`not allowed: ${address.text} is in none of the prefixes of 'allow'`);
  }
  const { turns } = tables;
  const table = (turns ?? tables)[family];
  if (!table) return nobody(`no server has an IPv${family} address`);

  const how = service.translation ?? service.placement;
  if (how && how.scheduler !== 'hash') return simulateChances(service, table, how, turns !== undefined);
  const packet = packetOf(service, client, options);
  if (typeof packet === 'string') return nobody(packet);
  const slot = slotOf(packet, service, options.littleEndian);
  const hash = jhash(clientKey(packet, service), service.seed, options.littleEndian);
  const server = service.servers[table[slot] ?? service.servers.length]?.name;
  const why = [
    `hash of ${describeKey(service, packet)} with seed ${service.seed} is ${hash}`,
    `${hash} × ${slots} / 2³² is slot ${slot}`,
    server === undefined
      ? `slot ${slot} belongs to nobody: no server has a share`
      : `slot ${slot} belongs to ${server}`,
    ...(isFlooded(service)
      ? [`all servers get it, by ${service.dispatch}, and it is they who keep it or drop it`]
      : []),
  ];
  return { service: name, slots, slot, hash, why, ...(server === undefined ? {} : { server }) };
}

function packetOf(service: Service, client: Client, options: SimulationOptions): ClientPacket | string {
  const transport = service.protocols.includes('tcp') || service.protocols.includes('all') ? 'tcp' : 'udp';
  const protocol = PROTOCOL_NUMBER[transport];
  if (service.hash === 'source') return { client: client.address, protocol };
  const port = options.port ?? service.ports[0]?.first;
  if (client.port === undefined) return "hash 'source_port' depends on the client's port: write CLIENT:PORT";
  if (port === undefined) return "hash 'source_port' depends on the service's port, and it takes all: add --port";
  return { client: client.address, protocol, ports: { client: client.port, service: port } };
}

function describeKey({ hash, hashPrefix6 }: Service, { client, ports }: ClientPacket): string {
  const who =
    client.family === 6 && hashPrefix6 < 128 ? `the first ${hashPrefix6} bits of ${client.text}` : client.text;
  return hash === 'source' || !ports ? who : `${who}, port ${ports.client}, to port ${ports.service}`;
}
