import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { families, ghostPlaces, routerAddresses, wanClient, type Pair } from './addresses.ts';
import { withLab, type Lab } from './lab.ts';
import { oneipProgram } from './paths.ts';
import { ping } from './ping.ts';
import type { Outcome } from './process.ts';
import { isServed } from './repair.ts';
import { assertSameRouter, routerState, type RouterState } from './router-state.ts';
import { echoPort } from './servers.ts';
import type { TopologyOptions } from './topology.ts';
import { eventually } from './scenario.ts';
import { answered } from './traffic.ts';
import { webService } from './web-service.ts';

/** A router on which others have rules, routes, neighbours and tables of their own, and which knows one server already. */
async function addForeignThings({ router, servers }: Lab): Promise<void> {
  await router.ip([
    'rule add pref 500 fwmark 0x100 lookup 100',
    'route add 198.51.100.0/24 via 192.168.1.50 table 100 proto static',
    'neighbour add 192.168.1.99 lladdr 02:00:00:00:09:09 nud permanent dev br-lan',
    'neighbour add proxy fd00:1::99 dev wan',
  ]);
  await router.run(['ip', '-6', 'rule', 'add', 'pref', '500', 'fwmark', '0x100', 'lookup', '100']);
  await router.nft(
    [
      'add table inet other',
      'add chain inet other input { type filter hook input priority 0; }',
      'add rule inet other input ct state invalid counter drop',
      'add table netdev other',
      'add chain netdev other wan { type filter hook ingress device "wan" priority -10; }',
      'add rule netdev other wan ip saddr 198.51.100.66 drop',
    ].join('\n') + '\n',
  );
  const [first] = servers;
  assert.ok(first);
  for (const family of families) assert.ok(await ping(router, routerAddresses.lan[family], first.address[family]));
}

function changed(now: RouterState, before: RouterState): string[] {
  return [...now].filter(([what, lines]) => lines.join() !== before.get(what)?.join()).map(([what]) => what);
}

const places: readonly { name: string; ghost: Pair; options?: TopologyOptions; changes: readonly string[] }[] = [
  {
    name: 'a ghost routed to the router',
    ghost: ghostPlaces.elsewhere,
    changes: [
      'rules of IPv4',
      'rules of IPv6',
      'routes of IPv4',
      'routes of IPv6',
      'neighbours of IPv4',
      'sysctls',
      'ruleset',
    ],
  },
  {
    name: "a ghost in the WAN's subnet",
    ghost: ghostPlaces.wan,
    changes: ['rules of IPv4', 'routes of IPv6', 'proxies of IPv6', 'sysctls', 'ruleset'],
  },
  {
    name: "a ghost in the servers' subnet",
    ghost: ghostPlaces.lan,
    changes: ['rules of IPv4', 'routes of IPv6', 'proxies of IPv6', 'sysctls', 'ruleset'],
  },
  {
    name: "the router's own address, strict reverse path filtering",
    ghost: ghostPlaces.router,
    options: { strictReversePath: true },
    changes: ['rules of IPv4', 'rules of IPv6', 'sysctls', 'ruleset'],
  },
];

for (const { name, ghost, options, changes } of places) {
  test(`${name}: what stops, or has crashed, leaves the router as it was`, () =>
    withLab({ servers: 2, ghosts: [ghost[4], ghost[6]], ...options }, async (lab) => {
      const { daemon, router } = lab;
      const configuration = webService(lab);
      await addForeignThings(lab);
      const before = await routerState(router);

      await daemon.start(configuration);
      const during = changed(await routerState(router), before);
      for (const what of changes) assert.ok(during.includes(what), `${what} is as before`);
      assert.ok(await isServed(lab, ghost, 1));
      assert.is(await daemon.stop(), 0);
      assertSameRouter(await routerState(router), before);

      await daemon.start(configuration);
      await daemon.crash();
      assert.ok(await isServed(lab, ghost, 2), 'the kernel goes on as it was told');
      await daemon.start(configuration);
      assert.ok(await isServed(lab, ghost, 3));
      assert.is(await daemon.stop(), 0);
      assertSameRouter(await routerState(router), before);

      await daemon.start(configuration);
      await daemon.crash();
      assert.is((await daemon.command(['cleanup', '--state', daemon.stateFolder])).status, 0);
      assertSameRouter(await routerState(router), before);
      const again = await daemon.command(['cleanup', '--state', daemon.stateFolder]);
      assert.is(again.status, 0, 'a second cleanup finds nothing and is content');
      assertSameRouter(await routerState(router), before);
    }));
}

test('a crash, and the start after it, break no connection', () =>
  withLab({ servers: 3 }, async (lab) => {
    const { daemon, wan } = lab;
    await daemon.start(webService(lab));
    const conversations = await Promise.all(
      Array.from({ length: 60 }, (_, number) => {
        const family = families[number % 2] ?? 4;
        return lab.traffic(wan).tcp(wanClient(family, number), ghostPlaces.elsewhere[family], echoPort);
      }),
    );
    const servers = async () =>
      (await Promise.all(conversations.map((one) => one.ask()))).map((answer) => answered(answer) && answer.server);
    const before = await servers();
    assert.not(before.includes(false));
    await daemon.crash();
    assert.equal(await servers(), before);
    await daemon.start(webService(lab));
    assert.equal(await servers(), before);
  }));

test('a log that nobody reads any more stops nothing', () =>
  withLab({ servers: 1 }, async (lab) => {
    const { daemon, router } = lab;
    daemon.configure(webService(lab));
    const paths = ['--config', daemon.configFile, '--state', daemon.stateFolder, '--ubus', daemon.ubusSocket];
    // The shell becomes the daemon; sed reads its log until it is ready, and ends.
    const script = 'mkfifo "$0" && { sed /ready/q "$0" >&2 & } && exec "$@" >"$0"';
    const log = join(lab.folder, 'log');
    const process = router.startWithSysfs(['sh', '-c', script, log, oneipProgram, 'daemon', ...paths]);
    await process.waitFor((line) => /oneip: ready/.test(line) || undefined);
    assert.ok(await isServed(lab, ghostPlaces.elsewhere, 10));
    daemon.configure(webService(lab, { service: { port: [echoPort] } }));
    process.signal('SIGHUP');
    const ports = () => router.run(['nft', 'list', 'chain', 'netdev', 'oneip', 'from/wan']);
    await eventually('reloaded', 5_000, async () => (/dport \{ 80,/.test(await ports()) ? undefined : true));
    assert.is(await process.stop(), 0);
    assert.is(await router.run(['nft', 'list', 'ruleset']), '');
  }));

test('after a crash without its devices, what is left is put back', () =>
  withLab({ servers: 2, ghosts: [ghostPlaces.lan[4], ghostPlaces.lan[6]] }, async (lab) => {
    const { daemon, router } = lab;
    await daemon.start(webService(lab, { service: { source: ['wan', 'br-guest'] } }));
    await daemon.crash();
    await router.ip(['link delete br-lan']);
    assert.is((await daemon.command(['cleanup', '--state', daemon.stateFolder])).status, 0);
    const after = [...(await routerState(router))].flatMap(([what, lines]) => (what === 'links' ? [] : lines));
    assert.equal(
      after.filter((line) => /proto 111|oneip|managed/.test(line)),
      [],
    );
  }));

test('one daemon at a time', () =>
  withLab({ servers: 1 }, async (lab) => {
    const { daemon } = lab;
    await daemon.start(webService(lab));
    const second = await daemonThatEnds(lab, daemon.configFile);
    assert.is(second.status, 1);
    assert.match(second.stderr, /^oneip: another daemon runs with \S+\n$/);
    assert.ok(await isServed(lab, ghostPlaces.elsewhere, 5), 'the first one goes on');
  }));

/** Runs a daemon that is expected to end by itself. */
function daemonThatEnds({ daemon, router }: Lab, file: string, state = daemon.stateFolder): Promise<Outcome> {
  const paths = ['--config', file, '--state', state, '--ubus', daemon.ubusSocket];
  return router.attempt(['timeout', '10', oneipProgram, 'daemon', ...paths]);
}

test('no configuration file: one sentence, exit status 1, nothing changed', () =>
  withLab({ servers: 1 }, async (lab) => {
    const before = await routerState(lab.router);
    const { status, stdout, stderr } = await daemonThatEnds(lab, '/nowhere/oneip');
    assert.is(status, 1);
    assert.is(stderr, 'oneip: cannot read /nowhere/oneip: No such file or directory\n');
    assert.is(stdout, '');
    assertSameRouter(await routerState(lab.router), before);
  }));

test('a state directory that is none: one sentence, exit status 1', () =>
  withLab({ servers: 1 }, async (lab) => {
    lab.daemon.configure(webService(lab));
    const { status, stderr } = await daemonThatEnds(lab, lab.daemon.configFile, lab.daemon.configFile);
    assert.is(status, 1);
    assert.match(stderr, /^oneip: [^\n]+: Not a directory\n$/);
  }));

test('rubbish in the state directory is set aside', () =>
  withLab({ servers: 1 }, async (lab) => {
    const { daemon, router } = lab;
    const before = await routerState(router);
    mkdirSync(daemon.stateFolder);
    for (const name of ['applied.json', 'undo.json']) writeFileSync(join(daemon.stateFolder, name), '{"version":1,"un');
    await daemon.start(webService(lab));
    assert.ok(
      daemon.log.some((line) => /undo\.json cannot be read .*set aside as \S+undo\.json\.unreadable/.test(line)),
    );
    assert.ok(await isServed(lab, ghostPlaces.elsewhere, 11));
    assert.is(await daemon.stop(), 0);
    assertSameRouter(await routerState(router), before);
  }));

test('an empty configuration: ready, and the router as it was', () =>
  withLab({ servers: 1 }, async (lab) => {
    const { daemon, router } = lab;
    const before = await routerState(router);
    await daemon.start('');
    const during = changed(await routerState(router), before);
    assert.equal(during, []);
    await daemon.reload(webService(lab));
    assert.ok(await isServed(lab, ghostPlaces.elsewhere, 6));
    await daemon.reload(webService(lab, { globals: { enabled: 0 } }));
    assertSameRouter(await routerState(router), before);
    await daemon.reload(webService(lab));
    await daemon.reload('');
    assertSameRouter(await routerState(router), before);
    assert.is(await daemon.stop(), 0);
    assertSameRouter(await routerState(router), before);
  }));

test('a start with errors: bad sections are left out and named, the rest runs', () =>
  withLab({ servers: 2 }, async (lab) => {
    const { daemon } = lab;
    const bad = "config service 'mail'\n\tlist ghost '192.0.2.25'\n\tlist port '99999'\n";
    await daemon.start(`${webService(lab)}${bad}`);
    assert.ok(daemon.log.some((line) => /oneip:\d+: error: service 'mail': option 'port'/.test(line)));
    assert.ok(await isServed(lab, ghostPlaces.elsewhere, 7));
  }));

test.run();
