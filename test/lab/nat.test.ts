import * as assert from 'uvu/assert';
import type { Family } from '../../src/net/address.ts';
import { families, ghostPlaces, guestHost, lanHost, routerAddresses, wanClient } from './addresses.ts';
import { LARGEST_CHI_SQUARE, chiSquare } from './chi-square.ts';
import { httpGet, url } from './http.ts';
import type { Lab } from './lab.ts';
import type { Namespace } from './namespace.ts';
import { ping } from './ping.ts';
import { bigDatagram, configuration, eachOf, figure, spreadClients, whoAnswers } from './scenario.ts';
import { echoPort, echoRange } from './servers.ts';
import { labSuite } from './suite.ts';
import { uciSection } from './uci.ts';

const weights = { s1: 200, s2: 100, s3: 100, s4: 50 };
const hashed = ghostPlaces.elsewhere;
const turns = { 4: '192.0.2.81', 6: '2001:db8:80::81' };
const chance = { 4: '192.0.2.82', 6: '2001:db8:80::82' };
const covered = ghostPlaces.wan;
const own = ghostPlaces.router;
/** The service of `mapped` has a port that no server knows. */
const mappedPort = 8080;
/** Of somebody else's port forward to the first server, on the router's own address. */
const redirectedPort = 9000;

const pair = (ghost: Readonly<Record<Family, string>>) => families.map((family) => ghost[family]);
const services = {
  web: { ghost: pair(hashed), options: { dispatch: 'nat', port: ['80', String(echoPort)] } },
  turns: { ghost: pair(turns), options: { dispatch: 'nat', scheduler: 'round_robin', port: String(echoPort) } },
  chance: { ghost: pair(chance), options: { dispatch: 'nat', scheduler: 'random', port: String(echoPort) } },
  covered: { ghost: pair(covered), options: { dispatch: 'nat', masquerade: '1', port: String(echoPort) } },
  home: {
    ghost: pair(own),
    options: { dispatch: 'nat', hash: 'source_port', port: `${echoRange.first}-${echoRange.last}` },
  },
};

function configurationOf(lab: Pick<Lab, 'servers' | 'ghosts'>, changed: Readonly<Record<string, number>> = {}): string {
  const mapped = uciSection('service', 'mapped', {
    ...{ dispatch: 'nat', proto: 'tcp+udp', port: String(mappedPort), ghost: pair(hashed) },
    ...{ source: ['wan', 'br-lan'], device: 'br-lan' },
  });
  const members = lab.servers.map(({ number, address }) =>
    uciSection('server', `m${number}`, {
      ...{ service: 'mapped', address: address[4], address6: address[6], port: String(echoPort) },
    }),
  );
  return configuration(lab, services, { ...weights, ...changed }) + [mapped, ...members].join('');
}

/** As fw4 makes a port forward. */
const redirect = `table inet fw4 {
  chain dstnat {
    type nat hook prerouting priority dstnat
    ip daddr ${own[4]} tcp dport ${redirectedPort} dnat ip to 192.168.1.11:${echoPort}
    ip6 daddr ${own[6]} tcp dport ${redirectedPort} dnat ip6 to [fd00:1::11]:${echoPort}
  }
}
insert rule inet fw4 forward meta l4proto tcp ct original proto-dst ${redirectedPort} ct status dnat accept
`;

const { test, run } = labSuite(
  'dispatch by address translation',
  { bareServers: true, strictReversePath: true, firewall: { mark: 0x6f690000, mask: 0xffff0000 } },
  async (lab) => {
    await lab.router.nft(redirect);
    return configurationOf(lab);
  },
);

function placesOf(lab: Lab): readonly { namespace: Namespace; from: (family: Family) => string }[] {
  return [
    { namespace: lab.wan, from: (family) => wanClient(family, 700) },
    { namespace: lab.guest, from: (family) => guestHost[family] },
  ];
}

/** Name of the server that has an address. */
function ownerOf(lab: Lab, family: Family, address: string): string | undefined {
  return lab.servers.find((server) => server.address[family] === address)?.name;
}

test('clients reach one server each, which sees them, and itself as the one that is spoken to', async ({
  lab,
  oracle,
}) => {
  for (const { namespace, from } of placesOf(lab)) {
    for (const family of families) {
      const client = from(family);
      const server = oracle.server('web', client);
      for (const transport of ['tcp', 'udp'] as const) {
        const answer = await whoAnswers(lab, namespace, transport, client, hashed[family], echoPort);
        assert.equal([answer.server, answer.client, ownerOf(lab, family, answer.local)], [server, client, server]);
      }
      const page = await httpGet(namespace, client, url(hashed[family]));
      assert.equal([page.server, page.client], [server, client]);
      assert.ok(await ping(namespace, client, hashed[family]), `ping from ${client}`);
      assert.is(await bigDatagram(namespace, client, hashed[family], echoPort, 3000, { tries: 2 }), server);
    }
  }
});

test('several services share an address; one has another port than its servers', async ({ lab, oracle }) => {
  for (const family of families) {
    for (const client of spreadClients(family, 8)) {
      for (const transport of ['tcp', 'udp'] as const) {
        const answer = await whoAnswers(lab, lab.wan, transport, client, hashed[family], mappedPort);
        const name = `s${oracle.server('mapped', client).slice(1)}`;
        assert.equal([answer.server, answer.localPort], [name, echoPort]);
      }
    }
  }
});

test("the router's own address serves, and somebody else's port forward on it goes on", async ({ lab, oracle }) => {
  for (const family of families) {
    for (const [index, client] of spreadClients(family, 8).entries()) {
      const port = echoRange.first + index;
      const answer = await whoAnswers(lab, lab.wan, 'tcp', client, own[family], port, 20_000 + index);
      const ports = { client: 20_000 + index, service: port };
      assert.equal([answer.server, answer.client], [oracle.server('home', client, ports), client]);
      const other = await whoAnswers(lab, lab.wan, 'tcp', client, own[family], redirectedPort);
      assert.is(other.server, 's1');
    }
  }
});

test("clients in the servers' subnet, and the router itself, are served as well", async ({ lab, oracle }) => {
  for (const family of families) {
    for (const transport of ['tcp', 'udp'] as const) {
      const near = await whoAnswers(lab, lab.lan, transport, lanHost[family], hashed[family], echoPort);
      const server = oracle.server('web', lanHost[family]);
      assert.equal([near.server, near.client], [server, routerAddresses.lan[family]]);
      const from = routerAddresses.lan[family];
      const self = await whoAnswers(lab, lab.router, transport, from, hashed[family], echoPort);
      assert.is(self.server, oracle.server('web', from));
    }
  }
});

test('with masquerading, and only there, servers see the router', async ({ lab, oracle }) => {
  for (const family of families) {
    const client = wanClient(family, 711);
    for (const transport of ['tcp', 'udp'] as const) {
      const answer = await whoAnswers(lab, lab.wan, transport, client, covered[family], echoPort);
      assert.equal([answer.server, answer.client], [oracle.server('covered', client), routerAddresses.lan[family]]);
    }
  }
});

const connections = 450;

test('connections spread by the weights, whatever picks the server', async ({ lab, oracle }) => {
  for (const [service, ghost] of Object.entries({ web: hashed, turns, chance })) {
    for (const family of families) {
      for (const transport of ['tcp', 'udp'] as const) {
        const counts = new Map<string, number>();
        // One client for all but the hash, which is told clients apart by.
        const clients =
          service === 'web'
            ? spreadClients(family, connections)
            : Array<string>(connections).fill(wanClient(family, 5));
        await eachOf(clients, 32, async (client) => {
          const { server } = await whoAnswers(lab, lab.wan, transport, client, ghost[family], echoPort);
          if (service === 'web') assert.is(server, oracle.server('web', client));
          counts.set(server, (counts.get(server) ?? 0) + 1);
        });
        const distance = chiSquare(counts, weights);
        figure(
          `${service}, IPv${family}, ${transport}: ${[...counts].sort().join(' ')}; chi-square ${distance.toFixed(2)}`,
        );
        assert.ok(distance < LARGEST_CHI_SQUARE, `${service} ${distance}`);
        if (service === 'turns') assert.ok(distance < 0.1, `turns are no matter of chance: ${distance}`);
      }
    }
  }
});

run();
