import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { families, ghostPlaces, lanHost, macs, routerAddresses, wanClient } from './addresses.ts';
import { withLab, type Lab } from './lab.ts';
import type { Namespace } from './namespace.ts';
import { run } from './process.ts';
import { isServed } from './repair.ts';
import { assertSameRouter, differences, routerState } from './router-state.ts';
import { configuration, eventually, Oracle, whoAnswers } from './scenario.ts';
import { ServerScript, serverDaemon, startServerDaemons } from './server-programs.ts';
import { echoPort } from './servers.ts';

// Dispatch by routes, the servers being made such by what is to be tested and not by the lab.

const ghost = ghostPlaces.lan;
const bare = { bareServers: true, ghosts: [ghost[4], ghost[6]] };

const webOf = (lab: Lab) => configuration(lab, { web: { options: { port: String(echoPort) } } });

/** Each of the servers is asked by some client of each family, and answers as the ghost. */
async function everyServerAnswers(lab: Lab, config: string): Promise<void> {
  const oracle = new Oracle(config);
  for (const family of families) {
    const clients = Array.from({ length: 24 }, (_, number) => wanClient(family, 200 + number));
    const answers = await Promise.all(
      clients.map((client) => whoAnswers(lab, lab.wan, 'tcp', client, ghost[family], echoPort)),
    );
    assert.equal(
      answers.map(({ server, local }) => [server, local]),
      clients.map((client) => [oracle.server('web', client), ghost[family]]),
    );
    assert.is(new Set(answers.map(({ server }) => server)).size, lab.servers.length);
  }
}

/** MAC addresses from which a client in the servers' subnet hears of the ghost, in many tries. */
async function whoAnswersForGhost({ lan }: Lab): Promise<string[]> {
  const heard = new Set<string>();
  for (let turn = 0; turn < 10; turn++) {
    for (const family of families) {
      const told = await eventually('an answer for the ghost', 5_000, async () => {
        await lan.ip([`neighbour replace ${ghost[family]} dev eth0 nud incomplete`]).catch(() => undefined);
        await lan.attempt(['ip', 'neighbour', 'flush', 'to', ghost[family]]);
        await lan.attempt(['ping', '-n', '-q', '-c', '1', '-W', '1', '-I', lanHost[family], ghost[family]]);
        return /lladdr (\S+)/.exec(await lan.run(['ip', 'neighbour', 'show', 'to', ghost[family]]))?.[1];
      });
      heard.add(told.result);
    }
  }
  return [...heard];
}

/** Addresses, sysctls and tables are as before; what the kernel learns of neighbours meanwhile is not asked for. */
const parts = ['addresses', 'sysctls', 'ruleset', 'rules of IPv4', 'routes of IPv4', 'routes of IPv6'];
const stateOf = (namespace: Namespace) => routerState(namespace, parts);

test('oneip server makes servers of machines, and leaves them as they were', () =>
  withLab({ servers: 3, ...bare }, async (lab) => {
    const config = webOf(lab);
    const before = await Promise.all(lab.servers.map(({ namespace }) => stateOf(namespace)));
    await lab.daemon.start(config);
    const daemons = await startServerDaemons(lab, config);
    await everyServerAnswers(lab, config);
    assert.equal(await whoAnswersForGhost(lab), [macs.routerLan]);
    for (const [index, daemon] of daemons.entries()) {
      const now = await stateOf(lab.servers[index]?.namespace ?? lab.wan);
      assert.equal(
        differences(now, before[index] ?? new Map()).filter((line) => !/^routes|^addresses/.test(line)),
        [
          'sysctls: + net.ipv4.conf.eth0.arp_announce = 2',
          'sysctls: + net.ipv4.conf.eth0.arp_ignore = 1',
          'sysctls: - net.ipv4.conf.eth0.arp_announce = 0',
          'sysctls: - net.ipv4.conf.eth0.arp_ignore = 0',
        ],
      );
      assert.is(await daemon.stop(), 0);
    }
    for (const [index, { namespace }] of lab.servers.entries()) {
      assertSameRouter(await stateOf(namespace), before[index] ?? new Map());
    }
  }));

for (const shell of [['dash'], ['busybox', 'ash']]) {
  test(`the script in ${shell.join(' ')}: the same, once, by a shell`, () =>
    withLab({ servers: 2, ...bare }, async (lab) => {
      const config = webOf(lab);
      const before = await Promise.all(lab.servers.map(({ namespace }) => stateOf(namespace)));
      const scripts = await Promise.all(lab.servers.map((server) => ServerScript.make(lab, server, config, shell)));
      await lab.daemon.start(config);
      for (const script of scripts) {
        await run(['shellcheck', '-s', 'sh', script.file]);
        assert.is((await script.run('status')).status, 1);
        await script.done('start');
        await script.done('start');
        await script.done('status');
      }
      await everyServerAnswers(lab, config);
      assert.equal(await whoAnswersForGhost(lab), [macs.routerLan]);
      for (const script of scripts) {
        await script.done('stop');
        await script.done('stop');
      }
      for (const [index, { namespace }] of lab.servers.entries()) {
        assertSameRouter(await stateOf(namespace), before[index] ?? new Map());
      }
    }));
}

/** Lines without handles, elements of sets one by one: the kernel lists them in an order that no two sets share. */
function elementsIn(lines: readonly string[]): string[] {
  const pieces = lines.flatMap((line) => line.replace(/ # handle \d+|elements = /g, '').split(/[,{}]/));
  return pieces.map((piece) => piece.replace(/^ruleset: \+/, '').trim()).sort();
}

test('the script does on a machine what the daemon does', () =>
  withLab({ servers: 1, ...bare }, async (lab) => {
    const [server] = lab.servers;
    assert.ok(server);
    const { namespace } = server;
    await namespace.sysctl({
      'net.ipv4.conf.all.rp_filter': 1,
      'net.ipv4.conf.eth0.arp_ignore': 2,
      'net.ipv6.conf.eth0.drop_unicast_in_l2_multicast': 1,
    });
    await namespace.ip([
      'link add other type veth peer name far',
      'link set other up',
      'route replace default dev other',
    ]);
    const service = (dispatch: string) =>
      configuration(lab, { web: { options: { port: '7000', slots: '256', dispatch } } });
    for (const dispatch of ['route', 'broadcast', 'multicast']) {
      const before = await stateOf(namespace);
      const script = await ServerScript.make(lab, server, service(dispatch), ['dash']);
      await script.done('start');
      const byScript = differences(await stateOf(namespace), before);
      await script.done('stop');
      assertSameRouter(await stateOf(namespace), before);
      const daemon = serverDaemon(lab, server);
      await daemon.start(service(dispatch));
      const byDaemon = differences(await stateOf(namespace), before);
      assert.is(await daemon.stop(), 0);
      assertSameRouter(await stateOf(namespace), before);
      assert.ok(elementsIn(byDaemon).length >= (dispatch === 'route' ? 0 : 256));
      assert.equal(elementsIn(byScript), elementsIn(byDaemon), dispatch);
      assert.ok(byDaemon.includes('sysctls: + net.ipv4.conf.eth0.rp_filter = 2'));
      assert.not.ok(
        byDaemon.some((line) => line.includes('arp_ignore')),
        'it keeps silent already',
      );
    }
  }));

test('what is taken away or altered is put right', () =>
  withLab({ servers: 1, ...bare }, async (lab) => {
    const config = webOf(lab);
    const [server] = lab.servers;
    assert.ok(server);
    const { namespace } = server;
    const before = await stateOf(namespace);
    await lab.daemon.start(config);
    const [daemon] = await startServerDaemons(lab, config);
    assert.ok(daemon);
    for (const family of families) {
      await namespace.ip([`address delete ${ghost[family]}/${family === 4 ? 32 : 128} dev lo`]);
      await eventually('the ghost is back', 3_000, async () =>
        (await namespace.run(['ip', '-o', 'address', 'show', 'dev', 'lo'])).includes(ghost[family]) ? true : undefined,
      );
    }
    assert.ok(await isServed(lab, ghost, 11));

    // A lease is renewed: the address is gone for a moment, and the device must keep silent.
    await namespace.ip([`address delete ${server.address[4]}/24 dev eth0`]);
    await namespace.ip([`address add ${server.address[4]}/24 dev eth0`, 'route replace default via 192.168.1.1']);
    assert.is((await namespace.run(['sysctl', '-n', 'net.ipv4.conf.eth0.arp_ignore'])).trim(), '1');
    assert.ok(await isServed(lab, ghost, 12));

    // Whoever has the ghost on a device answers for it there.
    const complaint = daemon.process.waitFor(
      (line) => line.includes(`${ghost[4]} is an address of eth0, too`) || undefined,
      3_000,
    );
    await namespace.ip([`address add ${ghost[4]}/24 dev eth0`]);
    await complaint;
    await namespace.ip([`address delete ${ghost[4]}/24 dev eth0`]);
    assert.is(await daemon.stop(), 0);
    const after = await routerState(namespace, ['addresses', 'sysctls', 'ruleset']);
    assertSameRouter(after, new Map([...before].filter(([part]) => after.has(part))));
  }));

test('a network card that goes and comes back is one to be silent on again', () =>
  withLab({ servers: 2, ...bare }, async (lab) => {
    const config = configuration(lab, { web: { options: { port: String(echoPort), dispatch: 'multicast' } } });
    const [first] = lab.servers;
    assert.ok(first);
    const { namespace, address, mac, port } = first;
    await lab.daemon.start(config);
    const [daemon] = await startServerDaemons(lab, config);
    assert.ok(daemon);
    const groups = async () =>
      (await namespace.run(['ip', 'maddress', 'show', 'dev', 'eth0']))
        .split('\n')
        .filter((line) => /01:00:5e:7f|33:33:8/.test(line));
    assert.is((await groups()).length, 2);
    await namespace.ip(['link delete eth0']);
    await lab.router.ip([
      `link add ${port} type veth peer name eth0 address ${mac} netns ${namespace.name}`,
      `link set ${port} master br-lan up`,
    ]);
    assert.is((await namespace.run(['sysctl', '-n', 'net.ipv4.conf.eth0.arp_ignore'])).trim(), '0');
    await namespace.ip([
      'link set eth0 up',
      ...families.map((family) => `address add ${address[family]}/${family === 4 ? 24 : 64} dev eth0`),
      ...families.map((family) => `route replace default via ${routerAddresses.lan[family]}`),
    ]);
    await eventually('silence, and the groups', 3_000, async () => {
      const value = await namespace.run(['sysctl', '-n', 'net.ipv4.conf.eth0.arp_ignore']);
      return value.trim() === '1' && (await groups()).length === 2 ? true : undefined;
    });
    await everyServerAnswers(lab, config);
    assert.is(await daemon.stop(), 0);
    assert.is((await namespace.run(['sysctl', '-n', 'net.ipv4.conf.eth0.arp_ignore'])).trim(), '0');
    assert.equal(await groups(), []);
  }));

test('after SIGKILL the next start, or oneip cleanup, knows what was before', () =>
  withLab({ servers: 1, ...bare }, async (lab) => {
    const config = configuration(lab, { web: { options: { port: '7000', dispatch: 'broadcast' } } });
    const [server] = lab.servers;
    assert.ok(server);
    const before = await stateOf(server.namespace);
    const daemon = serverDaemon(lab, server, ['--name', 's1']);
    await daemon.start(config);
    const during = await stateOf(server.namespace);
    assert.is.not(differences(during, before).length, 0);
    const status = (words: string[] = []) =>
      server.namespace.attempt([...statusWords(daemon.stateFolder, daemon.configFile), ...words]);
    assert.match(
      (await status()).stdout,
      /^server {5}s1\ndevices {4}eth0\n[^]*4096 of 4096 slots \(ipv4\)[^]*\nin force\n$/,
    );
    // A daemon that hangs repairs nothing: the status tells what would be to do.
    daemon.process.signal('SIGSTOP');
    await server.namespace.run(['nft', 'delete', 'table', 'inet', 'oneip']);
    await server.namespace.ip([`address delete ${ghost[4]}/32 dev lo`]);
    const hurt = await status();
    assert.is(hurt.status, 1);
    const missing = `  ip address add ${ghost[4]}/32 dev lo scope host\n  nft: the filter, table inet oneip\n`;
    assert.ok(hurt.stdout.endsWith(`not in force:\n${missing}`), hurt.stdout);
    const told = JSON.parse((await status(['--json'])).stdout) as { in_force: boolean; missing: string[] };
    assert.equal([told.in_force, told.missing.length], [false, 2]);
    daemon.process.signal('SIGCONT');
    await eventually('all of it', 3_000, async () => ((await status()).status === 0 ? true : undefined));
    const mended = await stateOf(server.namespace);
    assert.equal(elementsIn(differences(mended, before)), elementsIn(differences(during, before)));
    await daemon.crash();
    assert.equal(differences(await stateOf(server.namespace), mended), [], 'the kernel goes on as it was told');
    assert.is((await status()).status, 3);

    await daemon.start(config);
    assert.is(await daemon.stop(), 0);
    assertSameRouter(await stateOf(server.namespace), before);

    // What the new configuration has no use for goes, though nobody knows it any more.
    await daemon.start(config);
    await daemon.crash();
    await daemon.start(webOf(lab));
    const { stdout } = await server.namespace.attempt(['nft', 'list', 'tables']);
    assert.not.match(stdout, 'oneip');
    assert.is(await daemon.stop(), 0);
    assertSameRouter(await stateOf(server.namespace), before);

    await daemon.start(config);
    await daemon.crash();
    for (let turn = 0; turn < 2; turn++) {
      assert.is((await daemon.command(['cleanup', '--state', daemon.stateFolder])).status, 0);
      assertSameRouter(await stateOf(server.namespace), before);
      assert.match((await status()).stderr, /no server's daemon runs with [^,]*$/);
    }
  }));

function statusWords(state: string, config: string): string[] {
  const program = process.env['ONEIP'] ?? 'build/bin/oneip';
  return [program, 'server', '--status', '--state', state, '--config', config];
}

test('a machine that is none of the servers is told so, and nothing is done to it', () =>
  withLab({ servers: 1, ...bare }, async (lab) => {
    const [server] = lab.servers;
    assert.ok(server);
    const before = await stateOf(lab.lan);
    const daemon = serverDaemon(lab, { ...server, namespace: lab.lan });
    const refusal = await daemon.start(webOf(lab)).then(
      () => '',
      (error: unknown) => String(error),
    );
    assert.match(refusal, /none of the servers' addresses is one of this machine: s1 \(192\.168\.1\.11, fd00:1::11\)/);
    assert.is(await daemon.process.ended, 1);
    assertSameRouter(await stateOf(lab.lan), before);
  }));

test.run();
