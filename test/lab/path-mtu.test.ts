import * as assert from 'uvu/assert';
import { families, ghostPlaces, guestHost, macs, routerAddresses, wanClient, wanHost } from './addresses.ts';
import type { Captured } from './capture.ts';
import { Capture, ServerCaptures } from './capture.ts';
import { download, httpGet, upload, url } from './http.ts';
import { Injector } from './inject.ts';
import type { Lab } from './lab.ts';
import { addNamespaces, Namespace } from './namespace.ts';
import { ipPacket, protocol, segmentSize, udp } from './packet.ts';
import { ping } from './ping.ts';
import { bigDatagram, configuration, eventually, figure } from './scenario.ts';
import { echoPort } from './servers.ts';
import type { Scene } from './suite.ts';
import { labSuite } from './suite.ts';

const ghost = ghostPlaces.elsewhere;
const sizes = [1280, 1400, 1492, 1500];
const pairs = sizes.flatMap((wan) => sizes.map((lan) => [wan, lan] as const));

/** Gives the links other MTUs and has the daemon notice. */
async function setMtus({ lab, config }: Scene, wan: number, lan: number, wanClientsOwn = wan): Promise<void> {
  const inRouter = ['br-lan', 'lan0', ...lab.servers.map(({ port }) => port)];
  await Promise.all([
    lab.router.ip([`link set wan mtu ${wan}`, ...inRouter.map((device) => `link set ${device} mtu ${lan}`)]),
    lab.wan.ip([`link set eth0 mtu ${wanClientsOwn}`]),
    lab.lan.ip([`link set eth0 mtu ${lan}`]),
    ...lab.servers.map(({ namespace }) => namespace.ip([`link set eth0 mtu ${lan}`])),
  ]);
  await lab.daemon.reload(config);
}

/** Clients of their own for every transfer: nobody has learned a path MTU to them before. */
let client = 1000;

/** 2 MB each way, both families; returns the longest time that one of them took, in milliseconds. */
async function transfers({ lab, oracle }: Scene, namespace = lab.wan): Promise<number> {
  let longest = 0;
  for (const family of families) {
    const began = performance.now();
    client += 1;
    const from = namespace === lab.wan ? wanClient(family, client) : guestHost[family];
    const server = oracle.server('web', from);
    assert.is(await download(namespace, from, ghost[family]), server);
    const between = performance.now();
    assert.is(await upload(lab, lab.programs, namespace, from, ghost[family]), server);
    longest = Math.max(longest, between - began, performance.now() - between);
  }
  return longest;
}

async function everyPair(scene: Scene): Promise<void> {
  let longest = 0;
  for (const [wan, lan] of pairs) {
    await setMtus(scene, wan, lan);
    try {
      longest = Math.max(longest, await transfers(scene));
    } catch (error) {
      throw new Error(`WAN ${wan}, LAN ${lan}`, { cause: error });
    }
  }
  figure(`${pairs.length * 4} transfers of 2 MB, the longest in ${longest.toFixed(0)} ms`);
}

const isError = (packet: Captured) =>
  packet.family === 4
    ? packet.protocol === protocol.icmp && packet.payload[0] === 3 && packet.payload[1] === 4
    : packet.protocol === protocol.icmp6 && packet.payload[0] === 2;

const web = (lab: Lab) => configuration(lab, { web: { options: { port: ['80', String(echoPort)] } } });
const plain = labSuite('path MTU', {}, web);

plain.test('2 MB up and down with every pair of MTUs', everyPair);

plain.test('clients of another LAN with larger packets than the servers’ link takes', async (scene) => {
  await setMtus(scene, 1500, 1280);
  await transfers(scene, scene.lab.guest);
});

plain.test('both sides learn of a WAN that carries less than their own links', async (scene) => {
  const { lab, oracle } = scene;
  await setMtus(scene, 1400, 1500, 1500);
  const servers = await ServerCaptures.start(lab);
  const outside = await Capture.start(lab.wan, 'eth0');
  for (const family of families) {
    const from = wanClient(family, 50);
    const page = await httpGet(lab.wan, from, url(ghost[family]));
    assert.is(page.server, oracle.server('web', from));
    const [arrived] = await servers.arrivals((packet) => packet.source === from);
    assert.ok(arrived);
    const most = 1400 - (family === 4 ? 40 : 60);
    assert.is(segmentSize(arrived.packet), most, 'what the client offers');
    const sent = (await outside.take()).filter((packet) => segmentSize(packet) !== undefined);
    assert.equal(
      sent.map((packet) => [packet.direction, segmentSize(packet)]),
      [
        ['out', 1500 - (family === 4 ? 40 : 60)],
        ['in', most],
      ],
    );
  }
  await transfers(scene);
  await Promise.all([servers.end(), outside.end()]);
});

plain.test('the router’s own "fragmentation needed" reaches the server whose packet it was', async (scene) => {
  const { lab, oracle } = scene;
  await setMtus(scene, 1400, 1500);
  const servers = await ServerCaptures.start(lab);
  for (const family of families) {
    for (const number of [60, 61, 62, 63, 64, 65]) {
      const from = wanClient(family, number);
      const server = oracle.server('web', from);
      // The question fits the WAN; the answer, which repeats it behind addresses and ports, does not.
      const size = 1400 - (family === 4 ? 28 : 48) - 10;
      assert.is(await bigDatagram(lab.wan, from, ghost[family], echoPort, size, { tries: 4 }), server);
      const told = (await servers.arrivals(isError)).map((arrival) => arrival.server);
      assert.equal([...new Set(told)], [server]);
    }
  }
  await servers.end();
});

/** Sends what makes a server's answer too large for the way back; `fresh` makes clients to whom nobody knows the way. */
async function largeAnswers({ oracle }: Scene, namespace: Namespace, to: string, fresh: () => string): Promise<void> {
  for (const size of [1380, 3000]) {
    // The first answer teaches the server, if the error about it gets there.
    const echoed = fresh();
    await eventually(`echo of ${size} bytes for ${echoed}`, 3000, async () =>
      (await ping(namespace, echoed, to, { size, wait: 1 })) ? true : undefined,
    );
    const from = fresh();
    const server = await bigDatagram(namespace, from, to, echoPort, size, { tries: 4 });
    assert.is(server, oracle.server('web', from), `${size} bytes for ${from}`);
  }
}

plain.test('answers larger than the WAN takes: echoes and datagrams, whole or in pieces', async (scene) => {
  await setMtus(scene, 1400, 1500);
  let number = 80;
  for (const family of families) {
    await largeAnswers(scene, scene.lab.wan, ghost[family], () => wanClient(family, number++));
  }
});

plain.test('datagrams too large for the servers’ link: refused with DF, cut without', async (scene) => {
  const { lab, oracle } = scene;
  await setMtus(scene, 1500, 1400);
  const outside = await Injector.start(lab.wan, 'eth0', [macs.routerWan, macs.wan]);
  const back = await Capture.start(lab.wan, 'eth0');
  const servers = await ServerCaptures.start(lab);
  for (const family of families) {
    const from = wanClient(family, 70);
    const header = { source: from, destination: ghost[family], protocol: protocol.udp };
    const large = udp(header, [26_000, echoPort], Buffer.alloc(1500 - (family === 4 ? 28 : 48), 'large'));
    await outside.send(ipPacket({ ...header, flags: 0x4000 }, large));
    const told = await back.find('fragmentation needed', (packet) => packet.direction === 'in' && isError(packet));
    assert.equal([told.source, told.destination], [routerAddresses.wan[family], from]);
    assert.is(told.payload.readUInt32BE(4), 1400);
    if (family === 4) {
      await outside.send(ipPacket(header, large));
      const { server } = await servers.first('pieces', ({ source }) => source === from);
      assert.is(server, oracle.server('web', from));
    }
    const whole = ipPacket({ ...header, flags: 0x4000 }, udp(header, [26_001, echoPort], Buffer.alloc(1300)));
    await outside.send(whole);
    await servers.first('what fits', ({ source, payload }) => source === from && payload.readUInt16BE(0) === 26_001);
    const arrived = await servers.arrivals(({ source, fragment }) => source === from && fragment.dont);
    assert.is(arrived.length, family === 4 ? 1 : 0);
    await back.take();
  }
  await Promise.all([outside.end(), back.end(), servers.end()]);
});

/** A client behind one more router, which takes less than anybody could know from the packets that set up a connection. */
async function farClient({ router, wan }: Lab, mtu: number): Promise<Namespace> {
  const far = new Namespace(wan.name.replace(/wan$/, 'far'));
  await addNamespaces([far.name]);
  const nets = [
    { family: 4, near: '10.99.0.1/30', own: '10.99.0.2/30', clients: '100.126.0.0/24', via: '10.99.0.2' },
    { family: 6, near: 'fd99::1/64', own: 'fd99::2/64', clients: '2001:db8:7000::/64', via: 'fd99::2' },
  ] as const;
  await wan.sysctl({ 'net.ipv4.ip_forward': 1, 'net.ipv6.conf.all.forwarding': 1 });
  await far.sysctl({ 'net.ipv6.ip_nonlocal_bind': 1 });
  await wan.ip([`link add far0 type veth peer name eth0 netns ${far.name}`, 'link set far0 up']);
  await far.ip(['link set lo up', 'link set eth0 up']);
  for (const { family, near, own, clients, via } of nets) {
    await wan.ip([
      `address add ${near} dev far0${family === 6 ? ' nodad' : ''}`,
      `route add ${clients} via ${via} mtu ${mtu}`,
    ]);
    await far.ip([
      `address add ${own} dev eth0${family === 6 ? ' nodad' : ''}`,
      `route add default via ${near.replace(/\/.*/, '')}`,
      `route add local ${clients} dev lo`,
    ]);
    await router.ip([`route add ${clients} via ${wanHost[family]}`]);
  }
  await wan.run(['ethtool', '-K', 'far0', 'tso', 'off', 'gso', 'off', 'gro', 'off']);
  await far.run(['ethtool', '-K', 'eth0', 'tso', 'off', 'gso', 'off', 'gro', 'off']);
  return far;
}

plain.test('a small link beyond the router, in nobody’s sight: its errors reach the right server', async (scene) => {
  const { lab, oracle } = scene;
  await setMtus(scene, 1500, 1500);
  const far = await farClient(lab, 1300);
  const servers = await ServerCaptures.start(lab);
  for (const family of families) {
    for (const number of [1, 2, 3, 4, 5, 6]) {
      const from = family === 4 ? `100.126.0.${number}` : `2001:db8:7000::${number}`;
      const server = oracle.server('web', from);
      assert.is(await download(far, from, ghost[family]), server);
      const told = (await servers.arrivals(isError)).map((arrival) => arrival.server);
      assert.equal([...new Set(told)], [server]);
    }
    let number = 7;
    const fresh = () => (family === 4 ? `100.126.0.${number++}` : `2001:db8:7000::${number++}`);
    await largeAnswers(scene, far, ghost[family], fresh);
  }
  await servers.end();
});

const aggregated = labSuite('path MTU with receive offload', { aggregation: true }, web);

aggregated.test('2 MB up and down with every pair of MTUs', everyPair);

plain.run();
aggregated.run();
