import * as assert from 'uvu/assert';
import type { Family } from '../../src/net/address.ts';
import { families, ghostPlaces, guestHost, lanHost, macs, wanClient, wanHost } from './addresses.ts';
import { ServerCaptures } from './capture.ts';
import { httpGet, url } from './http.ts';
import { Injector } from './inject.ts';
import type { Lab } from './lab.ts';
import { checksum, echoRequest, ipPacket, protocol, tcpSyn, udp } from './packet.ts';
import { ping } from './ping.ts';
import {
  canonical,
  configuration,
  counters,
  eachOf,
  figure,
  heard,
  spreadClients,
  trackedConnections,
  whoAnswers,
} from './scenario.ts';
import { echoPort, echoRange } from './servers.ts';
import { labSuite } from './suite.ts';

const first = ghostPlaces.elsewhere;
const second = { 4: '192.0.2.81', 6: '2001:db8:80::81' };
const ghosts = [first, second].flatMap((ghost) => families.map((family) => ghost[family]));

/** Many conversations at once, but fewer than a socket's buffer holds datagrams. */
const atOnce = 128;

/** 99.9 % of even draws among four stay below (three degrees of freedom). */
const unlikely = 16.27;

const { test, run } = labSuite('dispatch', { ghosts }, (lab) =>
  configuration(lab, {
    web: { ghost: [first[4], first[6]], options: { port: ['80', String(echoPort)] } },
    spread: {
      ghost: [second[4], second[6]],
      options: { port: `${echoRange.first}-${echoRange.last}`, hash: 'source_port' },
    },
  }),
);

interface Client {
  readonly from: string;
  readonly sourcePort: number;
  readonly port: number;
  readonly server: string;
}

/** Asks from every client once and checks each answer; returns how many of them each server has got. */
async function everyClient(
  lab: Lab,
  transport: 'tcp' | 'udp',
  to: string,
  clients: readonly Client[],
): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  await eachOf(clients, atOnce, async ({ from, sourcePort, port, server }) => {
    const answer = await whoAnswers(lab, lab.wan, transport, from, to, port, sourcePort);
    assert.equal([answer.server, answer.client, answer.local], [server, from, to]);
    counts.set(server, (counts.get(server) ?? 0) + 1);
  });
  return counts;
}

/** Pearson's statistic of what servers have got against their shares of the table. */
function chiSquare(counts: ReadonlyMap<string, number>, shares: ReadonlyMap<string, number>): number {
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  return [...shares].reduce((sum, [server, share]) => {
    const expected = share * total;
    return sum + ((counts.get(server) ?? 0) - expected) ** 2 / expected;
  }, 0);
}

test('every client reaches the server that simulate names, and the counters count it', async ({ lab, oracle }) => {
  const began = performance.now();
  let clients = 0;
  for (const family of families) {
    const before = await counters(lab.router);
    const bySource = spreadClients(family, 3000).map((from) => ({
      from,
      sourcePort: 0,
      port: echoPort,
      server: oracle.server('web', from),
    }));
    const counts = await everyClient(lab, 'udp', first[family], bySource);
    const after = await counters(lab.router);
    for (const [server, count] of counts) {
      const grown = (key: 'packets' | 'bytes') =>
        (after.get(`web/${server}`)?.[key] ?? 0) - (before.get(`web/${server}`)?.[key] ?? 0);
      // Each client has sent one datagram, "q1\n", behind the headers of IP and UDP.
      assert.is(grown('packets'), count, `packets of ${server}`);
      assert.is(grown('bytes'), count * ((family === 4 ? 20 : 40) + 8 + 3), `bytes of ${server}`);
    }
    const byPort = spreadClients(family, 2200).map((from, index) => {
      const ports = { client: 20_000 + index, service: echoRange.first + (index % 10) };
      const server = oracle.server('spread', from, ports);
      return { from, sourcePort: ports.client, port: ports.service, server };
    });
    const spread = await everyClient(lab, 'tcp', second[family], byPort);
    const even = [chiSquare(counts, oracle.shares('web', family)), chiSquare(spread, oracle.shares('spread', family))];
    for (const statistic of even) assert.ok(statistic < unlikely, `chi-square ${statistic}`);
    figure(`IPv${family}: chi-square by source, and with ports: ${even.map((x) => x.toFixed(1)).join(', ')}`);
    clients += bySource.length + byPort.length;
  }
  assert.ok(clients >= 10_000);
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  figure(`${clients} clients, each at the server that simulate names, in ${seconds} s`);
});

test('one client with many ports spreads where the ports are hashed, and only there', async ({ lab, oracle }) => {
  for (const family of families) {
    const from = wanClient(family, 99);
    const spread = new Set<string>();
    const kept = new Set<string>();
    for (let port = 30_000; port < 30_020; port++) {
      const { server } = await whoAnswers(lab, lab.wan, 'udp', from, second[family], echoRange.last, port);
      assert.is(server, oracle.server('spread', from, { client: port, service: echoRange.last }));
      spread.add(server);
      kept.add((await whoAnswers(lab, lab.wan, 'udp', from, first[family], echoPort, port)).server);
    }
    assert.is(spread.size, lab.servers.length);
    assert.is(kept.size, 1);
  }
});

test('the command line says the same', async ({ lab }) => {
  const simulated = async (client: string, ...more: string[]) => {
    const state = ['--state', lab.daemon.stateFolder];
    const outcome = await lab.daemon.command(['simulate', client, '--json', ...state, ...more]);
    assert.is(outcome.status, 0, outcome.stderr);
    const [result] = JSON.parse(outcome.stdout) as { server?: string }[];
    return result?.server;
  };
  for (const family of families) {
    for (const number of [3, 77_777, 131_070]) {
      const from = wanClient(family, number);
      const answer = await whoAnswers(lab, lab.wan, 'tcp', from, first[family], echoPort);
      assert.is(answer.server, await simulated(from, '--service', 'web'));
      const spread = await whoAnswers(lab, lab.wan, 'udp', from, second[family], 7105, 40_000);
      const client = `${family === 4 ? from : `[${from}]`}:40000`;
      assert.is(spread.server, await simulated(client, '--service', 'spread', '--port', '7105'));
    }
  }
});

test('outside, in the LAN, among the guests: HTTP, datagrams, ping, long connections', async ({ lab, oracle }) => {
  const places = [
    { namespace: lab.wan, address: (family: Family) => wanClient(family, 4242) },
    { namespace: lab.wan, address: (family: Family) => wanHost[family] },
    { namespace: lab.lan, address: (family: Family) => lanHost[family] },
    { namespace: lab.guest, address: (family: Family) => guestHost[family] },
  ];
  for (const { namespace, address } of places) {
    for (const family of families) {
      const from = address(family);
      const server = oracle.server('web', from);
      const connection = await lab.traffic(namespace).tcp(from, first[family], echoPort);
      for (let round = 0; round < 3; round++) {
        const page = await httpGet(namespace, from, url(first[family]));
        assert.equal([page.status, page.server, page.client], [200, server, from]);
        // Over the same connection all the time, among the others.
        assert.is((await heard(connection)).server, server);
      }
      assert.is((await whoAnswers(lab, namespace, 'udp', from, first[family], echoPort)).server, server);
      const before = await counters(lab.router);
      assert.ok(await ping(namespace, from, first[family]), `ping from ${from}`);
      const after = await counters(lab.router);
      const pinged = lab.servers
        .map(({ name }) => name)
        .filter((name) => after.get(`web/${name}`)?.packets !== before.get(`web/${name}`)?.packets);
      assert.equal(pinged, [server]);
    }
  }
});

test('one household is one client, whatever its privacy addresses', async ({ lab, oracle }) => {
  const servers = new Set<string>();
  for (const number of [1, 2, 3, 4, 5, 6, 7, 8]) {
    const home = wanClient(6, number);
    const server = oracle.server('web', home);
    servers.add(server);
    for (const suffix of ['::2', '::abcd:1', ':a:b:c:d']) {
      const from = home.replace('::1', suffix);
      assert.is((await whoAnswers(lab, lab.wan, 'udp', canonical(from), first[6], echoPort)).server, server);
    }
  }
  assert.ok(servers.size > 1);
});

test('packets arrive as they were sent, but for one hop', async ({ lab, oracle }) => {
  const servers = await ServerCaptures.start(lab);
  const outside = await Injector.start(lab.wan, 'eth0', [macs.routerWan, macs.wan]);
  for (const family of families) {
    const from = wanClient(family, 60_001);
    const header = { source: from, destination: first[family], ttl: 57, trafficClass: 0x2a, id: 0xbeef, flags: 0x4000 };
    const data = Buffer.from('Nothing of this may change on the way.');
    const sent = {
      UDP: ipPacket({ ...header, protocol: protocol.udp }, udp(header, [5353, echoPort], data)),
      TCP: ipPacket({ ...header, protocol: protocol.tcp }, tcpSyn(header, [5354, echoPort])),
      echo: echoRequest(header, data),
    };
    for (const [kind, packet] of Object.entries(sent)) {
      await outside.send(packet);
      const { server, packet: arrived } = await servers.first(kind, ({ source }) => source === from);
      assert.is(server, oracle.server('web', from));
      const expected = Buffer.from(packet);
      if (family === 6) expected.writeUInt8(56, 7);
      else {
        assert.is(checksum(arrived.bytes.subarray(0, 20)), 0);
        expected.writeUInt8(56, 8);
        arrived.bytes.copy(expected, 10, 10, 12);
      }
      assert.is(arrived.bytes.toString('hex'), expected.toString('hex'), `${kind} over IPv${family}`);
      await servers.arrivals();
    }
  }
  await Promise.all([servers.end(), outside.end()]);
});

test('connection tracking has seen nothing of all that', async ({ lab }) => {
  const own = lab.servers[0]?.address[4] ?? '';
  assert.ok(await ping(lab.wan, wanClient(4, 5), own));
  assert.is.not((await trackedConnections(lab.router, [own])).length, 0, 'it sees what is none of the service');
  assert.equal(await trackedConnections(lab.router, ghosts), []);
});

run();
