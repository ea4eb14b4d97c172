import type { Family } from '../../src/net/address.ts';
import { families, familyOf, guestHost, lanHost, wanClient } from '../lab/addresses.ts';
import type { Lab } from '../lab/lab.ts';
import type { Namespace } from '../lab/namespace.ts';
import { echoPort } from '../lab/servers.ts';
import { answered, type Conversation } from '../lab/traffic.ts';
import { requestAll } from './requests.ts';

/** Somebody who uses the service: an address, its requests so far, and one connection that it holds on to. */
export interface Client {
  readonly address: string;
  readonly place: 'internet' | 'LAN' | 'guest LAN';
  readonly namespace: Namespace;
  /** The service's address of the same family. */
  readonly ghost: string;
  /** Requests answered, by server. */
  readonly requests: Map<string, number>;
  /** Connections opened to be held, by server. */
  readonly opened: Map<string, number>;
  /** Server of the last answered request. */
  lastServer?: string;
  /** Server that it had before anything was changed. */
  home?: string;
  held?: { readonly conversation: Conversation; readonly server: string };
}

const internetClients: Readonly<Record<Family, number>> = { 4: 240, 6: 120 };

/** Everybody: many on the internet, one in each LAN, over IPv4 and IPv6. */
export function populate(lab: Lab): Client[] {
  const ghostOf = (family: Family) => lab.ghosts.find((ghost) => familyOf(ghost) === family) ?? '';
  const client = (address: string, place: Client['place'], namespace: Namespace): Client => {
    return { address, place, namespace, ghost: ghostOf(familyOf(address)), requests: new Map(), opened: new Map() };
  };
  return families.flatMap((family) => [
    ...Array.from({ length: internetClients[family] }, (_, index) =>
      // 397 is odd: the clients lie scattered over their prefix, each in another place.
      client(wanClient(family, (1 + index * 397) % 131_072), 'internet', lab.wan),
    ),
    client(lanHost[family], 'LAN', lab.lan),
    client(guestHost[family], 'guest LAN', lab.guest),
  ]);
}

/** One request by each client to the ghost address; resolves with those that were not answered. */
export async function visit(clients: readonly Client[]): Promise<Client[]> {
  const namespaces = [...new Set(clients.map(({ namespace }) => namespace))];
  const failed = await Promise.all(
    namespaces.map(async (namespace) => {
      const visitors = clients.filter((client) => client.namespace === namespace);
      const servers = await requestAll(namespace, visitors);
      return visitors.filter((client, index) => {
        const server = servers[index];
        if (server === undefined) return true;
        client.lastServer = server;
        countOne(client.requests, server);
        return false;
      });
    }),
  );
  return failed.flat();
}

/** Opens a long-lived connection for each client that holds none; resolves with those that could not. */
export async function connectAll(lab: Lab, clients: readonly Client[]): Promise<Client[]> {
  const failed: Client[] = [];
  await Promise.all(
    clients.map(async (client) => {
      if (client.held) return;
      const conversation = await lab.traffic(client.namespace).tcp(client.address, client.ghost, echoPort);
      const answer = await conversation.ask();
      if (!answered(answer)) failed.push(client);
      else {
        client.held = { conversation, server: answer.server };
        countOne(client.opened, answer.server);
      }
    }),
  );
  return failed;
}

/** Connections that clients have had so far, requests and held ones, by server. */
export function connectionsBy(clients: readonly Client[]): Map<string, number> {
  const sums = new Map<string, number>();
  for (const { requests, opened } of clients) {
    for (const [server, count] of [...requests, ...opened]) sums.set(server, (sums.get(server) ?? 0) + count);
  }
  return sums;
}

function countOne(counts: Map<string, number>, server: string): void {
  counts.set(server, (counts.get(server) ?? 0) + 1);
}

/** What became of a connection. */
export interface Broken {
  readonly client: Client;
  /** The server that it was with. */
  readonly server: string;
}

/** Uses every held connection once. Those that are no more are taken from their clients and returned. */
export async function useConnections(clients: readonly Client[]): Promise<Broken[]> {
  const broken: Broken[] = [];
  await Promise.all(
    clients.map(async (client) => {
      const { held } = client;
      if (!held) return;
      const answer = await held.conversation.ask();
      if (answered(answer) && answer.server === held.server) return;
      held.conversation.close();
      delete client.held;
      broken.push({ client, server: held.server });
    }),
  );
  return broken;
}
