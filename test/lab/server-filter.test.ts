import { test as plainTest } from 'uvu';
import * as assert from 'uvu/assert';
import type { Family } from '../../src/net/address.ts';
import { families, ghostPlaces, macs, wanClient } from './addresses.ts';
import { Capture } from './capture.ts';
import type { Captured } from './capture.ts';
import type { Daemon } from './daemon.ts';
import { download, upload } from './http.ts';
import { Injector } from './inject.ts';
import { withLab, type Lab } from './lab.ts';
import { ipPacket, isReset, protocol, pseudoChecksum, tcpSyn, udp } from './packet.ts';
import { ping } from './ping.ts';
import {
  bigDatagram,
  configuration,
  counters,
  eachOf,
  eventually,
  heard,
  Oracle,
  spreadClients,
  whoAnswers,
} from './scenario.ts';
import { ServerScript, startServerDaemons, takenBy } from './server-programs.ts';
import type { SceneSuite } from './scene.ts';
import { echoPort } from './servers.ts';
import { preparedSuite, type Scene } from './suite.ts';
import { answered } from './traffic.ts';
import { uciSection } from './uci.ts';

// Dispatch to all servers: each gets every packet, and the filter under test decides who takes it.

const ghosts = { web: ghostPlaces.elsewhere, group: { 4: '192.0.2.81', 6: '2001:db8:80::81' } } as const;
const services = Object.keys(ghosts) as (keyof typeof ghosts)[];
const allGhosts: string[] = services.flatMap((service) => families.map((family) => ghosts[service][family]));

function configOf(lab: Lab): string {
  const service = (name: keyof typeof ghosts, dispatch: string, hash: string) => ({
    ghost: families.map((family) => ghosts[name][family]),
    options: { dispatch, hash, port: ['80', String(echoPort)] },
  });
  const web = service('web', 'broadcast', 'source');
  const group = service('group', 'multicast', 'source_port');
  return configuration(lab, { web, group });
}

interface FloodScene extends Scene {
  readonly daemons: readonly Daemon[];
}

/** A lab for all tests of the suite, its servers made such as `prepare` does. */
function floodSuite(
  name: string,
  prepare: (lab: Lab, config: string) => Promise<readonly Daemon[]>,
): SceneSuite<FloodScene> {
  // A WAN that carries less than the LAN: downloads need the router's ICMP errors.
  const options = { servers: 4, bareServers: true, ghosts: allGhosts, wanMtu: 1400 };
  return preparedSuite(name, options, configOf, async (scene) => {
    return { ...scene, daemons: await prepare(scene.lab, scene.config) };
  });
}

/** What the servers have taken since an earlier count. */
async function takenSince(lab: Lab, service: string, before: ReadonlyMap<string, number>): Promise<[string, number][]> {
  const now = await takenBy(lab, service);
  return [...now].map(([server, count]) => [server, count - (before.get(server) ?? 0)]);
}

const sumOf = (counts: readonly [string, number][]) => counts.reduce((sum, [, count]) => sum + count, 0);

function expectedShares(servers: readonly string[], lab: Lab): [string, number][] {
  return lab.servers.map(({ name }) => [name, servers.filter((server) => server === name).length]);
}

/** An acknowledgement out of nowhere: a connection that nobody knows. */
function strayAck(source: string, destination: string, ports: [number, number]): Buffer {
  const segment = tcpSyn({ source, destination }, ports);
  segment.writeUInt8(0x10, 13);
  segment.writeUInt16BE(0, 16);
  segment.writeUInt16BE(pseudoChecksum({ source, destination }, protocol.tcp, segment), 16);
  return ipPacket({ source, destination, protocol: protocol.tcp }, segment);
}

function addTests(test: SceneSuite<FloodScene>['test']): void {
  test('each new connection is taken by one server, the one whose slot it is', async ({ lab, oracle }) => {
    for (const service of services) {
      for (const family of families) {
        const before = await takenBy(lab, service);
        const servers = await eachOf(spreadClients(family, 120), 24, async (from) => {
          const sourcePort = 20_000;
          const ports = { client: sourcePort, service: echoPort };
          const answer = await whoAnswers(lab, lab.wan, 'tcp', from, ghosts[service][family], echoPort, sourcePort);
          const server = oracle.server(service, from, service === 'group' ? ports : undefined);
          assert.equal([answer.server, answer.local], [server, ghosts[service][family]]);
          return answer.server;
        });
        assert.equal(await takenSince(lab, service, before), expectedShares(servers, lab), `${service}, IPv${family}`);
        assert.is(new Set(servers).size, lab.servers.length);
      }
    }
  });

  test('datagrams and fragments of them, too; what belongs to a flow goes by it', async ({ lab, oracle }) => {
    for (const family of families) {
      const before = await takenBy(lab, 'web');
      const servers = await eachOf(spreadClients(family, 40), 8, async (from) => {
        const conversation = await lab.traffic(lab.wan).udp(from, ghosts.web[family], echoPort);
        for (let turn = 0; turn < 3; turn++) assert.is((await heard(conversation)).server, oracle.server('web', from));
        conversation.close();
        return oracle.server('web', from);
      });
      assert.equal(await takenSince(lab, 'web', before), expectedShares(servers, lab));
      for (const from of spreadClients(family, 8)) {
        // Its first answer is lost to the smaller MTU of the WAN, of which the router's error tells the server.
        const server = await bigDatagram(lab.wan, from, ghosts.web[family], echoPort, 4000, {
          sourcePort: 21_000,
          tries: 3,
        });
        assert.is(server, oracle.server('web', from), `fragments from ${from}`);
      }
    }
  });

  test('an echo request is answered once', async ({ lab }) => {
    for (const service of services) {
      for (const family of families) {
        const before = await takenBy(lab, service);
        const clients = spreadClients(family, 16);
        for (const from of clients) {
          const { stdout } = await lab.wan.attempt(
            ['ping', '-n', '-c', '1', '-W', '2', '-I', from, ghosts[service][family]].map(String),
          );
          assert.match(stdout, '1 received');
          assert.not.match(stdout, 'duplicates');
        }
        const taken = await takenSince(lab, service, before);
        assert.is(sumOf(taken), clients.length, JSON.stringify(taken));
      }
    }
  });

  test('the owner learns of the smaller MTU on the way; large uploads arrive', async ({ lab, oracle }) => {
    for (const family of families) {
      const from = wanClient(family, 710);
      assert.is(await download(lab.wan, from, ghosts.web[family]), oracle.server('web', from));
      assert.is(await upload(lab, lab.programs, lab.wan, from, ghosts.web[family]), oracle.server('web', from));
      const other = wanClient(family, 711);
      assert.ok(await download(lab.wan, other, ghosts.group[family]));
    }
  });

  test('nobody answers for a connection that he does not know, whatever listens', async ({ lab }) => {
    const outside = await Capture.start(lab.wan, 'eth0');
    const left = () =>
      Promise.all(
        lab.servers.map(async ({ namespace }) => (await counters(namespace, 'inet')).get('left')?.packets ?? 0),
      );
    const before = await left();
    const injector = await Injector.start(lab.wan, 'eth0', [macs.routerWan, macs.wan]);
    for (const family of families) {
      for (const service of services) {
        const to = ghosts[service][family];
        for (let number = 0; number < 24; number++) {
          await injector.send(strayAck(wanClient(family, 800 + number), to, [22_000, echoPort]));
          // Nobody listens on the port of the service, and nobody serves the other one.
          await injector.send(strayAck(wanClient(family, 800 + number), to, [22_000, 81]));
          const nobodys = { source: wanClient(family, 800 + number), destination: to };
          await injector.send(ipPacket({ ...nobodys, protocol: protocol.tcp }, tcpSyn(nobodys, [22_001, 81])));
          await injector.send(
            ipPacket({ ...nobodys, protocol: protocol.udp }, udp(nobodys, [22_001, 81], Buffer.alloc(9))),
          );
        }
        // What comes later has been looked at later: when this is answered, the strays would have been.
        for (let number = 0; number < 24; number++) assert.ok(await ping(lab.wan, wanClient(family, 800 + number), to));
      }
    }
    await injector.end();
    const after = await left();
    const strays = families.length * services.length * 24 * 4;
    for (const [index, count] of after.entries())
      assert.ok(count - (before[index] ?? 0) >= strays, 'every server got all');
    const answers = (await outside.take()).filter(
      ({ direction, source, protocol: number }: Captured) =>
        direction === 'in' && allGhosts.includes(source) && number === protocol.tcp,
    );
    assert.equal(
      answers.map((packet) => (isReset(packet) ? 'RST' : 'segment')),
      [],
    );
    await outside.end();
  });

  test("others' marks are neither used nor changed", async ({ lab }) => {
    const other = `table inet other {
      counter kept { }
      chain before { type filter hook prerouting priority -250; ip daddr ${ghosts.web[4]} meta mark set 0x77; ip6 daddr ${ghosts.web[6]} meta mark set 0x77; }
      chain after { type filter hook input priority 0; meta mark 0x77 counter name kept; }
    }\n`;
    await Promise.all(lab.servers.map(({ namespace }) => namespace.nft(other)));
    for (const family of families) {
      for (const from of spreadClients(family, 12)) {
        await whoAnswers(lab, lab.wan, 'udp', from, ghosts.web[family], echoPort);
      }
    }
    const counts = await Promise.all(
      lab.servers.map(async ({ namespace }) => {
        const text = await namespace.run(['nft', 'list', 'counter', 'inet', 'other', 'kept']);
        return Number(/packets (\d+)/.exec(text)?.[1]);
      }),
    );
    assert.is(
      counts.reduce((sum, count) => sum + count, 0),
      24,
    );
    await Promise.all(lab.servers.map(({ namespace }) => namespace.run(['nft', 'delete', 'table', 'inet', 'other'])));
  });
}

const byDaemon = floodSuite('the filter of oneip server', startServerDaemons);
addTests(byDaemon.test);

byDaemon.test('a connection outlives what is done to the filter, which comes back', async ({ lab, oracle }) => {
  const open = await Promise.all(
    families.map((family) => lab.traffic(lab.wan).tcp(wanClient(family, 31), ghosts.web[family], echoPort)),
  );
  const listing = async () => {
    const all = await Promise.all(
      lab.servers.map(({ namespace }) => namespace.run(['nft', '-j', '-s', 'list', 'table', 'inet', 'oneip'])),
    );
    // The kernel lists elements in no order.
    return all.map((text) => [...text].sort().join('').replace(/\d+/g, ''));
  };
  const before = await listing();
  const deeds = [
    'flush ruleset',
    'delete table inet oneip',
    'flush chain inet oneip flooded4',
    'flush map inet oneip web/slot4',
  ];
  for (const deed of deeds) {
    await Promise.all(lab.servers.map(({ namespace }) => namespace.run(['nft', deed])));
    await eventually(`the filter after '${deed}'`, 5_000, async () => {
      const now = await listing().catch(() => []);
      return now.join() === before.join() ? true : undefined;
    });
    for (const [index, family] of families.entries()) {
      const answer = await open[index]?.ask();
      assert.ok(answer && answered(answer), deed);
      assert.is(answer.server, oracle.server('web', wanClient(family, 31)));
      assert.is(
        (await whoAnswers(lab, lab.wan, 'tcp', wanClient(family, 32), ghosts.web[family], echoPort)).local,
        ghosts.web[family],
      );
    }
  }
  for (const conversation of open) conversation.close();
});

byDaemon.test('SIGHUP: another table moves what begins, and keeps what is open', async ({ lab, config, daemons }) => {
  const clients = families.flatMap((family) => spreadClients(family, 30).map((from) => ({ family, from })));
  const open = await eachOf(clients, 16, async ({ family, from }) => {
    const conversation = await lab.traffic(lab.wan).tcp(from, ghosts.web[family], echoPort);
    return { conversation, server: (await heard(conversation)).server };
  });
  const without = config.replace(/(config server 's2'\n)/, "$1\toption enabled '0'\n");
  assert.is.not(without, config);
  const oracle = new Oracle(without);
  await Promise.all(daemons.map((daemon) => daemon.reload(without)));
  let moved = 0;
  for (const [index, { family, from }] of clients.entries()) {
    const entry = open[index];
    assert.ok(entry);
    assert.is((await heard(entry.conversation)).server, entry.server, `${from} keeps its server`);
    const { server } = await whoAnswers(lab, lab.wan, 'tcp', from, ghosts.web[family], echoPort);
    assert.is(server, oracle.server('web', from));
    if (server !== entry.server) moved++;
    entry.conversation.close();
  }
  assert.ok(moved > 0);
  assert.not.ok(clients.some(({ from }) => oracle.server('web', from) === 's2'));
  await Promise.all(daemons.map((daemon) => daemon.reload(config)));
});
byDaemon.run();

const byScript = floodSuite("the filter of the servers' scripts", async (lab, config) => {
  for (const server of lab.servers) {
    const script = await ServerScript.make(lab, server, config, ['dash']);
    await script.done('start');
    await script.done('status');
  }
  return [];
});
addTests(byScript.test);
byScript.run();

plainTest('the probes of the router reach each server, whose slot their source has or not', () =>
  withLab({ servers: 3, bareServers: true }, async (lab) => {
    const ghost = ghostPlaces.elsewhere;
    const config =
      configuration(lab, { web: { options: { dispatch: 'broadcast', port: String(echoPort) } } }) +
      uciSection('watchdog', 'tcp', { type: 'tcp', interval: '100ms', timeout: '200ms' });
    await startServerDaemons(lab, config);
    await lab.daemon.start(config);
    const [, second] = lab.servers;
    assert.ok(second);
    const down = lab.daemon.process.waitFor((line) => /web: s2 down/.exec(line)?.[0]);
    await second.namespace.nft(
      'add table inet cut\nadd chain inet cut in { type filter hook input priority 0; }\nadd rule inet cut in tcp dport 7000 drop\n',
    );
    await down;
    const up = lab.daemon.process.waitFor((line) => /web: s2 up/.exec(line)?.[0], 60_000);
    await second.namespace.run(['nft', 'delete', 'table', 'inet', 'cut']);
    await up;
    assert.not.ok(
      lab.daemon.log.some((line) => /web: s[13] down/.test(line)),
      lab.daemon.log.join('\n'),
    );
    const family: Family = 4;
    assert.is(
      (await whoAnswers(lab, lab.wan, 'tcp', wanClient(family, 5), ghost[family], echoPort)).local,
      ghost[family],
    );
  }),
);

plainTest.run();
