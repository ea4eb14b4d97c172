import * as assert from 'uvu/assert';
import type { Family } from '../../src/net/address.ts';
import {
  families,
  ghostPlaces,
  guestHost,
  lanHost,
  macs,
  routerAddresses,
  serverMac,
  wanClient,
  wanHost,
} from './addresses.ts';
import type { Captured } from './capture.ts';
import { Capture } from './capture.ts';
import { download, httpGet, upload, url } from './http.ts';
import { Injector } from './inject.ts';
import type { Lab } from './lab.ts';
import type { Namespace } from './namespace.ts';
import { icmp, ipPacket, protocol, udp } from './packet.ts';
import { tool } from './paths.ts';
import { ping } from './ping.ts';
import { bigDatagram, configuration, heard, trackedConnections, whoAnswers } from './scenario.ts';
import { echoPort } from './servers.ts';
import type { Scene } from './suite.ts';
import { labSuite } from './suite.ts';

const ghost = ghostPlaces.router;
/** The router's own services: one beside those of the servers, and one that a service of the servers hides. */
const ownPort = 7500;

/** An echo server that says `name`. */
async function listen(namespace: Namespace, name: string, ...ports: number[]): Promise<void> {
  const server = namespace.start([tool('echo-server'), name, ...ports.map(String)]);
  await server.waitFor((line) => line === 'ready' || undefined);
}

async function prepare(lab: Lab): Promise<string> {
  await listen(lab.router, 'router', ownPort);
  await listen(lab.wan, 'outside', ownPort);
  return configuration(lab, { web: { options: { port: ['80', String(echoPort), '7100-7103'] } } });
}

/** The same service has a ghost that is nobody's address, too. */
const foreign = ghostPlaces.elsewhere;

const home = {
  ghosts: [ghost, foreign].flatMap((addresses) => families.map((family) => addresses[family])),
  wanMtu: 1400,
  strictReversePath: true,
  firewall: { mark: 0x6f690000, mask: 0xffff0000 },
};
const { test, run } = labSuite('ghost that is the router’s own address', home, prepare);

function placesOf({ lab }: Scene): { namespace: Namespace; address: (family: Family) => string }[] {
  return [
    { namespace: lab.wan, address: (family) => wanHost[family] },
    { namespace: lab.wan, address: (family) => wanClient(family, 800) },
    { namespace: lab.wan, address: (family) => wanClient(family, 801) },
    { namespace: lab.lan, address: (family) => lanHost[family] },
    { namespace: lab.guest, address: (family) => guestHost[family] },
  ];
}

test('clients everywhere: HTTP, datagrams, long connections, fragments', async (scene) => {
  const { lab, oracle } = scene;
  for (const { namespace, address } of placesOf(scene)) {
    for (const family of families) {
      const from = address(family);
      const server = oracle.server('web', from);
      for (const to of [ghost[family], foreign[family]]) {
        const connection = await lab.traffic(namespace).tcp(from, to, echoPort);
        assert.is((await heard(connection)).server, server);
        const page = await httpGet(namespace, from, url(to));
        assert.equal([page.server, page.client], [server, from]);
        assert.is((await whoAnswers(lab, namespace, 'udp', from, to, 7102)).server, server);
        assert.is(await bigDatagram(namespace, from, to, echoPort, 2000, { tries: 3 }), server);
        assert.is((await heard(connection)).server, server);
      }
    }
  }
});

test('2 MB up and down over a WAN that carries less than the LAN', async ({ lab, oracle }) => {
  for (const family of families) {
    for (const number of [810, 811]) {
      const from = wanClient(family, number);
      assert.is(await download(lab.wan, from, ghost[family]), oracle.server('web', from));
      assert.is(await upload(lab, lab.programs, lab.wan, from, ghost[family]), oracle.server('web', from));
    }
  }
});

test('the router’s own "fragmentation needed" reaches the server whose packet it was', async ({ lab, oracle }) => {
  for (const family of families) {
    for (const number of [820, 821, 822]) {
      const from = wanClient(family, number);
      // The question fits the WAN; the answer, which repeats it behind addresses and ports, does not.
      const size = 1400 - (family === 4 ? 28 : 48) - 10;
      const server = await bigDatagram(lab.wan, from, ghost[family], echoPort, size, { tries: 4 });
      assert.is(server, oracle.server('web', from));
    }
  }
});

test('everything else on the address is the router’s', async ({ lab }) => {
  for (const family of families) {
    const from = wanClient(family, 830);
    for (const transport of ['tcp', 'udp'] as const) {
      assert.is((await whoAnswers(lab, lab.wan, transport, from, ghost[family], ownPort)).server, 'router');
    }
    assert.is((await lab.traffic(lab.wan).tcp(from, ghost[family], 7600)).broken, 'ECONNREFUSED');
    assert.ok(await ping(lab.wan, from, ghost[family]));
    assert.ok(await ping(lab.wan, from, ghost[family], { size: 3000 }));
    const lan = await whoAnswers(lab, lab.lan, 'tcp', lanHost[family], ghost[family], ownPort);
    assert.is(lan.server, 'router');
    // The router speaks from the address as before; errors about its own packets are its own.
    const back = await whoAnswers(lab, lab.router, 'udp', ghost[family], wanHost[family], ownPort);
    assert.equal([back.server, back.client], ['outside', ghost[family]]);
    const refused = await lab.traffic(lab.router).udp(ghost[family], wanHost[family], 7999);
    assert.equal(await refused.ask(1500), { broken: 'ECONNREFUSED' });
  }
});

test('only servers speak as the router, and only as a service', async ({ lab }) => {
  const outside = await Capture.start(lab.wan, 'eth0');
  const stranger = await Injector.start(lab.lan, 'eth0', [macs.routerLan, macs.lan]);
  const server = lab.servers[0];
  assert.ok(server);
  const insider = await Injector.start(server.namespace, 'eth0', [macs.routerLan, serverMac(1)]);
  for (const family of families) {
    const header = { source: ghost[family], destination: wanClient(family, 840) };
    const datagram = (port: number, text: string) =>
      ipPacket({ ...header, protocol: protocol.udp }, udp(header, [port, 5000], Buffer.from(text)));
    await stranger.send(datagram(echoPort, 'forged'));
    await stranger.send(datagram(ownPort, 'forged'));
    const { protocol: number, message } = icmp(header, family === 4 ? 8 : 128, 0, 1, Buffer.from('forged'));
    await stranger.send(ipPacket({ ...header, protocol: number }, message));
    await insider.send(datagram(ownPort, 'forged'));
    await insider.send(ipPacket({ ...header, protocol: number }, message));
    await insider.send(datagram(7103, 'allowed'));
    const allowed = ({ source, payload }: Captured) => source === ghost[family] && payload.includes('allowed');
    assert.is((await outside.find('what a server may say', allowed)).ttl, 63);
  }
  assert.equal(
    (await outside.take()).filter(({ payload }) => payload.includes('forged')),
    [],
  );
  await Promise.all([outside.end(), stranger.end(), insider.end()]);
});

test('a LAN host whose source port is a service’s is masqueraded behind another one', async ({ lab }) => {
  const answer = await whoAnswers(lab, lab.lan, 'tcp', lanHost[4], wanHost[4], ownPort, echoPort);
  assert.equal([answer.server, answer.client], ['outside', ghost[4]]);
  assert.ok(answer.clientPort >= 61_000, `port ${answer.clientPort}`);
  const usual = await whoAnswers(lab, lab.lan, 'udp', lanHost[4], wanHost[4], ownPort, 41_000);
  assert.equal([usual.client, usual.clientPort], [ghost[4], 41_000]);
});

test('connection tracking has seen nothing of the service', async ({ lab }) => {
  assert.equal(await trackedConnections(lab.router, [foreign[4], foreign[6]]), []);
  const tracked = await trackedConnections(lab.router, [ghost[4], ghost[6]]);
  assert.ok(
    tracked.some((line) => line.includes(`dport=${ownPort}`)),
    'it sees the router’s own',
  );
  const ofService = (line: string) => [80, echoPort, 7102, 7103].some((port) => line.includes(`dport=${port} `));
  assert.equal(
    tracked.filter((line) => ofService(line) && !line.includes(`src=${lanHost[4]}`)),
    [],
  );
});

test('without the daemon the router is itself again', async ({ lab }) => {
  assert.is(await lab.daemon.stop(), 0);
  for (const family of families) {
    const from = wanClient(family, 850);
    assert.is((await lab.traffic(lab.wan).tcp(from, ghost[family], echoPort)).broken, 'ECONNREFUSED');
    assert.is((await whoAnswers(lab, lab.wan, 'udp', from, ghost[family], ownPort)).server, 'router');
    assert.ok(await ping(lab.wan, from, ghost[family]));
  }
  await listen(lab.router, 'router', echoPort);
  for (const family of families) {
    const answer = await whoAnswers(lab, lab.wan, 'tcp', wanClient(family, 851), ghost[family], echoPort);
    assert.equal([answer.server, answer.local], ['router', routerAddresses.wan[family]]);
  }
});

run();
