import { mkdirSync, rmSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { families, ghostPlaces, wanClient } from './addresses.ts';
import { ChangeMonitor } from './change-monitor.ts';
import { withLab, type Lab } from './lab.ts';
import type { Namespace } from './namespace.ts';
import { isServed } from './repair.ts';
import { assertSameRouter, routerState } from './router-state.ts';
import { figure, Oracle } from './scenario.ts';
import { echoPort } from './servers.ts';
import { answered } from './traffic.ts';
import { webService } from './web-service.ts';

test('a reload with errors is refused as a whole; what runs goes on', () =>
  withLab({ servers: 2 }, async (lab) => {
    const { daemon, router } = lab;
    await daemon.start(webService(lab));
    const ruleset = await router.run(['nft', '-s', 'list', 'ruleset']);
    const monitor = await ChangeMonitor.start(router);
    const { nftables, network } = await monitor.during(async () => {
      daemon.configure(`${webService(lab, { servers: [] })}config service 'mail'\n`);
      await refusal(lab, /not reloaded: the configuration has errors; going on with the one in force$/);
    });
    assert.equal(nftables, []);
    assert.equal(withoutProbes(network), []);
    assert.is(await router.run(['nft', '-s', 'list', 'ruleset']), ruleset);
    assert.ok(await isServed(lab, ghostPlaces.elsewhere, 8));

    rmSync(daemon.configFile);
    await refusal(lab, /not reloaded: cannot read \S+: .*No such file or directory; going on/);
    mkdirSync(daemon.configFile);
    await refusal(lab, /not reloaded: cannot read \S+: .*directory; going on/);
    rmSync(daemon.configFile, { recursive: true });
    assert.ok(await isServed(lab, ghostPlaces.elsewhere, 9));
    await daemon.reload(webService(lab, { servers: lab.servers.slice(0, 1) }));
    assert.not((await router.run(['nft', '-s', 'list', 'ruleset'])) === ruleset, 'a right one is taken');
    await monitor.stop();
  }));

/** Sends SIGHUP and waits for the line that says why it was in vain. */
async function refusal({ daemon }: Lab, pattern: RegExp): Promise<void> {
  const told = daemon.process.waitFor((line) => pattern.test(line) || undefined);
  daemon.process.signal('SIGHUP');
  await told;
}

/** Without what the kernel tells of its own probes of neighbours. */
function withoutProbes(events: readonly string[]): string[] {
  return events.filter((line) => !/^\[NEIGH\].* (REACHABLE|STALE|DELAY|PROBE|NOARP)\b/.test(line));
}

test('a reload without a difference writes nothing', () =>
  withLab(
    { servers: 4, ghosts: [...Object.values(ghostPlaces.lan), ...Object.values(ghostPlaces.router)] },
    async (lab) => {
      const { daemon, router } = lab;
      await daemon.start(webService(lab));
      const before = await routerState(router);
      const monitor = await ChangeMonitor.start(router);
      for (const text of [webService(lab), `# a comment more\n${webService(lab)}`]) {
        const { nftables, network } = await monitor.during(() => daemon.reload(text));
        assert.equal(nftables, []);
        assert.equal(withoutProbes(network), []);
      }
      assertSameRouter(await routerState(router), before);
      await monitor.stop();
    },
  ));

test('a reload with one more server gives it its share; no connection notices', () =>
  withLab({ servers: 4 }, async (lab) => {
    const { daemon, router, wan } = lab;
    const service = { idle_timeout: '2s' };
    const texts = [
      webService(lab, { service, servers: lab.servers.slice(0, 3) }),
      webService(lab, { service }),
    ] as const;
    const oracles = texts.map((text) => new Oracle(text));
    await daemon.start(texts[1]);
    const whole = await rulesetOf(router);
    await daemon.stop();
    await daemon.start(texts[0]);
    const conversations = await Promise.all(
      Array.from({ length: 200 }, async (_, number) => {
        const family = families[number % 2] ?? 4;
        const client = wanClient(family, number);
        const open = () => lab.traffic(wan).tcp(client, ghostPlaces.elsewhere[family], echoPort);
        const conversation = await open();
        const [old, now] = oracles.map((oracle) => oracle.server('web', client));
        const answer = await conversation.ask();
        assert.is(answered(answer) && answer.server, old);
        return { open, conversation, old, now };
      }),
    );
    const before = await slotsOf(router);
    const monitor = await ChangeMonitor.start(router);
    const start = performance.now();
    const { nftables, network } = await monitor.during(() => daemon.reload(texts[1]));
    figure(`reload with one more server: ${(performance.now() - start).toFixed(0)} ms`);
    await monitor.stop();

    const after = await slotsOf(router);
    const moved = [...after].filter(([slot, target]) => before.get(slot) !== target);
    const gained = moved.filter(([, target]) => target === 'web/to/s4').length;
    assert.is(gained, 1024);
    assert.ok(moved.length - gained <= 0.025 * 4096, `${moved.length - gained} slots move between the others`);
    const transactions = nftables.filter((line) => line.startsWith('# new generation'));
    assert.is(transactions.length, 2, 'first what tells old connections from new ones, then the slots');
    assert.equal(
      withoutProbes(network).filter((line) => !/192\.168\.1\.14|fd00:1::14|0x6f690004/.test(line)),
      [],
    );

    const moving = conversations.filter(({ old, now }) => old !== now);
    assert.ok(moving.length > 20 && moving.length < 80, `${moving.length} of 200 move`);
    for (const { conversation, old } of conversations) {
      const answer = await conversation.ask();
      assert.is(answered(answer) && answer.server, old);
    }
    for (const { open, now } of moving) {
      const answer = await (await open()).ask();
      assert.is(answered(answer) && answer.server, now);
    }
    figure(`200 connections live on, new ones of ${moving.length} clients go elsewhere`);
    await daemon.process.waitFor((line) => /web: no old connection is kept any more/.test(line) || undefined);
    assert.equal(await rulesetOf(router), whole, 'nothing is left of the change');
  }));

/** Slot → chain, as the fast path has them. */
async function slotsOf(router: Namespace): Promise<Map<string, string>> {
  const text = await router.run(['nft', 'list', 'map', 'netdev', 'oneip', 'web/slot']);
  return new Map(
    [...text.matchAll(/(0x[0-9a-f]+) : goto ([^ ,]+)/g)].map(([, slot = '', target = '']) => [slot, target]),
  );
}

/** The ruleset without what it has counted, in an order of its own. */
async function rulesetOf(router: Namespace): Promise<string[]> {
  const text = await router.run(['nft', '-s', 'list', 'ruleset']);
  return text
    .replace(/\t+elements = \{[^}]*\}\n/g, '')
    .replace(/\n\t?\}/g, '')
    .split(/\n\n|\n(?=table )/)
    .map((part) => part.trim())
    .sort();
}

test.run();
