import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  families,
  ghostPlaces,
  macs,
  routerAddresses,
  wanClient,
  wanClients,
  wanHost,
  type Pair,
} from './addresses.ts';
import { LabBus } from './bus.ts';
import { withLab, type Lab } from './lab.ts';
import { oneipProgram } from './paths.ts';
import { run, type LineProcess } from './process.ts';
import { assertSameRouter, differences, routerState } from './router-state.ts';
import { counters, eventually, figure, heard } from './scenario.ts';
import { echoPort } from './servers.ts';
import { answered, type Conversation } from './traffic.ts';
import { webService } from './web-service.ts';

const elsewhere = ghostPlaces.elsewhere;

/** What nftables holds, without counts and handles; objects in an order of their own, rules in that of their chain. */
async function ruleset({ router }: Lab): Promise<readonly string[]> {
  const { nftables } = JSON.parse(await router.run(['nft', '-j', 'list', 'ruleset'])) as { nftables: object[] };
  const rules = new Map<string, number>();
  const passing = new Set(['handle', 'packets', 'bytes', 'metainfo']);
  const lines = nftables.map((object) => {
    const text = JSON.stringify(object, (key, value: unknown) => (passing.has(key) ? undefined : value));
    const chain = /^\{"rule":\{"family":"(\w+)","table":"(\w+)","chain":"([^"]+)"/.exec(text)?.slice(1).join(' ');
    if (chain === undefined) return text;
    rules.set(chain, (rules.get(chain) ?? 0) + 1);
    return `${chain} ${rules.get(chain)}: ${text}`;
  });
  return lines.sort();
}

/** Objects that only one of the two has. */
function difference(one: readonly string[], other: readonly string[]): string[] {
  return [
    ...one.filter((line) => !other.includes(line)).map((line) => `- ${line}`),
    ...other.filter((line) => !one.includes(line)).map((line) => `+ ${line}`),
  ];
}

/** The same for people, with the devices that JSON leaves out. */
function listing({ router }: Lab): Promise<string> {
  return router.run(['nft', '-s', 'list', 'ruleset']);
}

/** Opens a connection of each family to the ghost. */
function connect(lab: Lab, ghost: Pair = elsewhere, client = 1): Promise<Conversation[]> {
  return Promise.all(
    families.map((family) => lab.traffic(lab.wan).tcp(wanClient(family, client), ghost[family], echoPort)),
  );
}

/** Waits until new connections of both families are answered. */
async function served(lab: Lab, ghost: Pair = elsewhere, client = 1): Promise<void> {
  await eventually('service', 5_000, async () => {
    const conversations = await connect(lab, ghost, client);
    const answers = await Promise.all(conversations.map((one) => one.ask(500)));
    for (const conversation of conversations) conversation.close();
    return answers.every(answered) || undefined;
  });
}

/** Waits until the router's kernel holds what it did. */
async function repaired(lab: Lab, what: string, wanted: readonly string[], limit = 3_000): Promise<void> {
  await eventually(what, limit, async () => (difference(wanted, await ruleset(lab)).length === 0 ? true : undefined));
}

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
      const { milliseconds } = await eventually(intrusion.join(' '), 1_000, async () =>
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

/** Starts a daemon with words before its command line, such as `env`; resolves when it is ready. */
async function startWith({ daemon, router }: Lab, words: readonly string[], config: string): Promise<LineProcess> {
  const process = beginWith({ daemon, router }, words, config);
  await process.waitFor((line) => /oneip: ready/.test(line) || undefined);
  return process;
}

function beginWith(
  { daemon, router }: Pick<Lab, 'daemon' | 'router'>,
  words: readonly string[],
  config: string,
): LineProcess {
  daemon.configure(config);
  const paths = ['--config', daemon.configFile, '--state', daemon.stateFolder, '--ubus', daemon.ubusSocket];
  return router.startWithSysfs([...words, oneipProgram, 'daemon', ...paths]);
}

test('nft refuses: the old state stays, the reason is told, and it is tried again', () =>
  withLab({ servers: 2 }, async (lab) => {
    const refusal = join(lab.folder, 'refuse');
    const library = join(lab.folder, 'library');
    mkdirSync(library);
    const real = /libnftables\.so\.1 .*=> (\S+)/.exec(await run(['/sbin/ldconfig', '-p']))?.[1];
    assert.ok(real);
    const source = join(process.cwd(), 'test/lab/refusing/libnftables.c');
    const output = join(library, 'libnftables.so.1');
    await run(['cc', '-shared', '-fPIC', `-DREAL="${real}"`, '-o', output, source, '-ldl']);

    const one = webService(lab, { servers: lab.servers.slice(0, 1) });
    const environment = ['env', `LD_LIBRARY_PATH=${library}`, `REFUSE_NFT=${refusal}`];
    const daemon = await startWith(lab, environment, one);
    const wanted = await ruleset(lab);
    const before = await routerState(lab.router);
    const told = (pattern: RegExp) => daemon.waitFor((line) => pattern.test(line) || undefined);

    writeFileSync(refusal, '');
    lab.daemon.configure(webService(lab));
    let line = told(
      /^oneip: not reloaded: nft refuses: .*Cannot allocate memory; going on with the configuration in force$/,
    );
    daemon.signal('SIGHUP');
    await line;
    assert.equal(difference(wanted, await ruleset(lab)), []);
    await eventually('routes and rules of the refused one are gone', 1_000, async () =>
      differences(await routerState(lab.router), before).length === 0 ? true : undefined,
    );
    await served(lab);

    line = told(/^oneip: nft refuses: .*Cannot allocate memory; trying again in 1 s$/);
    await lab.router.run(['nft', 'delete', 'table', 'netdev', 'oneip']);
    await line;
    rmSync(refusal);
    await repaired(lab, 'repaired by itself', wanted, 2_000);

    line = told(/^oneip: reloaded$/);
    daemon.signal('SIGHUP');
    await line;
    assert.match(await listing(lab), /web\/to\/s2/);
    writeFileSync(refusal, '');
    line = told(/the router is not as it was: nft refuses: .*Cannot allocate memory$/);
    daemon.signal('SIGTERM');
    await line;
    assert.is(await daemon.ended, 1);
    const rules = await lab.router.run(['ip', 'rule']);
    assert.not.match(rules, /proto 111/, 'everything else has been put back');
    const cleanup = await lab.daemon.command(['cleanup', '--state', lab.daemon.stateFolder]);
    assert.is(cleanup.status, 0);
    assert.is(await listing(lab), '');
  }));

test('the kernel refuses since another program owns the table: loaded as soon as that ends', () =>
  withLab({ servers: 1 }, async (lab) => {
    await lab.daemon.start(webService(lab));
    const wanted = await ruleset(lab);
    const owner = lab.router.start(['nft', '-i']);
    const refused = lab.daemon.process.waitFor((line) => /nft refuses: .*trying again in/.test(line) || undefined);
    owner.send('flush ruleset; add table netdev oneip { flags owner; }');
    await refused;
    owner.closeInput();
    await owner.ended;
    // The kernel does not tell that the table has gone with its owner.
    await repaired(lab, 'the ruleset', wanted, 5_000);
  }));

test('no libnftables: one sentence, exit status 1, the router as it was', () =>
  withLab({ servers: 1, ghosts: Object.values(ghostPlaces.lan) }, async (lab) => {
    const before = await routerState(lab.router);
    const library = join(lab.folder, 'library');
    mkdirSync(library);
    writeFileSync(join(library, 'libnftables.so.1'), 'no library');
    const daemon = beginWith(lab, ['env', `LD_LIBRARY_PATH=${library}`], webService(lab));
    assert.is(await daemon.ended, 1);
    assert.match(daemon.tail(1), /^oneip: libnftables cannot be loaded: .*library/);
    assertSameRouter(await routerState(lab.router), before);
  }));

test('SIGTERM in the middle of the start leaves the router as it was', () =>
  withLab({ servers: 8, ghosts: Object.values(ghostPlaces.lan) }, async (lab) => {
    const before = await routerState(lab.router);
    for (const trigger of [/ubus: no connection/, /network: /]) {
      const daemon = beginWith(lab, [], webService(lab));
      await daemon.waitFor((line) => trigger.test(line) || undefined);
      daemon.signal('SIGTERM');
      assert.is(await daemon.ended, 0);
      assertSameRouter(await routerState(lab.router), before);
    }
  }));

/** Words that run a program with a file system of its own, of 16 KiB, in place of a folder, after a shell command there. */
function withTmpfs(folder: string, prepare: string): string[] {
  const script = 'mount -t tmpfs -o size=16k tmpfs "$0" && cd "$0" && eval "$1" && cd / && shift && exec "$@"';
  return ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', script, folder, prepare];
}

const fill = 'head -c 1000000 /dev/zero > filler 2>/dev/null || true';

test('no room in the state directory: what needs no undo journal runs, and it is said', () =>
  withLab({ servers: 2 }, async (lab) => {
    mkdirSync(lab.daemon.stateFolder);
    const before = await routerState(lab.router);
    const daemon = await startWith(lab, withTmpfs(lab.daemon.stateFolder, fill), webService(lab));
    assert.ok(daemon.log.some((line) => /cannot write \S+applied\.json: No space left on device/.test(line)));
    await served(lab);
    assert.is(await daemon.stop(), 0);
    assertSameRouter(await routerState(lab.router), before);
  }));

test('no room for the undo journal: nothing is changed that could not be put back', () =>
  withLab({ servers: 2, ghosts: Object.values(ghostPlaces.lan) }, async (lab) => {
    mkdirSync(lab.daemon.stateFolder);
    const before = await routerState(lab.router);
    for (const prepare of [fill, 'mount -o remount,ro "$PWD"']) {
      const daemon = beginWith(lab, withTmpfs(lab.daemon.stateFolder, prepare), webService(lab));
      assert.is(await daemon.ended, 1);
      assert.match(daemon.tail(1), /^oneip: .*(No space left on device|Read-only file system)$/);
      assertSameRouter(await routerState(lab.router), before);
    }
  }));

test.run();
