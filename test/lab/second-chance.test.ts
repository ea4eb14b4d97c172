import { rmSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { families, ghostPlaces, macs, wanClient } from './addresses.ts';
import { Capture } from './capture.ts';
import { Injector } from './inject.ts';
import { withLab, type Lab } from './lab.ts';
import { ipPacket, protocol, pseudoChecksum, tcpSyn } from './packet.ts';
import { assertSameRouter, routerState } from './router-state.ts';
import { configuration, eachOf, eventually, figure, heard, Oracle, spreadClients, whoAnswers } from './scenario.ts';
import { startServerDaemons } from './server-programs.ts';
import { echoPort } from './servers.ts';

const ghost = ghostPlaces.elsewhere;

const configOf = (lab: Lab) => configuration(lab, { web: { options: { port: String(echoPort), second_chance: 1 } } });

/** Segments that the servers have passed on, by name. */
async function passedBy({ servers }: Lab): Promise<number[]> {
  return Promise.all(
    servers.map(async ({ namespace }) => {
      const text = await namespace.run(['nft', 'list', 'counters']);
      const found = [...text.matchAll(/counter passed \{\s+packets (\d+)/g)].map(([, count]) => Number(count));
      assert.is(found.length, families.length, text);
      return found.reduce((sum, count) => sum + count, 0);
    }),
  );
}

test('a router that has forgotten everything breaks no connection', () =>
  withLab({ servers: 4, bareServers: true }, async (lab) => {
    const config = configOf(lab);
    const before = await Promise.all(lab.servers.map(({ namespace }) => routerState(namespace)));
    await lab.daemon.start(config);
    const daemons = await startServerDaemons(lab, config);
    const clients = families.flatMap((family) => spreadClients(family, 40).map((from) => ({ family, from })));
    const open = await eachOf(clients, 16, async ({ family, from }) => {
      const conversation = await lab.traffic(lab.wan).tcp(from, ghost[family], echoPort);
      return { conversation, server: (await heard(conversation)).server };
    });
    assert.equal(await passedBy(lab), [0, 0, 0, 0]);

    // Another table, and nothing that tells what was before.
    await lab.daemon.crash();
    await lab.router.run(['nft', 'flush', 'ruleset']);
    rmSync(lab.daemon.stateFolder, { recursive: true });
    const without = config.replace(/(config server 's2'\n)/, "$1\toption enabled '0'\n");
    await lab.daemon.start(without);
    const oracle = new Oracle(without);
    let strayed = 0;
    for (const [index, { family, from }] of clients.entries()) {
      const entry = open[index];
      assert.ok(entry);
      if (oracle.server('web', from) !== entry.server) strayed++;
      for (let turn = 0; turn < 3; turn++) {
        assert.is((await heard(entry.conversation)).server, entry.server, `${from} keeps its server`);
      }
      const fresh = await whoAnswers(lab, lab.wan, 'tcp', from, ghost[family], echoPort);
      assert.is(fresh.server, oracle.server('web', from));
    }
    assert.ok(strayed > 0);
    const passed = await passedBy(lab);
    assert.is(passed[1], 0, 's2 gets none that it does not know');
    const sum = passed.reduce((total, count) => total + count, 0);
    // Three questions and what acknowledges their answers; nothing goes to and fro.
    assert.ok(sum >= strayed * 3 && sum <= strayed * 12, `${sum} passed for ${strayed} connections`);
    figure(`${strayed} of ${clients.length} connections went on by ${sum} segments that were passed on`);
    for (const { conversation } of open) conversation.close();
    for (const [index, daemon] of daemons.entries()) {
      assert.is(await daemon.stop(), 0);
      const now = await routerState(lab.servers[index]?.namespace ?? lab.wan);
      const known = before[index] ?? new Map<string, string[]>();
      for (const part of ['addresses', 'sysctls', 'ruleset', 'routes of IPv4', 'neighbours of IPv4']) {
        const kept = (state: typeof now) =>
          new Map([[part, (state.get(part) ?? []).filter((line) => !/ known$/.test(line))]]);
        assertSameRouter(kept(now), kept(known));
      }
    }
  }));

test('what leads to the others comes back when somebody takes it away', () =>
  withLab({ servers: 1, bareServers: true }, async (lab) => {
    const [server] = lab.servers;
    assert.ok(server);
    const { namespace } = server;
    await startServerDaemons(lab, configOf(lab));
    const look = async () =>
      (
        await Promise.all([
          namespace.run(['ip', 'route', 'show', 'to', '169.254.111.111']),
          namespace.run(['ip', '-6', 'route', 'show', 'to', 'fe80::6f6e:6569:7000:1/128']),
          namespace.run(['sh', '-c', 'ip neighbour show nud permanent | sort']),
          namespace.run(['nft', '-s', 'list', 'tables']),
        ])
      ).join('');
    const before = await look();
    assert.match(before, /lladdr ff:ff:ff:ff:ff:ff[^]*table ip oneip\n[^]*table ip6 oneip\n/);
    for (const deed of [
      'ip route delete 169.254.111.111',
      'ip -6 route delete fe80::6f6e:6569:7000:1/128 dev eth0',
      'ip neighbour delete 169.254.111.111 dev eth0',
      'ip neighbour delete fe80::6f6e:6569:7000:1 dev eth0',
      'nft delete table ip6 oneip',
      'nft flush ruleset',
    ]) {
      await namespace.run(['sh', '-ec', deed]);
      await eventually(deed, 3_000, async () =>
        [...(await look())].sort().join('') === [...before].sort().join('') ? true : undefined,
      );
    }
  }));

test('what nobody knows is passed on once, and dropped', () =>
  withLab({ servers: 4, bareServers: true }, async (lab) => {
    const config = configOf(lab);
    await lab.daemon.start(config);
    await startServerDaemons(lab, config);
    const oracle = new Oracle(config);
    const outside = await Capture.start(lab.wan, 'eth0');
    const injector = await Injector.start(lab.wan, 'eth0', [macs.routerWan, macs.wan]);
    const count = 40;
    const expected = lab.servers.map(() => 0);
    for (const family of families) {
      for (let number = 0; number < count; number++) {
        const [source, destination] = [wanClient(family, 300 + number), ghost[family]];
        const segment = tcpSyn({ source, destination }, [23_000, echoPort]);
        segment.writeUInt8(0x10, 13);
        segment.writeUInt16BE(0, 16);
        segment.writeUInt16BE(pseudoChecksum({ source, destination }, protocol.tcp, segment), 16);
        await injector.send(ipPacket({ source, destination, protocol: protocol.tcp }, segment));
        const index = lab.servers.findIndex(({ name }) => name === oracle.server('web', source));
        expected[index] = (expected[index] ?? 0) + 1;
      }
    }
    await injector.end();
    await eventually('all to be passed on', 5_000, async () => {
      const sum = (await passedBy(lab)).reduce((total, one) => total + one, 0);
      return sum >= 2 * count ? true : undefined;
    });
    // What comes later has been looked at later.
    for (const family of families) {
      for (let number = 0; number < count; number++) {
        await whoAnswers(lab, lab.wan, 'tcp', wanClient(family, 300 + number), ghost[family], echoPort);
      }
    }
    assert.equal(await passedBy(lab), expected, 'each once');
    const answers = (await outside.take()).filter(
      ({ direction, payload, source }) =>
        direction === 'in' && [ghost[4], ghost[6]].includes(source as never) && payload.readUInt16BE(2) === 23_000,
    );
    assert.equal(answers, []);
    await outside.end();
  }));

test.run();
