import * as assert from 'uvu/assert';
import type { Family } from '../../src/net/address.ts';
import { families, macs, wanClient } from './addresses.ts';
import { Capture, ServerCaptures } from './capture.ts';
import { httpGet, url } from './http.ts';
import { Injector } from './inject.ts';
import { ipPacket, protocol } from './packet.ts';
import { ping } from './ping.ts';
import type { Counters } from './scenario.ts';
import { configuration, counters, eachOf, spreadClients, whoAnswers } from './scenario.ts';
import { echoPort } from './servers.ts';
import type { Scene } from './suite.ts';
import { labSuite } from './suite.ts';
import { answered } from './traffic.ts';

const ghost = (last: number) => ({ 4: `192.0.2.${last}`, 6: `2001:db8:80::${last}` });
const [main, twin, whole, club] = [ghost(80), ghost(81), ghost(82), ghost(83)];
const both = (addresses: { 4: string; 6: string }) => [addresses[4], addresses[6]];
/** Clients that `club` lets in: all of the second half of `wanClient`, but for one /24 and one /56. */
const members = { allow: ['198.19.0.0/16', '2001:db8:4001::/48'], deny: ['198.19.7.0/24', '2001:db8:4001:700::/56'] };

const { test, run } = labSuite('services', { ghosts: [main, twin, whole, club].flatMap(both) }, (lab) =>
  configuration(lab, {
    web: { ghost: [...both(main), ...both(twin)], servers: ['s1', 's2'], options: { proto: 'tcp', port: 80 } },
    echo: { ghost: both(main), servers: ['s3', 's4'], options: { port: echoPort } },
    ranges: { ghost: both(main), servers: ['s1', 's4'], options: { proto: 'udp', port: '7100-7104 7106-7109' } },
    spread: { ghost: both(whole), servers: ['s2', 's3', 's4'], options: { proto: 'all', hash: 'source_port' } },
    club: { ghost: both(club), options: { ...members, port: echoPort } },
  }),
);

/** Clients enough that all servers of a service get some. */
const some = (family: Family) => spreadClients(family, 40);

/** Names of the counters that have counted packets in between. */
function grown(before: Counters, after: Counters): string[] {
  return [...after].filter(([name, { packets }]) => packets !== before.get(name)?.packets).map(([name]) => name);
}

test('one service on several ghosts: a client has the same server on each', async ({ lab, oracle }) => {
  const servers = new Set<string>();
  for (const family of families) {
    await eachOf(some(family).slice(0, 12), 6, async (from) => {
      const server = oracle.server('web', from);
      servers.add(server);
      for (const to of [main, twin]) {
        assert.is((await httpGet(lab.wan, from, url(to[family]))).server, server);
      }
    });
  }
  assert.equal([...servers].sort(), ['s1', 's2']);
});

test('several services on one ghost, each with its own servers, by port and protocol', async ({ lab, oracle }) => {
  const servers = new Map<string, Set<string>>();
  const ask = async (service: string, transport: 'tcp' | 'udp', from: string, to: string, port: number) => {
    const { server } = await whoAnswers(lab, lab.wan, transport, from, to, port);
    assert.is(server, oracle.server(service, from), `${service}, ${transport} port ${port}`);
    servers.set(service, (servers.get(service) ?? new Set()).add(server));
  };
  for (const family of families) {
    await eachOf(some(family), 8, async (from) => {
      await ask('echo', 'tcp', from, main[family], echoPort);
      await ask('echo', 'udp', from, main[family], echoPort);
      for (const port of [7100, 7104, 7106, 7109]) await ask('ranges', 'udp', from, main[family], port);
    });
  }
  assert.equal([...(servers.get('echo') ?? [])].sort(), ['s3', 's4']);
  assert.equal([...(servers.get('ranges') ?? [])].sort(), ['s1', 's4']);
});

test('ports beside and between the ranges, and the other protocol, reach nobody', async ({ lab }) => {
  const servers = await ServerCaptures.start(lab);
  for (const family of families) {
    const from = wanClient(family, 9);
    const client = lab.traffic(lab.wan);
    const beside = [
      await client.udp(from, main[family], 7105, 20_000),
      await client.udp(from, main[family], 7099, 20_001),
      await client.udp(from, main[family], 7110, 20_002),
      await client.udp(from, main[family], 80, 20_003),
    ];
    for (const conversation of beside) {
      void conversation.ask(0);
      conversation.close();
    }
    const known = await client.udp(from, main[family], 7104, 20_004);
    assert.ok(answered(await known.ask()));
    const arrived = await servers.arrivals(({ source }) => source === from);
    assert.equal(
      arrived.map(({ packet }) => packet.payload.readUInt16BE(0)),
      [20_004],
    );
  }
  await servers.end();
});

test('a ghost of several services is answered for, when pinged, by one server', async ({ lab, oracle }) => {
  for (const family of families) {
    const from = wanClient(family, 17);
    const before = await counters(lab.router);
    assert.ok(await ping(lab.wan, from, main[family]));
    assert.equal(grown(before, await counters(lab.router)), [`web/${oracle.server('web', from)}`]);
  }
});

test('a service for all protocols: TCP, UDP, echo, GRE, SCTP', async (scene) => {
  const { lab, oracle } = scene;
  for (const family of families) {
    await eachOf(some(family), 8, async (from) => {
      for (const [transport, port] of [['tcp', echoPort] as const, ['udp', 7105] as const]) {
        const { server } = await whoAnswers(lab, lab.wan, transport, from, whole[family], port, 33_000);
        assert.is(server, oracle.server('spread', from, { client: 33_000, service: port }));
      }
    });
    const from = wanClient(family, 18);
    for (const [table, size] of [
      ['netdev', 56],
      ['inet', 3000],
    ] as const) {
      const before = await counters(lab.router, table);
      assert.ok(await ping(lab.wan, from, whole[family], { size }));
      const expected = oracle.serverWithoutPorts('spread', from, family === 4 ? protocol.icmp : protocol.icmp6);
      assert.equal(grown(before, await counters(lab.router, table)), [`spread/${expected}`]);
    }
  }
  await protocolsWithoutPorts(scene);
});

/** Nothing in the lab answers these, so servers' captures tell. */
async function protocolsWithoutPorts({ lab, oracle }: Scene): Promise<void> {
  const servers = await ServerCaptures.start(lab);
  const outside = await Injector.start(lab.wan, 'eth0', [macs.routerWan, macs.wan]);
  const sctp = 132;
  for (const family of families) {
    const seen = new Set<string>();
    for (const from of some(family).slice(0, 12)) {
      for (const number of [protocol.gre, sctp]) {
        const header = { source: from, destination: whole[family], protocol: number };
        await outside.send(ipPacket(header, Buffer.from('0000080045000000', 'hex')));
        const sent = (packet: { source: string; protocol: number }) =>
          packet.source === from && packet.protocol === number;
        const { server } = await servers.first(`protocol ${number} from ${from}`, sent);
        assert.is(server, oracle.serverWithoutPorts('spread', from, number));
        seen.add(server);
      }
      assert.is((await servers.arrivals(({ source }) => source === from)).length, 2);
    }
    assert.equal([...seen].sort(), ['s2', 's3', 's4']);
  }
  await Promise.all([servers.end(), outside.end()]);
}

test('lists of allowed and denied clients', async ({ lab, oracle }) => {
  const servers = await ServerCaptures.start(lab);
  const outside = await Capture.start(lab.wan, 'eth0');
  for (const family of families) {
    const [stranger, denied, member] = [5, 65_536 + 0x0712, 65_536 + 0x0812].map((number) => wanClient(family, number));
    assert.ok(stranger && denied && member);
    for (const refused of [stranger, denied]) {
      const conversation = await lab.traffic(lab.wan).udp(refused, club[family], echoPort);
      void conversation.ask(0);
      conversation.close();
      await outside.find(
        `a datagram of ${refused}`,
        ({ direction, source }) => direction === 'out' && source === refused,
      );
    }
    const { server } = await whoAnswers(lab, lab.wan, 'tcp', member, club[family], echoPort);
    assert.is(server, oracle.server('club', member));
    assert.equal(await servers.arrivals(({ source }) => source === stranger || source === denied), []);
    assert.throws(() => oracle.server('club', stranger), 'is in none of the prefixes');
    assert.throws(() => oracle.server('club', denied), 'denied');
  }
  await Promise.all([servers.end(), outside.end()]);
});

run();
