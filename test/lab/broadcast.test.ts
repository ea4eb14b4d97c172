import { test as plainTest } from 'uvu';
import * as assert from 'uvu/assert';
import { floodHardware } from '../../src/deployment/flood.ts';
import type { Family } from '../../src/net/address.ts';
import { parseAddress } from '../../src/net/address.ts';
import { hardwareBytes } from '../../src/netlink/text.ts';
import { families, ghostPlaces, guestHost, lanHost, routerAddresses, wanClient } from './addresses.ts';
import { Capture, ServerCaptures } from './capture.ts';
import type { Captured } from './capture.ts';
import { loadHandFilters } from './hand-filter.ts';
import { download, httpGet, upload, url } from './http.ts';
import { Injector } from './inject.ts';
import type { Lab } from './lab.ts';
import { withLab } from './lab.ts';
import type { Namespace } from './namespace.ts';
import { oneipProgram } from './paths.ts';
import { ipPacket, protocol } from './packet.ts';
import { ping } from './ping.ts';
import { attempt } from './process.ts';
import { assertSameRouter, routerState } from './router-state.ts';
import {
  bigDatagram,
  configuration,
  eachOf,
  eventually,
  figure,
  heard,
  spreadClients,
  trackedConnections,
  whoAnswers,
} from './scenario.ts';
import { echoPort, echoRange } from './servers.ts';
import { labSuite } from './suite.ts';
import { answered } from './traffic.ts';
import { uciSection } from './uci.ts';

const broadcast = ghostPlaces.elsewhere;
const multicast = { 4: '192.0.2.81', 6: '2001:db8:80::81' };
const routed = { 4: '192.0.2.82', 6: '2001:db8:80::82' };
const ghosts = [broadcast, multicast, routed].flatMap((ghost) => families.map((family) => ghost[family]));
const seconds = { 4: '192.168.1.250', 6: 'fd00:1::250' };

/** Services of all kinds on the same servers, one of them on the ghost of another kind. */
const services = {
  web: {
    ghost: [broadcast[4], broadcast[6]],
    options: { dispatch: 'broadcast', ghost2: [seconds[4], seconds[6]], port: ['80', String(echoPort)] },
  },
  group: { ghost: [multicast[4], multicast[6]], options: { dispatch: 'multicast', port: ['80', String(echoPort)] } },
  direct: { ghost: [routed[4], routed[6]], options: { port: ['80', String(echoPort)] } },
  shared: { ghost: [broadcast[4], broadcast[6]], options: { port: `${echoRange.first}-${echoRange.last}` } },
};
const kinds = { web: broadcast, group: multicast, direct: routed } as const;

/** What fw4 is told to forward: requests to the services whose packets all servers get. */
const acceptance = [broadcast, multicast]
  .flatMap((ghost) => [
    `insert rule inet fw4 forward ip daddr ${ghost[4]} accept`,
    `insert rule inet fw4 forward ip6 daddr ${ghost[6]} accept`,
  ])
  .join('\n');

const { test, run } = labSuite(
  'dispatch to all servers',
  // A WAN that carries less than the LAN, so that downloads need the router's ICMP errors; and a firewall as OpenWrt's.
  { ghosts, wanMtu: 1400, strictReversePath: true, firewall: { mark: 0x6f690000, mask: 0xffff0000 } },
  async (lab) => {
    const config = configuration(lab, services);
    await loadHandFilters(lab, config);
    await lab.router.nft(`${acceptance}\n`);
    return config;
  },
);

function placesOf(lab: Lab): readonly { namespace: Namespace; from: (family: Family) => string }[] {
  return [
    { namespace: lab.wan, from: (family) => wanClient(family, 700) },
    { namespace: lab.lan, from: (family) => lanHost[family] },
    { namespace: lab.guest, from: (family) => guestHost[family] },
  ];
}

const isSyn = ({ protocol: number, payload }: Captured) => number === protocol.tcp && (payload[13] ?? 0) === 2;
const isSynAck = ({ protocol: number, payload }: Captured) => number === protocol.tcp && (payload[13] ?? 0) === 18;

test('clients of all places reach one server each, by TCP, UDP and ping', async ({ lab, oracle }) => {
  for (const { namespace, from } of placesOf(lab)) {
    for (const family of families) {
      for (const [service, ghost] of Object.entries(kinds)) {
        const client = from(family);
        const server = oracle.server(service, client);
        const what = `${service} from ${client}`;
        for (const transport of ['tcp', 'udp'] as const) {
          const answer = await whoAnswers(lab, namespace, transport, client, ghost[family], echoPort);
          assert.equal([answer.server, answer.client, answer.local], [server, client, ghost[family]], what);
        }
        const page = await httpGet(namespace, client, url(ghost[family]));
        assert.equal([page.server, page.client], [server, client], what);
        assert.ok(await ping(namespace, client, ghost[family]), `ping of ${what}`);
        assert.is(await bigDatagram(namespace, client, ghost[family], echoPort, 3000, { tries: 2 }), server, what);
      }
      const there = await whoAnswers(lab, namespace, 'udp', from(family), broadcast[family], echoRange.first);
      assert.is(there.server, oracle.server('shared', from(family)), 'a routed service on the same ghost');
    }
  }
  assert.equal(await trackedConnections(lab.router, ghosts), [], 'conntrack has seen none of it');
});

test('every server gets every packet, in frames to all or to the group; one of them answers', async ({
  lab,
  oracle,
}) => {
  const count = 200;
  const captures = await ServerCaptures.start(lab);
  const back = await Capture.start(lab.wan, 'eth0');
  const owners = new Set<string>();
  for (const family of families) {
    for (const [service, dispatch, ghost] of [
      ['web', 'broadcast', broadcast],
      ['group', 'multicast', multicast],
    ] as const) {
      const conversations = await eachOf(spreadClients(family, count), 32, async (from) => {
        const conversation = await lab.traffic(lab.wan).tcp(from, ghost[family], echoPort);
        const { server } = await heard(conversation);
        assert.is(server, oracle.server(service, from));
        owners.add(server);
        conversation.close();
        return from;
      });
      const frames = await captures.arrivals((packet) => isSyn(packet) && packet.destination === ghost[family]);
      assert.is(frames.length, count * lab.servers.length, `SYNs of ${service}, IPv${family}`);
      const hardware = floodHardware({ name: service, dispatch }, family);
      assert.equal([...new Set(frames.map(({ packet }) => packet.destinationMac))], [hardware]);
      const answers = (await back.take()).filter((packet) => isSynAck(packet) && packet.source === ghost[family]);
      assert.equal(answers.map(({ destination }) => destination).sort(), [...conversations].sort(), 'one answer each');
    }
  }
  assert.is(owners.size, lab.servers.length);
  await Promise.all([captures.end(), back.end()]);
});

test('nothing that is said about the ghost addresses on the wire moves the way', async ({ lab, oracle }) => {
  const entries = async () => {
    const listed = await lab.router.run(['ip', 'neighbour', 'show', 'dev', 'br-lan']);
    return listed
      .split('\n')
      .filter((line) => line.includes('PERMANENT'))
      .sort();
  };
  const before = await entries();
  assert.is(
    before.filter((line) => / lladdr (ff:ff:ff:ff:ff:ff|01:00:5e:|33:33:)/.test(line)).length,
    4,
    before.join(),
  );
  const routes = () => lab.router.run(['ip', 'route', 'show', 'table', 'main']);
  const routesBefore = await routes();
  const [first] = lab.servers;
  assert.ok(first);
  const injector = await Injector.start(first.namespace, 'eth0');
  const chosen = before.flatMap((line) => line.split(' ')[0] || []);
  for (const text of [...new Set([...ghosts, ...chosen])]) {
    for (const frame of claims(text, first.mac)) await injector.send(frame);
  }
  await injector.end();
  // Replies with the ghosts as their source come from all servers.
  for (const family of families) {
    for (const from of spreadClients(family, 24)) {
      for (const [service, ghost] of Object.entries(kinds)) {
        const { server } = await whoAnswers(lab, lab.wan, 'udp', from, ghost[family], echoPort);
        assert.is(server, oracle.server(service, from), `${service} from ${from}`);
      }
    }
  }
  assert.equal(await entries(), before);
  assert.is(await routes(), routesBefore);
});

/** Frames by which a host claims an address: ARP request and reply of itself (RFC 5227 §3), unsolicited advertisement (RFC 4861 §7.2.6). */
function claims(text: string, mac: string): Buffer[] {
  const address = parseAddress(text);
  assert.ok(address);
  const own = Buffer.from(hardwareBytes(mac));
  if (address.family === 6) {
    const header = { source: text, destination: 'ff02::1', protocol: protocol.icmp6, ttl: 255 };
    // Override, with the sender's MAC address as an option.
    const message = Buffer.from([136, 0, 0, 0, 0x20, 0, 0, 0, ...address.bytes, 2, 1, ...own]);
    const packet = ipPacket(header, message);
    return [Buffer.concat([Buffer.from(hardwareBytes('33:33:00:00:00:01')), own, Buffer.from([0x86, 0xdd]), packet])];
  }
  return [1, 2].map((operation) =>
    Buffer.concat([
      Buffer.alloc(6, 0xff),
      own,
      Buffer.from([0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, operation]),
      ...[own, address.bytes, Buffer.alloc(6, 0xff), address.bytes],
    ]),
  );
}

test('the owner learns of a smaller MTU by the ICMP errors of the router; large uploads arrive', async ({
  lab,
  oracle,
}) => {
  for (const family of families) {
    for (const [service, ghost] of Object.entries(kinds)) {
      const from = wanClient(family, 710);
      assert.is(await download(lab.wan, from, ghost[family]), oracle.server(service, from));
      assert.is(await upload(lab, lab.programs, lab.wan, from, ghost[family]), oracle.server(service, from));
    }
  }
});

test('the router itself is a client like others', async ({ lab, oracle }) => {
  for (const family of families) {
    for (const [service, ghost] of Object.entries(kinds)) {
      const from = routerAddresses.lan[family];
      const { server } = await httpGet(lab.router, from, url(ghost[family]));
      assert.is(server, oracle.server(service, from));
    }
  }
});

test('the ruleset has no chain, map or counter for what routing does', async ({ lab }) => {
  const fast = await lab.router.run(['nft', 'list', 'table', 'netdev', 'oneip']);
  assert.match(fast, 'direct/');
  for (const name of ['web', 'group']) assert.not.match(fast, new RegExp(`\\b${name}/`));
  const slow = await lab.router.run(['nft', 'list', 'table', 'inet', 'oneip']);
  for (const name of ['web', 'group']) assert.not.match(slow, new RegExp(`\\b${name}/`));
});

run();

plainTest(
  'alone on a router, with the watchdog: a server that loses its ghost is down; what stops leaves nothing',
  () =>
    withLab({ servers: 3 }, async (lab) => {
      const { daemon, router } = lab;
      const before = await routerState(router);
      const config =
        configuration(lab, { web: { options: { dispatch: 'multicast', port: String(echoPort) } } }) +
        uciSection('watchdog', 'tcp', { type: 'tcp', interval: '100ms', timeout: '200ms' });
      await loadHandFilters(lab, config);
      await daemon.start(config);
      const [first, second] = lab.servers;
      assert.ok(first && second);
      const isDown = daemon.process.waitFor((line) => /web: s2 down/.exec(line)?.[0]);
      await second.namespace.ip([`address del ${ghostPlaces.elsewhere[4]}/32 dev lo`]);
      await isDown;
      assert.not.ok(
        daemon.log.some((line) => /web: s[13] down/.test(line)),
        daemon.log.join('\n'),
      );
      for (const table of ['inet', 'netdev']) {
        const listed = await router.run(['nft', 'list', 'table', table, 'oneip']);
        assert.not.match(listed, /moved|fresh|unknown|learning/);
      }
      for (const end of ['stop', 'cleanup', 'restart'] as const) {
        if (end !== 'stop') await daemon.start(config);
        if (end !== 'stop') await daemon.crash();
        if (end === 'cleanup') {
          assert.is((await daemon.command(['cleanup', '--state', daemon.stateFolder])).status, 0);
        } else {
          if (end === 'restart') await daemon.start(config);
          assert.is(await daemon.stop(), 0);
        }
        assertSameRouter(await routerState(router), before);
      }
    }),
);

plainTest('an address that somebody has is not chosen, and one that somebody gets is given up', () =>
  withLab({ servers: 1, ghosts: [ghostPlaces.elsewhere[4]] }, async (lab) => {
    const { daemon, router } = lab;
    const config = configuration(lab, { web: { options: { dispatch: 'broadcast', port: String(echoPort) } } });
    await loadHandFilters(lab, config);
    const via = async () =>
      /via (\S+) dev br-lan .*onlink/.exec(await router.run(['ip', 'route', 'show', ghostPlaces.elsewhere[4]]))?.[1] ??
      '';
    const planned = await daemon.command(['plan', await planFile(lab, config), '--state', daemon.stateFolder]);
    const first = /ip route add 192\.0\.2\.80\/32 via (\S+) dev br-lan onlink/.exec(planned.stdout)?.[1];
    assert.ok(first, planned.stdout + planned.stderr);
    assert.match(planned.stdout, `ip neigh add ${first} lladdr ff:ff:ff:ff:ff:ff dev br-lan nud permanent`);
    await lab.lan.ip([`address add ${first}/24 dev eth0`]);
    const began = performance.now();
    await daemon.start(config);
    figure(`ready ${Math.round(performance.now() - began)} ms after the start, with two addresses asked for`);
    const chosen = await via();
    assert.ok(chosen !== '' && chosen !== first, chosen);
    assert.ok(await ping(router, routerAddresses.lan[4], first), 'whose address it is stays within reach');
    await whoAnswers(lab, lab.wan, 'udp', wanClient(4, 1), ghostPlaces.elsewhere[4], echoPort);
    // What is known in the state directory holds for the plan.
    const again = await daemon.command(['plan', daemon.configFile, '--state', daemon.stateFolder]);
    assert.match(again.stdout, 'nothing changes');
    await lab.lan.ip([`address add ${chosen}/24 dev eth0`]);
    const { result } = await eventually('another second ghost address', 90_000, async () => {
      const now = await via();
      return now !== chosen && now !== '' ? now : undefined;
    });
    assert.ok(result !== first, result);
    assert.ok(daemon.log.some((line) => line.includes(`somebody else has ${chosen} on br-lan now`)));
    await whoAnswers(lab, lab.wan, 'udp', wanClient(4, 1), ghostPlaces.elsewhere[4], echoPort);
  }),
);

async function planFile(lab: Lab, config: string): Promise<string> {
  lab.daemon.configure(config);
  return Promise.resolve(lab.daemon.configFile);
}

plainTest('what others take away, or change, comes back', () =>
  withLab({ servers: 2 }, async (lab) => {
    const { daemon, router } = lab;
    const config = configuration(lab, {
      web: { options: { dispatch: 'broadcast', ghost2: [seconds[4], seconds[6]], port: String(echoPort) } },
    });
    await loadHandFilters(lab, config);
    await daemon.start(config);
    const shown = async () => {
      const entries = await Promise.all(
        families.flatMap((family) => [
          router.run(['ip', 'neighbour', 'show', seconds[family]]),
          router.run(['ip', ...(family === 6 ? ['-6'] : []), 'route', 'show', broadcast[family]]),
        ]),
      );
      return entries.join('');
    };
    const before = await shown();
    assert.is(before.match(/ PERMANENT | onlink/g)?.length, 4, before);
    for (const family of families) {
      const [via, ghost] = [seconds[family], broadcast[family]];
      for (const line of [
        `neighbour del ${via} dev br-lan`,
        `neighbour replace ${via} lladdr 02:00:00:00:02:01 dev br-lan nud permanent`,
        `neighbour replace ${via} lladdr 02:00:00:00:02:01 dev br-lan nud reachable`,
        `route del ${ghost}${family === 4 ? '/32' : '/128'}`,
      ]) {
        await router.ip([line]);
        await eventually(`all as before: ${line}`, 5_000, async () => ((await shown()) === before ? true : undefined));
        await whoAnswers(lab, lab.wan, 'tcp', wanClient(family, 3), ghost, echoPort);
      }
    }
  }),
);

plainTest('a bridge with a port that is Wi-Fi, as sysfs tells it, is refused', () =>
  withLab({ servers: 1, ghosts: [ghostPlaces.elsewhere[4]] }, async (lab) => {
    const { daemon, router } = lab;
    const config = configuration(lab, { web: { options: { dispatch: 'broadcast', port: String(echoPort) } } });
    daemon.configure(config + uciSection('globals', 'globals', { key: 'a-secret-of-sixteen-or-more' }));
    const check = async (preparation: string) => {
      const command = `${preparation}; exec "$0" check --ubus /none "$1"`;
      const { stdout } = await attempt([
        ...['ip', 'netns', 'exec', router.name],
        ...['sh', '-ec', command, oneipProgram, daemon.configFile],
      ]);
      return stdout;
    };
    assert.is(await check(':'), 'no problems\n');
    for (const entry of ['phy80211', 'wireless']) {
      const told = await check(`cd /sys/class/net; mount -t tmpfs none lan0/; mkdir lan0/${entry}`);
      assert.match(told, "'lan0', a port of 'br-lan', is Wi-Fi");
    }
  }),
);

plainTest('snooping: what is warned of happens, and what is said to help helps', () =>
  withLab({ servers: 2, ghosts: [...families.map((family) => ghostPlaces.elsewhere[family])] }, async (lab) => {
    const { daemon, router } = lab;
    const config = configuration(lab, { web: { options: { dispatch: 'multicast', port: String(echoPort) } } });
    await loadHandFilters(lab, config);
    await router.ip(['link set br-lan type bridge mcast_snooping 1 mcast_querier 1 mcast_query_response_interval 0']);
    await daemon.start(config);
    assert.ok(
      daemon.log.some((line) => line.includes("'br-lan' listens to who joins groups")),
      daemon.log.join('\n'),
    );
    // One flow each: the question is asked over and over until the bridge begins to prune.
    const flows = {
      4: await lab.traffic(lab.wan).udp(wanClient(4, 5), broadcast[4], echoPort),
      6: await lab.traffic(lab.wan).udp(wanClient(6, 5), broadcast[6], echoPort),
    };
    const isServed = async (family: Family) => answered(await flows[family].ask(1000));
    for (const family of families) {
      await eventually('the bridge to prune', 30_000, async () => ((await isServed(family)) ? undefined : true));
    }
    const settles = (what: string, family: Family) =>
      eventually(`IPv${family}, ${what}`, 15_000, async () => ((await isServed(family)) ? true : undefined));
    for (const { port } of lab.servers) await router.run(['bridge', 'link', 'set', 'dev', port, 'mcast_router', '2']);
    for (const family of families) await settles('ports as multicast routers', family);
    for (const { port } of lab.servers) await router.run(['bridge', 'link', 'set', 'dev', port, 'mcast_router', '1']);
    await router.ip(['link set br-lan type bridge mcast_snooping 0']);
    for (const family of families) await settles('without snooping', family);
  }),
);

const { test: oneArmed, run: runOneArmed } = labSuite(
  'dispatch to all servers, with one arm',
  { oneArmed: true },
  async (lab) => {
    await lab.lan.ip(families.map((family) => `route add ${broadcast[family]} via ${routerAddresses.arm[family]}`));
    const config = configuration(lab, {
      web: { options: { source: 'br-lan', dispatch: 'broadcast', port: ['80', String(echoPort)] } },
    });
    await loadHandFilters(lab, config);
    return config;
  },
);

oneArmed(
  'each request reaches its server once, past the gateway, and nobody is told of a shorter way',
  async ({ lab, oracle }) => {
    const captures = await Promise.all(
      [lab.wan, lab.guest, lab.lan].map((namespace) => Capture.start(namespace, 'eth0')),
    );
    const servers = await ServerCaptures.start(lab);
    let syns = 0;
    for (const { namespace, from } of placesOf(lab)) {
      for (const family of families) {
        const client = from(family);
        const server = oracle.server('web', client);
        assert.is((await whoAnswers(lab, namespace, 'tcp', client, broadcast[family], echoPort)).server, server);
        assert.is((await whoAnswers(lab, namespace, 'udp', client, broadcast[family], echoPort)).server, server);
        assert.ok(await ping(namespace, client, broadcast[family]), `ping from ${client}`);
        syns += lab.servers.length;
      }
    }
    assert.is((await servers.arrivals(isSyn)).length, syns, 'no host on the link sends on what was for all');
    const isRedirect = ({ family, protocol: number, payload }: Captured) =>
      family === 4 ? number === protocol.icmp && payload[0] === 5 : number === protocol.icmp6 && payload[0] === 137;
    for (const capture of captures) assert.equal((await capture.take()).filter(isRedirect), []);
    await Promise.all([servers.end(), ...captures.map((capture) => capture.end())]);
  },
);

runOneArmed();
plainTest.run();
