import * as assert from 'uvu/assert';
import { families, ghostPlaces, lanHost, routerAddresses, tunClient, tunHost, wanClient } from './addresses.ts';
import { Capture, ServerCaptures } from './capture.ts';
import { download, httpGet, upload, url } from './http.ts';
import { Injector } from './inject.ts';
import type { Lab } from './lab.ts';
import { ipPacket, protocol, segmentSize, udp } from './packet.ts';
import { ping } from './ping.ts';
import { bigDatagram, configuration, counters, heard, trackedConnections, whoAnswers } from './scenario.ts';
import { echoPort } from './servers.ts';
import type { Scene } from './suite.ts';
import { labSuite } from './suite.ts';

const ghost = ghostPlaces.elsewhere;
const { test, run } = labSuite(
  'links',
  { tunMtu: 1492, strictReversePath: true, firewall: { mark: 0x6f690000, mask: 0xffff0000 } },
  (lab) => {
    const source = ['wan', 'pppoe-wan', 'br-lan', 'br-guest'];
    return configuration(lab, { web: { options: { source, port: ['80', String(echoPort)] } } });
  },
);

/** Everything that a client does. */
async function everything({ lab, oracle }: Scene, namespace: Lab['wan'], from: string, to: string): Promise<void> {
  const server = oracle.server('web', from);
  const connection = await lab.traffic(namespace).tcp(from, to, echoPort);
  assert.is((await heard(connection)).server, server);
  const page = await httpGet(namespace, from, url(to));
  assert.equal([page.server, page.client], [server, from]);
  assert.is((await whoAnswers(lab, namespace, 'udp', from, to, echoPort)).server, server);
  assert.ok(await ping(namespace, from, to), `ping from ${from}`);
  assert.is(await bigDatagram(namespace, from, to, echoPort, 3000, { tries: 2 }), server);
  assert.is(await download(namespace, from, to), server);
  assert.is(await upload(lab, lab.programs, namespace, from, to), server);
  assert.is((await heard(connection)).server, server);
}

test('clients behind a device without Ethernet headers, MTU 1492', async (scene) => {
  const { lab } = scene;
  for (const family of families) {
    for (const from of [tunHost[family], tunClient(family, 1), tunClient(family, 70_001)]) {
      await everything(scene, lab.tun, from, ghost[family]);
    }
  }
});

test('such packets arrive one hop older, their segments clamped', async ({ lab, oracle }) => {
  const servers = await ServerCaptures.start(lab);
  const outside = await Injector.start(lab.tun, 'ppp0');
  const client = await Capture.start(lab.tun, 'ppp0');
  for (const family of families) {
    const from = tunClient(family, 9);
    const header = { source: from, destination: ghost[family], ttl: 9 };
    const packet = ipPacket({ ...header, protocol: protocol.udp }, udp(header, [5000, echoPort], Buffer.from('q')));
    await outside.send(packet);
    const { server, packet: arrived } = await servers.first('a datagram', ({ source }) => source === from);
    assert.equal([server, arrived.ttl], [oracle.server('web', from), 8]);
    assert.equal(arrived.payload, packet.subarray(family === 4 ? 20 : 40));
    await servers.arrivals();
    await whoAnswers(lab, lab.tun, 'tcp', from, ghost[family], echoPort);
    const [syn] = await servers.arrivals((taken) => segmentSize(taken) !== undefined);
    assert.ok(syn && (segmentSize(syn.packet) ?? 0) <= 1492 - (family === 4 ? 40 : 60));
    const last = { ...header, ttl: 1 };
    await outside.send(ipPacket({ ...last, protocol: protocol.udp }, udp(last, [5001, echoPort], Buffer.from('q'))));
    await client.find(
      'time exceeded',
      ({ source, payload }) => source === routerAddresses.tun[family] && payload[0] === (family === 4 ? 11 : 3),
    );
  }
  await Promise.all([servers.end(), outside.end(), client.end()]);
});

test('nobody there speaks as the LAN or the router', async ({ lab }) => {
  const servers = await ServerCaptures.start(lab);
  const outside = await Injector.start(lab.tun, 'ppp0');
  for (const family of families) {
    const right = tunClient(family, 10);
    for (const source of [lanHost[family], routerAddresses.lan[family], routerAddresses.tun[family], right]) {
      const header = { source, destination: ghost[family], protocol: protocol.udp };
      await outside.send(ipPacket(header, udp(header, [5002, echoPort], Buffer.from('who'))));
    }
    await servers.first('the right one', ({ source }) => source === right);
    const arrived = await servers.arrivals(
      ({ payload }) => payload.includes('who') && payload.readUInt16BE(0) === 5002,
    );
    assert.equal(
      arrived.map(({ packet }) => packet.source),
      [right],
    );
  }
  await Promise.all([servers.end(), outside.end()]);
});

test('with a firewall that drops by default and masquerades, and strict reverse path filtering', async (scene) => {
  const { lab } = scene;
  const server = lab.servers[0];
  assert.ok(server);
  for (const family of families) {
    const before = await counters(lab.router, 'inet');
    for (const number of [1, 2]) await everything(scene, lab.wan, wanClient(family, number), ghost[family]);
    const slow = [...(await counters(lab.router, 'inet'))].filter(
      ([name, { packets }]) => packets > (before.get(name)?.packets ?? 0),
    );
    assert.ok(slow.length > 0, 'the slow path has been used, and let through');
    await everything(scene, lab.lan, lanHost[family], ghost[family]);
    assert.not(await ping(lab.wan, wanClient(family, 1), server.address[family], { wait: 1 }));
  }
  assert.equal(await trackedConnections(lab.router, [ghost[4], ghost[6]]), []);
});

run();
