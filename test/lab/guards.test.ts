import * as assert from 'uvu/assert';
import type { Family } from '../../src/net/address.ts';
import {
  families,
  ghostPlaces,
  lanHost,
  macs,
  routerAddresses,
  serverAddress,
  wanClient,
  wanHost,
} from './addresses.ts';
import { Capture, ServerCaptures } from './capture.ts';
import { Injector } from './inject.ts';
import type { Header, Packet } from './packet.ts';
import { echoRequest, ipPacket, protocol, udp } from './packet.ts';
import { ping } from './ping.ts';
import { configuration, counters, whoAnswers } from './scenario.ts';
import { echoPort } from './servers.ts';
import type { Scene } from './suite.ts';
import { labSuite } from './suite.ts';

const ghost = ghostPlaces.elsewhere;

const { test, run } = labSuite('guards', { servers: 3 }, (lab) =>
  configuration(lab, { web: { options: { port: echoPort } } }),
);

/** Among what has arrived at a server; clients complain by ICMP of answers that they have not asked for. */
const isForged = (packet: Packet) =>
  packet.payload.includes('forged') && packet.protocol !== protocol.icmp && packet.protocol !== protocol.icmp6;

/** A datagram for the service that no program has sent. */
function forged(header: Omit<Header, 'protocol'>, sourcePort: number, text = 'forged'): Buffer {
  const datagram = udp(header, [sourcePort, echoPort], Buffer.from(text));
  return ipPacket({ ...header, protocol: protocol.udp }, datagram);
}

/** Source ports of forged packets; real ones are below, as are those of the packet that tells when all have passed. */
const firstPort = 65_001;

/**
 * Sends the packets, then a right one of each path through the router, and returns what has arrived at servers of the
 * former, by source port. Packets keep their order on one path, so what has not come by then will not.
 */
async function arrivedOf(
  scene: Scene,
  outside: Injector,
  packets: readonly [Buffer, string?, number?][],
): Promise<number[]> {
  const servers = await ServerCaptures.start(scene.lab);
  for (const [packet, mac, vlan] of packets) await outside.send(packet, mac, vlan);
  for (const family of families) {
    const from = wanClient(family, 11);
    const header = { source: from, destination: ghost[family] };
    await outside.send(forged(header, 60_001, 'fast path'));
    const slow = behindOption(header, udp(header, [60_002, echoPort], Buffer.from('slow path')));
    await outside.send(slow);
    await servers.first('fast path', ({ source, payload }) => source === from && payload.includes('fast path'));
    await servers.first('slow path', ({ source, payload }) => source === from && payload.includes('slow path'));
  }
  const arrived = await servers.arrivals(isForged);
  await servers.end();
  return arrived.map(({ packet }) => packet.payload.readUInt16BE(0));
}

/** With an IP option or extension header that changes nothing: one path of its own through the router. */
function behindOption(header: Omit<Header, 'protocol'>, datagram: Buffer): Buffer {
  if (!header.source.includes(':')) {
    return ipPacket({ ...header, protocol: protocol.udp, options: Buffer.from([1, 1, 1, 0]) }, datagram);
  }
  const extension = Buffer.from([protocol.udp, 0, 1, 4, 0, 0, 0, 0]);
  return ipPacket({ ...header, protocol: protocol.destinationOptions }, Buffer.concat([extension, datagram]));
}

/** What cannot truthfully be the source of a packet from outside. */
const impossible: Readonly<Record<Family, readonly string[]>> = {
  4: [
    ...['127.0.0.1', '0.0.0.0', '255.255.255.255', '224.0.0.1', '239.1.2.3', '240.0.0.1'],
    ...[lanHost[4], serverAddress(4, 1), '192.168.2.77'],
    ...[routerAddresses.wan[4], routerAddresses.lan[4], routerAddresses.guest[4], ghost[4]],
  ],
  6: [
    ...['::', '::1', 'ff02::1', 'ff0e::1234', 'fe80::1'],
    ...[lanHost[6], serverAddress(6, 1), 'fd00:2::77'],
    ...[routerAddresses.wan[6], routerAddresses.lan[6], routerAddresses.guest[6], ghost[6]],
  ],
};

test('sources that cannot be reach no server, plain or on the slow path', async (scene) => {
  const outside = await Injector.start(scene.lab.wan, 'eth0', [macs.routerWan, macs.wan]);
  for (const family of families) {
    const headers = impossible[family].map((source) => ({ source, destination: ghost[family] }));
    const plain = headers.map((header, index): [Buffer] => [forged(header, firstPort + index)]);
    const slow = headers.map((header, index): [Buffer] => {
      const datagram = udp(header, [firstPort + 100 + index, echoPort], Buffer.from('forged'));
      return [behindOption(header, datagram)];
    });
    const control: [Buffer] = [forged({ source: wanHost[family], destination: ghost[family] }, 65_500)];
    assert.equal(await arrivedOf(scene, outside, [...plain, ...slow, control]), [65_500], `IPv${family}`);
  }
  await outside.end();
});

test('a host of the LAN cannot speak as the outside, the router or the ghost', async (scene) => {
  const { lab } = scene;
  const inside = await Injector.start(lab.lan, 'eth0', [macs.routerLan, macs.lan]);
  const outside = await Injector.start(lab.wan, 'eth0', [macs.routerWan, macs.wan]);
  const servers = await ServerCaptures.start(lab);
  for (const family of families) {
    const sources = [
      ...[wanHost[family], routerAddresses.lan[family], routerAddresses.wan[family], ghost[family]],
      family === 4 ? '127.0.0.1' : '::1',
      routerAddresses.guest[family],
    ];
    for (const [index, source] of sources.entries()) {
      await inside.send(forged({ source, destination: ghost[family] }, firstPort + index));
    }
    await inside.send(forged({ source: lanHost[family], destination: ghost[family] }, 65_500));
    await servers.first('the right one', ({ source }) => source === lanHost[family]);
  }
  const arrived = await servers.arrivals(isForged);
  assert.equal(arrived.map(({ packet }) => packet.source).sort(), [lanHost[4], lanHost[6]]);
  await Promise.all([inside.end(), outside.end(), servers.end()]);
});

test('frames for others, to all, and of a VLAN, are not taken', async (scene) => {
  const outside = await Injector.start(scene.lab.wan, 'eth0', [macs.routerWan, macs.wan]);
  const others = ['02:00:00:00:00:99', 'ff:ff:ff:ff:ff:ff', '01:00:5e:00:00:01', '33:33:00:00:00:01'];
  for (const family of families) {
    const header = { source: wanClient(family, 12), destination: ghost[family] };
    const frames = others.map((mac, index): [Buffer, string] => [forged(header, firstPort + index), mac]);
    const tagged: [Buffer, string, number] = [forged(header, firstPort + 100), macs.routerWan, 7];
    const control: [Buffer] = [forged(header, 65_500)];
    // A tag with number 0 says only how urgent the frame is (IEEE 802.1p).
    const urgent: [Buffer, string, number] = [forged(header, 65_501), macs.routerWan, 0];
    assert.equal((await arrivedOf(scene, outside, [...frames, tagged, control, urgent])).sort(), [65_500, 65_501]);
  }
  await outside.end();
});

test('a packet at the end of its time is answered, not forwarded; one before it is', async (scene) => {
  const { lab, oracle } = scene;
  const outside = await Injector.start(lab.wan, 'eth0', [macs.routerWan, macs.wan]);
  const client = await Capture.start(lab.wan, 'eth0');
  for (const family of families) {
    const source = wanClient(family, 13);
    const header = { source, destination: ghost[family] };
    const last = forged({ ...header, ttl: 1 }, firstPort);
    const none = forged({ ...header, ttl: 0 }, firstPort + 1);
    assert.equal(
      await arrivedOf(scene, outside, [[last], [none], [echoRequest({ ...header, ttl: 1 }, Buffer.from('forged'))]]),
      [],
    );
    const answer = await client.find(
      'time exceeded',
      ({ direction, destination, payload, protocol: number }) =>
        direction === 'in' &&
        destination === source &&
        number === (family === 4 ? protocol.icmp : protocol.icmp6) &&
        payload[0] === (family === 4 ? 11 : 3) &&
        payload.includes(last.subarray(family === 4 ? 12 : 8, family === 4 ? 28 : 48)),
    );
    assert.is(answer.source, routerAddresses.wan[family]);

    const servers = await ServerCaptures.start(lab);
    await outside.send(forged({ ...header, ttl: 2 }, 65_500));
    const arrival = await servers.first('with one hop left', (packet) => packet.source === source);
    assert.equal([arrival.server, arrival.packet.ttl], [oracle.server('web', source), 1]);
    await servers.end();
  }
  await Promise.all([outside.end(), client.end()]);
});

test('what belongs to no service passes untouched, mark included', async ({ lab }) => {
  const mark = '0x00c0ffee';
  await lab.router.nft(`
table netdev before {
  chain arrival {
    type filter hook ingress device "wan" priority -160
    meta protocol { ip, ip6 } meta mark set ${mark}
  }
}
table inet behind {
  counter kept {}
  counter changed {}
  chain arrival {
    type filter hook prerouting priority -100
    iifname "wan" meta mark ${mark} counter name kept accept
    iifname "wan" counter name changed
  }
}
`);
  const server = lab.servers[0];
  assert.ok(server);
  const before = await counters(lab.router);
  const outside = await Injector.start(lab.wan, 'eth0', [macs.routerWan, macs.wan]);
  const servers = await ServerCaptures.start(lab);
  let sent = 0;
  for (const family of families) {
    const from = wanClient(family, 14);
    assert.ok(await ping(lab.wan, from, server.address[family]));
    assert.ok(await ping(lab.wan, from, routerAddresses.wan[family]));
    assert.is((await whoAnswers(lab, lab.wan, 'udp', from, server.address[family], echoPort)).server, server.name);
    // A port, and a protocol, that the service does not take.
    const header = { source: from, destination: ghost[family] };
    const beside = udp(header, [firstPort, 7999], Buffer.from('forged'));
    await outside.send(ipPacket({ ...header, protocol: protocol.udp }, beside));
    await outside.send(ipPacket({ ...header, protocol: protocol.gre }, Buffer.from('00000800666f72676564', 'hex')));
    assert.is((await whoAnswers(lab, lab.wan, 'udp', from, server.address[family], echoPort)).server, server.name);
    sent += 6;
  }
  const listed = await lab.router.run(['nft', '-j', 'list', 'counters', 'table', 'inet', 'behind']);
  const counted = (name: string) => Number(new RegExp(`"name": "${name}".*?"packets": (\\d+)`).exec(listed)?.[1]);
  assert.is(counted('changed'), 0);
  // Neighbour discovery crosses the same chains.
  assert.ok(counted('kept') >= sent, `${counted('kept')} of ${sent}`);
  assert.equal(await servers.arrivals(({ destination }) => [ghost[4], ghost[6]].map(String).includes(destination)), []);
  assert.equal([...(await counters(lab.router))], [...before]);
  // A packet of the service loses the mark for a slot's number, and so never reaches the second table.
  await whoAnswers(lab, lab.wan, 'udp', wanClient(4, 14), ghost[4], echoPort);
  await lab.router.nft('delete table netdev before\ndelete table inet behind');
  await Promise.all([outside.end(), servers.end()]);
});

test('an IPv6 client whose address is the IPv4 ghost, where IPv4 has the destination, is not taken for it', async ({
  lab,
}) => {
  const from = '2001:db8:4000:e:c000:250:0:1';
  await lab.router.nft(`
table inet seen {
  counter untracked {}
  counter tracked {}
  chain forwarded {
    type filter hook forward priority 0
    ip6 saddr ${from} ct state untracked counter name untracked accept
    ip6 saddr ${from} counter name tracked
  }
}
`);
  const before = await counters(lab.router);
  const server = lab.servers[0];
  assert.ok(server);
  assert.is((await whoAnswers(lab, lab.wan, 'udp', from, server.address[6], echoPort)).server, server.name);
  assert.equal([...(await counters(lab.router))], [...before]);
  const listed = await lab.router.run(['nft', 'list', 'counters', 'table', 'inet', 'seen']);
  assert.match(listed, /counter untracked {\s*packets 0 /);
  assert.match(listed, /counter tracked {\s*packets [1-9]/);
  await lab.router.nft('delete table inet seen');
});

test('a service whose servers all have weight 0 says that nobody is there', async ({ lab, config }) => {
  await lab.daemon.reload(configuration(lab, { web: { options: { port: echoPort } } }, { s1: 0, s2: 0, s3: 0 }));
  for (const family of families) {
    const connection = await lab.traffic(lab.wan).tcp(wanClient(family, 15), ghost[family], echoPort);
    assert.is(connection.broken, 'EHOSTUNREACH');
  }
  await lab.daemon.reload(config);
  for (const family of families) await whoAnswers(lab, lab.wan, 'tcp', wanClient(family, 15), ghost[family], echoPort);
});

run();
