import * as assert from 'uvu/assert';
import type { Family } from '../../src/net/address.ts';
import { families, ghostPlaces, guestHost, lanHost, macs, routerAddresses, wanClient } from './addresses.ts';
import type { Captured } from './capture.ts';
import { Capture } from './capture.ts';
import { download, httpGet, upload, url } from './http.ts';
import { Injector } from './inject.ts';
import type { Namespace } from './namespace.ts';
import { echoRequest, fragments, protocol, udp } from './packet.ts';
import { ping } from './ping.ts';
import { bigDatagram, configuration, heard, spreadClients, trackedConnections, whoAnswers } from './scenario.ts';
import { echoPort } from './servers.ts';
import { labSuite } from './suite.ts';

const ghost = ghostPlaces.elsewhere;
const sysctls = ['all', 'default', 'br-lan', 'lan1'].flatMap((device) =>
  ['send_redirects', 'accept_redirects', 'shared_media'].map((key) => `net.ipv4.conf.${device}.${key}`),
);
let sysctlsBefore = '';

const { test, run } = labSuite('dispatcher with one arm', { oneArmed: true }, async (lab) => {
  sysctlsBefore = await lab.router.run(['sysctl', ...sysctls]);
  // The LAN client knows the dispatcher itself, so that what it sees of redirects can only be the dispatcher's.
  await lab.lan.ip(families.map((family) => `route add ${ghost[family]} via ${routerAddresses.arm[family]}`));
  return configuration(lab, { web: { options: { source: 'br-lan', port: ['80', String(echoPort)] } } });
});

const isRedirect = ({ family, protocol: number, payload }: Captured) =>
  family === 4 ? number === protocol.icmp && payload[0] === 5 : number === protocol.icmp6 && payload[0] === 137;

test('clients outside, in the LAN, among the guests, on both paths; no redirect to any of them', async ({
  lab,
  oracle,
}) => {
  const places: { namespace: Namespace; address: (family: Family) => string }[] = [
    { namespace: lab.wan, address: (family) => wanClient(family, 900) },
    { namespace: lab.wan, address: (family) => wanClient(family, 901) },
    { namespace: lab.guest, address: (family) => guestHost[family] },
    { namespace: lab.lan, address: (family) => lanHost[family] },
  ];
  const captures = await Promise.all([
    ...[lab.wan, lab.guest, lab.lan].map((namespace) => Capture.start(namespace, 'eth0')),
    Capture.start(lab.router, 'br-lan'),
  ]);
  for (const { namespace, address } of places) {
    for (const family of families) {
      const from = address(family);
      const server = oracle.server('web', from);
      const connection = await lab.traffic(namespace).tcp(from, ghost[family], echoPort);
      assert.is((await heard(connection)).server, server);
      const page = await httpGet(namespace, from, url(ghost[family]));
      assert.equal([page.server, page.client], [server, from]);
      assert.is((await whoAnswers(lab, namespace, 'udp', from, ghost[family], echoPort)).server, server);
      assert.ok(await ping(namespace, from, ghost[family]), `ping from ${from}`);
      // Only what the stack forwards could be answered by a redirect.
      assert.is(await bigDatagram(namespace, from, ghost[family], echoPort, 3000), server);
      assert.ok(await ping(namespace, from, ghost[family], { size: 3000 }), `ping of 3000 bytes from ${from}`);
      assert.is((await heard(connection)).server, server);
    }
  }
  for (const capture of captures) assert.equal((await capture.take()).filter(isRedirect), []);
  await Promise.all(captures.map((capture) => capture.end()));
  assert.equal(await trackedConnections(lab.router, [ghost[4], ghost[6]]), []);
});

test('redirects about anything else are sent as ever', async ({ lab }) => {
  const client = await Injector.start(lab.lan, 'eth0', [macs.routerLan, macs.lan]);
  const capture = await Capture.start(lab.lan, 'eth0');
  const server = lab.servers[0];
  assert.ok(server);
  for (const family of families) {
    const header = { source: lanHost[family], destination: server.address[family] };
    await client.send(echoRequest(header, Buffer.from('there is a shorter way')));
    const redirect = await capture.find('a redirect', (packet) => packet.family === family && isRedirect(packet));
    assert.is(redirect.destination, lanHost[family]);
    // And again none for the ghost, though the kernel is in the mood.
    const request = { source: lanHost[family], destination: ghost[family], protocol: protocol.udp };
    const datagram = udp(request, [27_000, echoPort], Buffer.alloc(300, 'x'));
    await capture.take();
    await client.send(fragments(request, datagram, 200)[0] ?? Buffer.alloc(0));
    await client.send(fragments(request, datagram, 200)[1] ?? Buffer.alloc(0));
    await capture.find(
      'the answer',
      ({ direction, payload, protocol: number }) =>
        direction === 'in' && number === protocol.udp && payload.readUInt16BE(2) === 27_000,
    );
    assert.equal((await capture.take()).filter(isRedirect), []);
  }
  assert.is(await lab.router.run(['sysctl', ...sysctls]), sysctlsBefore);
  await Promise.all([client.end(), capture.end()]);
});

test('2 MB up and down, and clients spread', async ({ lab, oracle }) => {
  for (const family of families) {
    for (const [namespace, from] of [
      [lab.wan, wanClient(family, 910)],
      [lab.lan, lanHost[family]],
    ] as const) {
      assert.is(await download(namespace, from, ghost[family]), oracle.server('web', from));
      assert.is(await upload(lab, lab.programs, namespace, from, ghost[family]), oracle.server('web', from));
    }
    const servers = new Set<string>();
    for (const from of spreadClients(family, 24)) {
      const { server } = await whoAnswers(lab, lab.wan, 'udp', from, ghost[family], echoPort);
      assert.is(server, oracle.server('web', from));
      servers.add(server);
    }
    assert.is(servers.size, lab.servers.length);
  }
});

const inside = ghostPlaces.lan;
const local = labSuite(
  'dispatcher with one arm, ghost in its subnet',
  { oneArmed: true, ghosts: [inside[4], inside[6]] },
  (lab) => configuration(lab, { web: { options: { source: 'br-lan', port: ['80', String(echoPort)] } } }),
);

local.test('it answers for the ghost, and serves LAN and WAN', async ({ lab, oracle }) => {
  for (const family of families) {
    const places = [
      [lab.lan, lanHost[family]],
      [lab.guest, guestHost[family]],
      [lab.wan, wanClient(family, 920)],
    ] as const;
    for (const [namespace, from] of places) {
      const server = oracle.server('web', from);
      assert.is((await whoAnswers(lab, namespace, 'tcp', from, inside[family], echoPort)).server, server);
      assert.ok(await ping(namespace, from, inside[family]), `ping from ${from}`);
      assert.is(await bigDatagram(namespace, from, inside[family], echoPort, 3000, { tries: 2 }), server);
    }
    assert.match(await lab.lan.run(['ip', 'neighbour', 'show', 'to', inside[family]]), macs.routerLan);
  }
});

run();
local.run();
