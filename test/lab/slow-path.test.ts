import * as assert from 'uvu/assert';
import type { Family } from '../../src/net/address.ts';
import { addressFromBytes } from '../../src/net/address.ts';
import { families, ghostPlaces, guestHost, lanHost, macs, routerAddresses, wanClient } from './addresses.ts';
import type { Arrival } from './capture.ts';
import { Capture, ServerCaptures } from './capture.ts';
import { httpGet, url } from './http.ts';
import { Injector } from './inject.ts';
import { fragments, icmp, ipPacket, protocol, tcpSyn, udp } from './packet.ts';
import { ping } from './ping.ts';
import { bigDatagram, configuration, counters, spreadClients, trackedConnections, whoAnswers } from './scenario.ts';
import { echoPort } from './servers.ts';
import type { Scene } from './suite.ts';
import { labSuite } from './suite.ts';

const ghost = ghostPlaces.elsewhere;
const other = { 4: '192.0.2.81', 6: '2001:db8:80::81' };
const ghosts = [ghost, other].flatMap((addresses) => families.map((family) => addresses[family]));

const { test, run } = labSuite('slow path', { ghosts }, (lab) =>
  configuration(lab, {
    web: { ghost: [ghost[4], ghost[6]], options: { port: ['80', String(echoPort)] } },
    spread: { ghost: [other[4], other[6]], options: { port: echoPort, hash: 'source_port' } },
  }),
);

const outsideOf = ({ lab }: Scene) => Injector.start(lab.wan, 'eth0', [macs.routerWan, macs.wan]);
const names = (arrivals: readonly Arrival[]) => [...new Set(arrivals.map(({ server }) => server))];

test('datagrams larger than every link reach the one server that has the client', async ({ lab, oracle }) => {
  for (const family of families) {
    const places = [
      ...spreadClients(family, 12).map((from) => [lab.wan, from] as const),
      [lab.lan, lanHost[family]] as const,
      [lab.guest, guestHost[family]] as const,
    ];
    const fastBefore = await counters(lab.router);
    for (const [namespace, from] of places) {
      assert.is(await bigDatagram(namespace, from, ghost[family], echoPort, 3000), oracle.server('web', from));
      assert.ok(await ping(namespace, from, ghost[family], { size: 3000 }), `ping of 3000 bytes from ${from}`);
      const port = 21_000;
      const expected = oracle.server('spread', from, { client: port, service: echoPort });
      assert.is(await bigDatagram(namespace, from, other[family], echoPort, 3000, { sourcePort: port }), expected);
    }
    assert.equal([...(await counters(lab.router))], [...fastBefore], 'fragments are none of the fast path');
  }
});

test('fragments in any order, of any size, reach the server that whole packets reach', async (scene) => {
  const { lab, oracle } = scene;
  const outside = await outsideOf(scene);
  const servers = await ServerCaptures.start(lab);
  for (const family of families) {
    for (const [index, from] of spreadClients(family, 8).entries()) {
      const header = { source: from, destination: ghost[family], protocol: protocol.udp };
      const datagram = udp(header, [22_000, echoPort], Buffer.alloc(400, `piece ${index} `));
      const pieces = fragments(header, datagram, [64, 200, 328][index % 3] ?? 64, 0x1000 + index);
      const order = index % 2 === 0 ? pieces : [...pieces].reverse();
      for (const piece of order) await outside.send(piece);
      await servers.first(`fragments of ${from}`, ({ source }) => source === from);
      const answered = await whoAnswers(lab, lab.wan, 'udp', from, ghost[family], echoPort);
      assert.is(answered.server, oracle.server('web', from));
      assert.equal(names(await servers.arrivals(({ source }) => source === from)), [answered.server]);
    }
  }
  await Promise.all([outside.end(), servers.end()]);
});

test('packets with IP options or extension headers reach the same server', async (scene) => {
  const { lab, oracle } = scene;
  const outside = await outsideOf(scene);
  const servers = await ServerCaptures.start(lab);
  for (const family of families) {
    for (const from of spreadClients(family, 6)) {
      const header = { source: from, destination: other[family] };
      const datagram = udp(header, [23_000, echoPort], Buffer.from('options'));
      // Record route (RFC 791): whoever forwards the packet as it should be writes down its address.
      const options = Buffer.from([7, 7, 4, 0, 0, 0, 0, 0]);
      const extension = Buffer.concat([Buffer.from([protocol.udp, 0, 1, 4, 0, 0, 0, 0]), datagram]);
      await outside.send(
        family === 4
          ? ipPacket({ ...header, protocol: protocol.udp, options }, datagram)
          : ipPacket({ ...header, protocol: protocol.destinationOptions }, extension),
      );
      const { server, packet } = await servers.first(
        'options',
        ({ source, payload }) => source === from && payload.includes('options'),
      );
      assert.is(server, oracle.server('spread', from, { client: 23_000, service: echoPort }));
      if (family === 4) {
        const recorded = addressFromBytes(packet.bytes.subarray(23, 27)).text;
        assert.equal([packet.bytes[22], recorded], [8, routerAddresses.lan[4]]);
      }
    }
  }
  await Promise.all([outside.end(), servers.end()]);
});

/** The beginning of a packet that a server has sent to a client, as an ICMP error carries it. */
function answerOf(from: string, client: string, clientPort: number, kind: 'tcp' | 'udp' | 'fragment'): Buffer {
  const ports: [number, number] = [echoPort, clientPort];
  const header = { source: from, destination: client, ttl: 63 };
  if (kind === 'tcp') return ipPacket({ ...header, protocol: protocol.tcp }, tcpSyn(header, ports));
  const datagram = udp(header, ports, Buffer.alloc(kind === 'fragment' ? 64 : 0));
  const [first] = fragments({ ...header, protocol: protocol.udp }, datagram, kind === 'fragment' ? 16 : 64);
  return kind === 'fragment' && first ? first : ipPacket({ ...header, protocol: protocol.udp }, datagram);
}

/** ICMP errors by type, code, and the second word of their header, and what they are about. */
const errors: Readonly<Record<Family, readonly (readonly [number, number, number, 'tcp' | 'udp' | 'fragment'])[]>> = {
  4: [
    [3, 4, 1300, 'tcp'],
    [3, 1, 0, 'udp'],
    [11, 1, 0, 'fragment'],
  ],
  6: [
    [2, 0, 1300, 'tcp'],
    [1, 4, 0, 'udp'],
    [2, 0, 1300, 'fragment'],
  ],
};

test('ICMP errors about a server’s packets reach that server', async (scene) => {
  const { lab, oracle } = scene;
  const outside = await outsideOf(scene);
  const servers = await ServerCaptures.start(lab);
  for (const family of families) {
    // Made by a router under way, whose address says nothing of the client.
    const source = family === 4 ? '100.127.0.9' : '2001:db8:9::9';
    for (const client of spreadClients(family, 8)) {
      for (const [index, [type, code, rest, kind]] of errors[family].entries()) {
        for (const [to, service] of [
          [ghost[family], 'web'],
          [other[family], 'spread'],
        ] as const) {
          const inner = answerOf(to, client, 24_000 + index, kind);
          const { protocol: number, message } = icmp({ source, destination: to }, type, code, rest, inner);
          await outside.send(ipPacket({ source, destination: to, protocol: number }, message));
          const error = (packet: { source: string; payload: Buffer }) =>
            packet.source === source && packet.payload[0] === type;
          await servers.first(`ICMP ${type}/${code} about ${client}`, error);
          const expected =
            service === 'web'
              ? oracle.server('web', client)
              : oracle.server('spread', client, { client: 24_000 + index, service: echoPort });
          assert.equal(names(await servers.arrivals(error)), [expected], `ICMP ${type}/${code}, ${service}, ${client}`);
        }
      }
    }
  }
  await Promise.all([outside.end(), servers.end()]);
});

test('ICMP errors about packets that no service has sent reach no server', async (scene) => {
  const { lab } = scene;
  const outside = await outsideOf(scene);
  const servers = await ServerCaptures.start(lab);
  const type = { 4: 3, 6: 1 } as const;
  for (const family of families) {
    const client = wanClient(family, 5);
    const send = async (inner: Buffer, marker: string) => {
      const data = Buffer.concat([inner, Buffer.from(marker)]);
      const { protocol: number, message } = icmp(
        { source: client, destination: ghost[family] },
        type[family],
        1,
        0,
        data,
      );
      await outside.send(ipPacket({ source: client, destination: ghost[family], protocol: number }, message));
    };
    const header = { source: ghost[family], destination: client };
    const beside = udp(header, [7999, 25_000], Buffer.alloc(0));
    await send(ipPacket({ ...header, protocol: protocol.udp }, beside), 'stray');
    const elsewhere = { source: wanClient(family, 6), destination: client };
    const foreign = udp(elsewhere, [echoPort, 25_000], Buffer.alloc(0));
    await send(ipPacket({ ...elsewhere, protocol: protocol.udp }, foreign), 'stray');
    await send(answerOf(ghost[family], client, 25_000, 'udp'), 'right');
    await servers.first('the right error', ({ payload }) => payload.includes('right'));
    assert.equal(await servers.arrivals(({ payload }) => payload.includes('stray')), []);
  }
  await Promise.all([outside.end(), servers.end()]);
});

test('requests of the router itself are served', async ({ lab, oracle }) => {
  for (const family of families) {
    for (const from of [routerAddresses.wan[family], routerAddresses.lan[family], routerAddresses.guest[family]]) {
      const page = await httpGet(lab.router, from, url(ghost[family]));
      assert.equal([page.server, page.client], [oracle.server('web', from), from]);
      const datagram = await whoAnswers(lab, lab.router, 'udp', from, ghost[family], echoPort);
      assert.is(datagram.server, oracle.server('web', from));
      assert.ok(await ping(lab.router, from, ghost[family]), `ping from ${from}`);
    }
  }
});

test('the router names itself in a trace of the route', async ({ lab }) => {
  const client = await Capture.start(lab.wan, 'eth0');
  for (const family of families) {
    const from = wanClient(family, 8);
    const hop = await lab.wan.attempt(['ping', '-n', '-c', '1', '-W', '2', '-t', '1', '-I', from, ghost[family]]);
    assert.match(hop.stdout, `From ${routerAddresses.wan[family]}`);
    assert.ok(await ping(lab.wan, from, ghost[family]));
  }
  await client.end();
});

test('connection tracking has seen nothing of all that', async ({ lab }) => {
  assert.equal(await trackedConnections(lab.router, ghosts), []);
});

run();
