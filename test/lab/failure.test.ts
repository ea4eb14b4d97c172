import { createServer } from 'node:net';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { families, ghostPlaces, macs, routerAddresses, wanClient, wanClients, wanHost } from './addresses.ts';
import { LabBus } from './bus.ts';
import { withLab, type Lab } from './lab.ts';
import { connect, difference, listing, repaired, ruleset, served } from './repair.ts';
import { differences, routerState } from './router-state.ts';
import { counters, eventually, heard } from './scenario.ts';
import { webService } from './web-service.ts';

const elsewhere = ghostPlaces.elsewhere;

/** Takes the clients' device away and makes it again, with everything that was on it. */
async function replaceWan({ router, wan }: Lab): Promise<() => Promise<void>> {
  await router.ip(['link delete wan']);
  return async () => {
    await router.ip([
      `link add wan address ${macs.routerWan} type veth peer name eth0 address ${macs.wan} netns ${wan.name}`,
      'link set wan up',
      `address add ${routerAddresses.wan[4]}/24 dev wan`,
      `address add ${routerAddresses.wan[6]}/64 dev wan nodad`,
    ]);
    await wan.ip([
      'link set eth0 up',
      `address add ${wanHost[4]}/24 dev eth0`,
      `address add ${wanHost[6]}/64 dev eth0 nodad`,
      ...families.map((family) => `route add default via ${routerAddresses.wan[family]}`),
    ]);
    await router.ip(families.map((family) => `route add ${wanClients[family]} via ${wanHost[family]}`));
  };
}

test("the clients' device goes and comes back under another number", () =>
  withLab({ servers: 2, ghosts: [...Object.values(elsewhere), ...Object.values(ghostPlaces.wan)] }, async (lab) => {
    await lab.daemon.start(webService(lab));
    await served(lab);
    const bringBack = await replaceWan(lab);
    await eventually(
      'the chain is gone',
      1_000,
      async () => !(await listing(lab)).includes('device "wan"') || undefined,
    );
    await bringBack();
    await served(lab);
    await served(lab, ghostPlaces.wan, 2);
    assert.ok((await sum(lab)) > 0, 'on the fast path');
    assert.is(await lab.daemon.stop(), 0);
  }));

/** Packets that the fast path has handed to servers. */
async function sum({ router }: Lab): Promise<number> {
  return [...(await counters(router)).values()].reduce((total, { packets }) => total + packets, 0);
}

for (const [name, ghost] of [
  ['a ghost routed to the router', elsewhere],
  ["a ghost in the servers' subnet", ghostPlaces.lan],
  ["the router's own address", ghostPlaces.router],
] as const) {
  test(`the servers' bridge is deleted and made again: ${name}`, () =>
    withLab({ servers: 2, ghosts: Object.values(ghost), strictReversePath: true }, async (lab) => {
      const { daemon, router } = lab;
      await daemon.start(webService(lab));
      await served(lab, ghost);
      await router.ip(['link delete br-lan']);
      await eventually('no server is reached', 1_000, async () =>
        (await listing(lab)).includes('device "br-lan"') ? undefined : true,
      );
      await router.ip([
        `link add br-lan address ${macs.routerLan} type bridge mcast_snooping 0`,
        ...['lan0', 'lan1', 'lan2'].map((port) => `link set ${port} master br-lan up`),
        'link set br-lan up',
        `address add ${routerAddresses.lan[4]}/24 dev br-lan`,
        `address add ${routerAddresses.lan[6]}/64 dev br-lan nodad`,
      ]);
      await served(lab, ghost, 2);
      assert.is(await daemon.stop(), 0);
      const left = [...(await routerState(router))].flatMap(([what, lines]) => (what === 'links' ? [] : lines));
      assert.equal(
        left.filter((line) => /proto 111|oneip|managed|accept_local = 1|\.rp_filter = 2|proxy_ndp = 1/.test(line)),
        [],
      );
    }));
}

test("the MTU of the clients' link changes: segments are clamped to it", () =>
  withLab({ servers: 1 }, async (lab) => {
    const [server] = lab.servers;
    assert.ok(server);
    await lab.daemon.start(webService(lab));
    const segment = async (client: number): Promise<number> => {
      const conversations = await connect(lab, elsewhere, client);
      await Promise.all(conversations.map((one) => heard(one)));
      const sockets = await server.namespace.run(['ss', '-tinH', 'state', 'established', 'dst', wanClient(4, client)]);
      for (const conversation of conversations) conversation.close();
      return Number(/\bmss:(\d+)/.exec(sockets)?.[1]);
    };
    assert.is(await segment(1), 1448);
    await lab.router.ip(['link set wan mtu 1400']);
    const { result } = await eventually('smaller segments', 2_000, async () => {
      const size = await segment(2);
      return size < 1448 ? size : undefined;
    });
    assert.is(result, 1348);
    await lab.router.ip(['link set wan mtu 1500']);
    await eventually('larger segments', 2_000, async () => ((await segment(3)) === 1448 ? true : undefined));
  }));

test('an address that equals the ghost comes to the router and goes', () =>
  withLab({ servers: 2, strictReversePath: true }, async (lab) => {
    const { daemon, router } = lab;
    await daemon.start(webService(lab));
    await served(lab);
    const [text, before] = [await ruleset(lab), await routerState(router)];
    await router.ip([`address add ${elsewhere[4]}/32 dev lo`, `address add ${elsewhere[6]}/128 dev lo nodad`]);
    await eventually('rules before local', 2_000, async () =>
      (await router.run(['ip', 'rule'])).startsWith('0:\tfrom all fwmark') ? true : undefined,
    );
    await served(lab, elsewhere, 2);
    await router.ip([`address del ${elsewhere[4]}/32 dev lo`, `address del ${elsewhere[6]}/128 dev lo`]);
    await repaired(lab, 'the ruleset of before', text, 2_000);
    await eventually('the router of before', 2_000, async () => {
      const after = await routerState(router);
      return differences(after, before).filter((line) => !line.startsWith('ruleset')).length === 0 ? true : undefined;
    });
    await served(lab, elsewhere, 3);
  }));

test("netifd's interfaces name the devices: absent, there from the start, changing", () =>
  withLab({ servers: 2 }, async (lab) => {
    const { daemon } = lab;
    const configuration = webService(lab, { service: { source: ['uplink'] } });
    const follows = (device: string) =>
      eventually(`clients are expected on ${device}`, 6_000, async () =>
        (await listing(lab)).includes(`device "${device}" priority`) ? true : undefined,
      );
    await daemon.start(configuration);
    assert.ok(daemon.log.some((line) => /'uplink' is neither a logical interface that is up nor a device/.test(line)));
    assert.not.match(await listing(lab), /device "wan" priority/);

    const bus = await LabBus.start(daemon.ubusSocket, { uplink: 'wan' });
    await follows('wan');
    await served(lab);
    assert.ok((await sum(lab)) > 0, 'on the fast path');
    bus.setDevice('uplink', 'br-guest');
    await follows('br-guest');
    assert.not.match(await listing(lab), /device "wan" priority/);
    bus.setDevice('uplink', 'wan');
    await follows('wan');

    const text = await ruleset(lab);
    await bus.stop();
    await served(lab, elsewhere, 2);
    assert.equal(difference(text, await ruleset(lab)), [], 'what was known stays while the bus is away');
    assert.is(await daemon.stop(), 0);

    const second = await LabBus.start(daemon.ubusSocket, { uplink: 'wan' });
    await daemon.start(configuration);
    assert.match(await listing(lab), /device "wan" priority/, 'known before the first load');
    assert.not.match(daemon.log.join('\n'), /neither/);
    await second.stop();
  }));

test('a bus that talks rubbish, or hangs up, stops nothing', () =>
  withLab({ servers: 1 }, async (lab) => {
    let greetings = 0;
    const rubbish = createServer((stream) => {
      greetings += 1;
      stream.on('error', () => undefined);
      stream.end(Buffer.alloc(greetings * 37, greetings));
    });
    await new Promise<void>((resolve) => rubbish.listen(lab.daemon.ubusSocket, resolve));
    rubbish.unref();
    await lab.daemon.start(webService(lab));
    await eventually('attempts', 3_000, () => Promise.resolve(greetings > 3 || undefined));
    await served(lab);
    await lab.daemon.reload(webService(lab));
    assert.is(await lab.daemon.stop(), 0);
    rubbish.close();
  }));

test.run();
