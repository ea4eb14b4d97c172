import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ghostPlaces, wanHost } from './addresses.ts';
import { withLab } from './lab.ts';
import { connect, repaired, ruleset, served } from './repair.ts';
import { differences, routerState } from './router-state.ts';
import { eventually, figure, heard } from './scenario.ts';
import { webService } from './web-service.ts';

test('tables that somebody deletes are back within a second, and connections live on', () =>
  withLab({ servers: 3 }, async (lab) => {
    await lab.daemon.start(webService(lab));
    const wanted = await ruleset(lab);
    const conversations = await connect(lab);
    const before = await Promise.all(conversations.map((one) => heard(one)));
    for (const command of ['delete table netdev oneip', 'delete table inet oneip', 'flush ruleset']) {
      await lab.router.run(['nft', command]);
      const { milliseconds } = await eventually('our tables', 1_000, async () => {
        const tables = await lab.router.run(['nft', 'list', 'tables']);
        return /inet oneip/.test(tables) && /netdev oneip/.test(tables) ? true : undefined;
      });
      figure(`after 'nft ${command}' our tables are back within ${milliseconds.toFixed(0)} ms`);
      const answers = await Promise.all(conversations.map((one) => heard(one)));
      assert.equal(
        answers.map(({ server }) => server),
        before.map(({ server }) => server),
      );
      await repaired(lab, command, wanted);
    }
    assert.ok(
      lab.daemon.log.some((line) => /somebody else has changed our tables .*loading the ruleset again/.test(line)),
    );
  }));

test('what somebody changes inside our tables is put right', () =>
  withLab({ servers: 2 }, async (lab) => {
    await lab.daemon.start(webService(lab));
    const wanted = await ruleset(lab);
    const handle = async (chain: readonly string[]) =>
      /# handle (\d+)$/m.exec(
        (await lab.router.run(['nft', '-a', 'list', 'chain', ...chain])).replace(/.*\{.*\n/g, ''),
      )?.[1];
    const chain = ['netdev', 'oneip', 'web/to/s1'];
    const intrusions = [
      `delete rule ${chain.join(' ')} handle ${await handle(chain)}`,
      'delete element netdev oneip web/slot { 5 }',
      'add rule inet oneip web/to/s1 drop',
      'insert rule netdev oneip web/to/s1 drop',
      'flush chain inet oneip web/to/s2',
      'add chain inet oneip intruder',
      'add set inet oneip intruder { type ipv4_addr; }',
    ];
    for (const intrusion of intrusions) {
      await lab.router.run(['nft', intrusion]);
      await repaired(lab, intrusion, wanted);
    }
  }));

test('routes, rules, neighbours and proxy entries that somebody deletes are made again', () =>
  withLab({ servers: 2, ghosts: Object.values(ghostPlaces.lan) }, async (lab) => {
    const { daemon, router } = lab;
    await daemon.start(webService(lab, { service: { source: ['wan', 'br-guest'] } }));
    const parts = ['rules', 'routes', 'neighbours', 'proxies'].flatMap((what) => [
      `${what} of IPv4`,
      `${what} of IPv6`,
    ]);
    const wanted = await routerState(router, parts);
    const [first, second] = lab.servers;
    assert.ok(first && second);
    const intrusions = [
      ['rule', 'delete', 'pref', '900'],
      ['-6', 'rule', 'delete', 'pref', '900'],
      ['rule', 'delete', 'fwmark', '0x6f690001'],
      ['-6', 'rule', 'delete', 'pref', '32769'],
      ['route', 'delete', `${ghostPlaces.lan[4]}/32`],
      ['-6', 'route', 'delete', `${ghostPlaces.lan[6]}/128`],
      ['route', 'flush', 'table', '28417'],
      ['-6', 'route', 'flush', 'table', '28418'],
      ['neighbour', 'delete', first.address[4], 'dev', 'br-lan'],
      ['neighbour', 'delete', second.address[6], 'dev', 'br-lan'],
    ];
    let longest = 0;
    for (const intrusion of intrusions) {
      await router.run(['ip', ...intrusion]);
      // A server whose neighbour entry goes leaves its port for the bridge, and comes back when it is known again.
      const limit = intrusion[0] === 'neighbour' ? 3_000 : 1_000;
      const { milliseconds } = await eventually(intrusion.join(' '), limit, async () =>
        // Rules of ours have different marks, so that their order does not matter.
        differences(await routerState(router, parts), wanted).some((line) => !/in another order/.test(line))
          ? undefined
          : true,
      );
      longest = Math.max(longest, milliseconds);
    }
    figure(`routes, rules and neighbours that were deleted: back within ${longest.toFixed(0)} ms`);
    // The kernel does not tell of proxy entries, so that they have to wait for something to happen.
    await router.run(['ip', 'neighbour', 'delete', 'proxy', ghostPlaces.lan[6], 'dev', 'br-lan']);
    const again = daemon.process.waitFor((line) => /neigh add proxy/.test(line) || undefined);
    await router.ip(['link set lo down', 'link set lo up']);
    await again;
    await served(lab, ghostPlaces.lan);
  }));

test('routes that somebody replaces are made again, with pauses where he does not give up', () =>
  withLab({ servers: 2, ghosts: Object.values(ghostPlaces.lan) }, async (lab) => {
    const { daemon, router } = lab;
    await daemon.start(webService(lab, { service: { source: ['wan', 'br-guest'] } }));
    const parts = ['routes of IPv4', 'routes of IPv6'];
    const wanted = await routerState(router, parts);
    const isRight = async () => (differences(await routerState(router, parts), wanted).length === 0 ? true : undefined);
    const intrusions = [
      `-4 route replace ${ghostPlaces.lan[4]}/32 via ${wanHost[4]} dev wan`,
      `-6 route replace ${ghostPlaces.lan[6]}/128 via ${wanHost[6]} dev wan`,
      `-4 route replace blackhole ${ghostPlaces.lan[4]}/32`,
    ];
    for (const intrusion of intrusions) {
      await router.run(['ip', ...intrusion.split(' ')]);
      const { milliseconds } = await eventually(intrusion, 3_000, isRight);
      figure(`after 'ip ${intrusion}' the route is ours again within ${milliseconds.toFixed(0)} ms`);
    }
    await served(lab, ghostPlaces.lan);

    const complaints = () => daemon.log.filter((line) => /somebody else has made a route/.test(line)).length;
    const before = complaints();
    let repairs = 0;
    for (const end = performance.now() + 6_000; performance.now() < end;) {
      if (!(await isRight())) continue;
      repairs += 1;
      await router.run(['ip', 'route', 'replace', `${ghostPlaces.lan[4]}/32`, 'via', wanHost[4], 'dev', 'wan']);
    }
    figure(`against somebody who replaces a route at once, it was made again ${repairs} times in 6 s`);
    assert.ok(repairs >= 1 && repairs <= 5, `${repairs} repairs`);
    assert.ok(complaints() - before <= repairs + 1, 'one line for each');
    await eventually('the end of it', 20_000, isRight);
  }));

test.run();
