import type { Service } from '../../src/config/model.ts';
import { loadConfiguration } from '../../src/config/validate.ts';
import type { SlotTables } from '../../src/deployment/deployment.ts';
import { slotTables } from '../../src/deployment/slot-tables.ts';
import type { Family } from '../../src/net/address.ts';
import type { Server, Topology } from './topology.ts';

// What a server needs where it gets every packet, written by hand for nft(8): the router's part is on trial here, with servers
// that owe nothing to it but seed and table.

/** Loads the filter on every server, for all services of a configuration that go to all servers. */
export async function loadHandFilters({ servers }: Pick<Topology, 'servers'>, config: string): Promise<void> {
  const services = loadConfiguration(config, 'lab').model.services.filter(({ dispatch }) => dispatch !== 'route');
  const deals = services.map((service) => ({ service, tables: slotTables(service) }));
  await Promise.all(servers.map((server) => server.namespace.nft(filterOf(server, deals))));
}

interface Deal {
  readonly service: Service;
  readonly tables: SlotTables;
}

/** Fields of the client's address: all of IPv4, the household of IPv6. */
const client: Readonly<Record<Family, string>> = { 4: '@nh,96,32', 6: '@nh,64,64' };

function filterOf(server: Server, deals: readonly Deal[]): string {
  const parts = deals.flatMap(({ service, tables }) =>
    service.ghosts.map((ghost) => {
      const { family, text } = ghost;
      const own = service.servers.findIndex(({ name }) => name === server.name);
      const slots = [...(tables[family] ?? [])].flatMap((owner, slot) => (owner === own ? [slot] : []));
      return {
        set: `set ${service.name}${family} { type mark; elements = { ${slots.join(', ')} }; }`,
        ports: service.ports.map(({ first, last }) => `${first}-${last}`).join(', '),
        ghost: `${family === 4 ? 'ip' : 'ip6'} daddr ${text}`,
        share: [
          `meta mark set jhash ${client[family]} mod ${service.slots} seed ${service.seed}`,
          `meta mark @${service.name}${family} meta mark set 0 meta pkttype set host accept`,
        ].join(' '),
      };
    }),
  );
  return `table inet by_hand {
  ${parts.map(({ set }) => set).join('\n  ')}
  chain filter {
    type filter hook prerouting priority mangle
    meta pkttype host accept
${parts.map(({ ghost }) => `    ${ghost} ct state established,related meta pkttype set host accept`).join('\n')}
${parts.map(({ ghost }) => `    ${ghost} meta l4proto tcp tcp flags & (syn | ack | rst | fin) != syn drop`).join('\n')}
${parts.map(({ ghost, ports, share }) => `    ${ghost} th dport { ${ports} } ${share}`).join('\n')}
${parts.map(({ ghost, share }) => `    ${ghost} meta l4proto { icmp, ipv6-icmp } ${share}`).join('\n')}
${parts.map(({ ghost }) => `    ${ghost} drop`).join('\n')}
  }
}
`;
}
