import type { Lab } from './lab.ts';
import { echoPort } from './servers.ts';

// Which server has accepted which connection: each writes down, in a table of the test's own, to whom it has sent a SYN-ACK, or a
// datagram.

/** What shows that a server has taken something of a client, by protocol. */
const ANSWERS = { tcp: 'tcp flags & (syn | ack) == syn | ack', udp: `udp sport ${echoPort}` } as const;

/** Begins to write down. */
export async function recordAnswered(
  { servers }: Pick<Lab, 'servers'>,
  protocol: keyof typeof ANSWERS = 'tcp',
): Promise<void> {
  const answer = ANSWERS[protocol];
  await Promise.all(
    servers.map(({ namespace }) =>
      namespace.nft(`table inet answered {
  set to4 { type ipv4_addr . inet_service; flags dynamic; size 65535; }
  set to6 { type ipv6_addr . inet_service; flags dynamic; size 65535; }
  chain output {
    type filter hook output priority 0
    ${answer} add @to4 { ip daddr . ${protocol} dport }
    ${answer} add @to6 { ip6 daddr . ${protocol} dport }
  }
}
`),
    ),
  );
}

/** Names of the servers that have accepted each connection, by its client's address and port. */
export async function answeredBy({ servers }: Pick<Lab, 'servers'>): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>();
  for (const { name, namespace } of servers) {
    const { nftables } = JSON.parse(await namespace.run(['nft', '-j', 'list', 'table', 'inet', 'answered'])) as {
      nftables: readonly { set?: { elem?: readonly { concat: [string, number] }[] } }[];
    };
    for (const element of nftables.flatMap(({ set }) => set?.elem ?? [])) {
      const client = element.concat.join(' ');
      found.set(client, [...(found.get(client) ?? []), name]);
    }
  }
  return found;
}
