import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Capture } from './capture.ts';
import { Injector } from './inject.ts';
import { echoRequest, fragments, ipPacket, protocol, tcpSyn, udp } from './packet.ts';
import { families, ghostPlaces, guestHost, lanHost, macs, tunClient, wanClient } from './addresses.ts';
import { download, httpGet, upload, url } from './http.ts';
import { withLab, type Lab } from './lab.ts';
import type { Namespace } from './namespace.ts';
import { ping } from './ping.ts';
import { echoPort } from './servers.ts';
import { answered } from './traffic.ts';

/** Every kind of traffic from one client to every server's own address: what the lab can do without the daemon. */
async function everyServerAnswers(lab: Lab, namespace: Namespace, client: (family: 4 | 6) => string): Promise<void> {
  for (const family of families) {
    const from = client(family);
    for (const server of lab.servers) {
      const to = server.address[family];
      const clients = lab.traffic(namespace);
      for (const conversation of [await clients.tcp(from, to, echoPort), await clients.udp(from, to, echoPort)]) {
        const answer = await conversation.ask();
        assert.ok(answered(answer), `${from} → ${to}: ${JSON.stringify(answer)}`);
        assert.equal([answer.server, answer.client, answer.local], [server.name, from, to]);
      }
      const page = await httpGet(namespace, from, url(to));
      assert.equal([page.server, page.client, page.body], [server.name, from, `${server.name}\n`]);
      assert.ok(await ping(namespace, from, to));
    }
    const [first] = lab.servers;
    assert.ok(first);
    assert.is(await download(namespace, from, first.address[family]), first.name);
    assert.is(await upload(lab, lab.programs, namespace, from, first.address[family]), first.name);
  }
}

test('routed: clients outside, in the LAN and among the guests reach every server', () =>
  withLab({ servers: 2 }, async (lab) => {
    await everyServerAnswers(lab, lab.wan, (family) => wanClient(family, 131_071));
    await everyServerAnswers(lab, lab.lan, (family) => lanHost[family]);
    await everyServerAnswers(lab, lab.guest, (family) => guestHost[family]);
  }));

test('one-armed: the same, by the gateway', () =>
  withLab({ servers: 2, oneArmed: true }, async (lab) => {
    await everyServerAnswers(lab, lab.wan, (family) => wanClient(family, 7));
    await everyServerAnswers(lab, lab.guest, (family) => guestHost[family]);
    assert.ok(await ping(lab.router, '192.168.1.2', wanClient(4, 1)));
  }));

test('a client behind a device without Ethernet headers reaches every server', () =>
  withLab({ servers: 2, tunMtu: 1492 }, async (lab) => {
    await everyServerAnswers(lab, lab.tun, (family) => tunClient(family, 7));
  }));

test('links have the MTU that was asked for, and strict reverse path filtering holds', () =>
  withLab({ servers: 1, wanMtu: 1400, lanMtu: 1492, strictReversePath: true }, async (lab) => {
    const [server] = lab.servers;
    assert.ok(server);
    const mtu = async (namespace: Namespace, device: string) =>
      Number(/mtu (\d+)/.exec(await namespace.run(['ip', 'link', 'show', device]))?.[1]);
    assert.is(await mtu(lab.router, 'wan'), 1400);
    assert.is(await mtu(lab.wan, 'eth0'), 1400);
    assert.is(await mtu(lab.router, 'br-lan'), 1492);
    assert.is(await mtu(server.namespace, 'eth0'), 1492);
    assert.match(await lab.router.run(['sysctl', 'net.ipv4.conf.wan.rp_filter']), /= 1/);
    await everyServerAnswers(lab, lab.wan, (family) => wanClient(family, 7));
  }));

test('the firewall keeps the outside out and lets the LAN out', () =>
  withLab({ servers: 1, firewall: { mark: 0x10000, mask: 0xff0000 } }, async (lab) => {
    const [server] = lab.servers;
    assert.ok(server);
    assert.not(await ping(lab.wan, wanClient(4, 1), server.address[4], { wait: 0.3 }));
    assert.ok(await ping(lab.lan, lanHost[4], wanClient(4, 1)));
    assert.ok(await ping(lab.guest, guestHost[6], wanClient(6, 1)));
  }));

test('nobody answers for a ghost address while nothing dispatches', () =>
  withLab({ servers: 2, ghosts: [ghostPlaces.lan[4], ghostPlaces.lan[6]] }, async (lab) => {
    for (const family of families) {
      assert.not(await ping(lab.lan, lanHost[family], ghostPlaces.lan[family], { wait: 0.3 }));
      const conversation = await lab
        .traffic(lab.wan)
        .tcp(wanClient(family, 1), ghostPlaces.lan[family], echoPort, 0, 300);
      assert.not(conversation.alive);
    }
  }));

test('what is injected is captured as it was, by everybody who is meant', () =>
  withLab({ servers: 1, tunMtu: 1492 }, async (lab) => {
    const capture = await Capture.start(lab.router, 'wan');
    const injector = await Injector.start(lab.wan, 'eth0', [macs.routerWan, macs.wan]);
    for (const family of families) {
      const header = { source: wanClient(family, 3), destination: ghostPlaces.elsewhere[family], ttl: 7 };
      const datagram = udp(header, [1234, 53], Buffer.alloc(2000, 'x'));
      const packets = fragments({ ...header, protocol: protocol.udp }, datagram, 1000);
      for (const packet of packets) await injector.send(packet, 'ff:ff:ff:ff:ff:ff');
      const seen = (await capture.take()).filter(({ destination }) => destination === header.destination);
      assert.equal(
        seen.map(({ packetType, ttl, bytes }) => ({ packetType, ttl, bytes })),
        packets.map((packet) => ({ packetType: 1, ttl: 7, bytes: packet.subarray(0, 160) })),
      );
    }
  }));

test('hosts accept and answer what the lab makes, with and without Ethernet headers', () =>
  withLab({ servers: 1, tunMtu: 1492 }, async (lab) => {
    const [server] = lab.servers;
    assert.ok(server);
    const ways = [
      { namespace: lab.wan, device: 'eth0', client: wanClient, framed: [macs.routerWan, macs.wan] as [string, string] },
      { namespace: lab.tun, device: 'ppp0', client: tunClient, framed: undefined },
    ];
    for (const { namespace, device, client, framed } of ways) {
      const capture = await Capture.start(namespace, device);
      const injector = await Injector.start(namespace, device, framed);
      for (const family of families) {
        const header = { source: client(family, 3), destination: server.address[family] };
        const answer = (number: number) =>
          capture.find(`protocol ${number}`, (packet) => packet.direction === 'in' && packet.protocol === number);
        await injector.send(
          ipPacket({ ...header, protocol: protocol.udp }, udp(header, [4000, echoPort], Buffer.from('q'))),
        );
        assert.is((await answer(protocol.udp)).payload.readUInt16BE(2), 4000);
        await injector.send(ipPacket({ ...header, protocol: protocol.tcp }, tcpSyn(header, [4001, echoPort])));
        assert.is((await answer(protocol.tcp)).payload.readUInt8(13), 0x12, 'SYN and ACK');
        await injector.send(echoRequest(header, Buffer.from('hello')));
        await capture.find('echo reply', (packet) => packet.payload.readUInt8(0) === (family === 4 ? 0 : 129));
        await capture.take();
      }
    }
  }));

test('64 servers answer, each by its name', () =>
  withLab({ servers: 64 }, async (lab) => {
    const clients = lab.traffic(lab.wan);
    await Promise.all(
      lab.servers.map(async (server) => {
        const conversation = await clients.tcp(wanClient(4, server.number), server.address[4], echoPort);
        const answer = await conversation.ask();
        assert.is(answered(answer) && answer.server, server.name);
      }),
    );
  }));

test.run();
