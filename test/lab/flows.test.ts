import * as assert from 'uvu/assert';
import type { Family } from '../../src/net/address.ts';
import { families, ghostPlaces, macs, wanClient } from './addresses.ts';
import { LARGEST_CHI_SQUARE, chiSquare } from './chi-square.ts';
import { ServerCaptures } from './capture.ts';
import { rememberedFlows } from './flow-table.ts';
import { cutCable, mendCable } from './hitless-fleet.ts';
import { Injector } from './inject.ts';
import type { Lab } from './lab.ts';
import { icmp, ipPacket, protocol, tcpSyn, udp } from './packet.ts';
import { describeBreaks, goesOn, holdAll, outliveChanges, period, setServer } from './remembered-connections.ts';
import {
  Oracle,
  bigDatagram,
  configuration,
  counters,
  eachOf,
  eventually,
  figure,
  heard,
  whoAnswers,
} from './scenario.ts';
import { echoPort } from './servers.ts';
import { TrafficLoad, clock } from './traffic-load.ts';
import { uciSection } from './uci.ts';
import { serverOf, watchedSuite } from './watchdog-lab.ts';

const isFull = (globalThis as { ONEIP_FULL?: boolean }).ONEIP_FULL === true;
const weights = { s1: 200, s2: 100, s3: 100, s4: 50 };
const ghosts = {
  turns: ghostPlaces.elsewhere,
  chance: { 4: '192.0.2.82', 6: '2001:db8:80::82' },
  small: { 4: '192.0.2.83', 6: '2001:db8:80::83' },
} as const;
const placed = ['turns', 'chance'] as const;
/** Connections of a family that `small` has room for. */
const smallLimit = 256;

function configurationOf(
  lab: Pick<Lab, 'servers' | 'ghosts'>,
  changed: Readonly<Record<string, number>> = {},
  servers = lab.servers,
): string {
  const service = (name: keyof typeof ghosts, options: Readonly<Record<string, string>>) => ({
    ghost: families.map((family) => ghosts[name][family]),
    options: { port: String(echoPort), source: ['wan'], ...options },
  });
  return [
    configuration(
      { ...lab, servers },
      {
        turns: service('turns', { scheduler: 'round_robin' }),
        chance: service('chance', { scheduler: 'random' }),
        small: service('small', { scheduler: 'round_robin', flow_limit: String(smallLimit), idle_timeout: '60s' }),
      },
      { ...weights, ...changed },
    ),
    uciSection('watchdog', 'alive', { type: 'tcp', interval: '500ms', timeout: '2s', half_life: '0s' }),
  ].join('');
}

const { test, run } = watchedSuite(
  'connections placed one by one',
  { ghosts: Object.values(ghosts).flatMap((pair) => families.map((family) => pair[family])) },
  (lab) => configurationOf(lab),
);

const connections = 450;

test('connections of one client spread by the weights', async ({ lab }) => {
  for (const service of placed) {
    for (const family of families) {
      for (const transport of ['tcp', 'udp'] as const) {
        const counts = new Map<string, number>();
        await eachOf(Array<string>(connections).fill(wanClient(family, 5)), 32, async (client) => {
          const { server } = await whoAnswers(lab, lab.wan, transport, client, ghosts[service][family], echoPort);
          counts.set(server, (counts.get(server) ?? 0) + 1);
        });
        const distance = chiSquare(counts, weights);
        figure(
          `${service}, IPv${family}, ${transport}: ${[...counts].sort().join(' ')}; chi-square ${distance.toFixed(2)}`,
        );
        assert.ok(distance < LARGEST_CHI_SQUARE, `${service} ${distance}`);
        if (service === 'turns') assert.ok(distance < 0.1, `turns are no matter of chance: ${distance}`);
      }
    }
  }
});

test('fragments, short-lived packets and ICMP errors go where their flow is', async ({ lab }) => {
  const outside = await Injector.start(lab.wan, 'eth0', [macs.routerWan, macs.wan]);
  const servers = await ServerCaptures.start(lab);
  const errors = { 4: [3, 4], 6: [2, 0] } as const;
  for (const family of families) {
    const client = wanClient(family, 40);
    const ghost = ghosts.turns[family];
    const seen = new Set<string>();
    for (let port = 30_000; port < 30_016; port++) {
      // It is a fragment that begins the flow.
      const server = await bigDatagram(lab.wan, client, ghost, echoPort, 3000, { sourcePort: port });
      seen.add(server);
      const small = await whoAnswers(lab, lab.wan, 'udp', client, ghost, echoPort, port);
      assert.is(small.server, server);

      const header = { source: client, destination: ghost };
      const marked = Buffer.from(`one hop and a half, ${port}`);
      const late = udp(header, [port, echoPort], marked);
      if (family === 4) {
        const options = Buffer.from([1, 1, 1, 0]);
        await outside.send(ipPacket({ ...header, protocol: protocol.udp, options }, late));
        const arrival = await servers.first('a packet with options', ({ payload }) => payload.includes(marked));
        assert.is(arrival.server, server);
      }
      const inner = ipPacket(
        { source: ghost, destination: client, protocol: protocol.udp },
        udp({ source: ghost, destination: client }, [echoPort, port], Buffer.alloc(40)),
      );
      const [type, code] = errors[family];
      const about = { source: wanClient(family, 41), destination: ghost };
      const { protocol: number, message } = icmp(about, type, code, 1300, inner);
      await outside.send(ipPacket({ ...about, protocol: number }, message));
      const isIt = ({ payload }: { payload: Buffer }) => payload.includes(inner.subarray(-48, -40));
      assert.is((await servers.first('an ICMP error', isIt)).server, server);
    }
    assert.is(seen.size, 4, 'all servers had their turn');
  }
  await Promise.all([outside.end(), servers.end()]);
});

/** Connections of each family and protocol, and of each of two services. */
const each = isFull ? 250 : 60;

test('no connection breaks when servers are drained, reweighted, taken out, brought back, or the daemon is killed', async ({
  lab,
  control,
}) => {
  const load = await holdAll(
    lab,
    each,
    placed.map((service) => ghosts[service]),
  );
  const changeable = { control, services: placed, patient: 'turns', ghosts: [ghosts.turns], configurationOf };
  await outliveChanges(lab, load, changeable);
});

test('what a dead server had is forgotten at once, and nobody else notices', async ({ lab, control }) => {
  const load = await holdAll(
    lab,
    each,
    placed.map((service) => ghosts[service]),
  );
  const dead = serverOf(lab, 2);
  const had = [...load.held.values()].filter(({ server }) => server === dead.name);
  const isTheDead = await markOf(lab, dead.name);
  const before = await rememberedFlows(lab.router, 'turns', 4);
  assert.ok(before.some(isTheDead));
  const cut = clock();
  const [down] = await Promise.all([control.told('down', dead.name, 10_000), cutCable(dead)]);
  for (const service of placed) {
    for (const family of families) {
      assert.not.ok((await rememberedFlows(lab.router, service, family)).some(isTheDead));
    }
  }
  await load.until('the end of all that it had', 15_000, () => load.breaks.length >= had.length);
  const worst = { tcp: 0, udp: 0 };
  for (const broken of load.breaks) {
    const { protocol: transport } = broken.options;
    assert.is(broken.server, dead.name, 'connections of others stay');
    assert.is(broken.reason, transport === 'tcp' ? 'ECONNRESET' : 'MOVED');
    worst[transport] = Math.max(worst[transport], broken.time - down.time);
  }
  figure(
    `${had.length} connections of a dead server, ${period} ms from one question to the next: the last TCP client heard it ${Math.round(worst.tcp)} ms after the change, the last UDP flow had moved ${Math.round(worst.udp)} ms after it`,
  );
  // A segment that was lost before comes again when as much time as until then has passed at the latest (RFC 6298 §5.5).
  assert.ok(worst.tcp < 1000 + period + (down.time - cut), `a RST with the next segment: ${worst.tcp}`);
  await goesOn(load);
  assert.is(load.breaks.length, had.length, 'connections of others stay');
  await Promise.all([control.told('up', dead.name, 15_000), mendCable(dead)]);
  await goesOn(load);
  assert.is(load.breaks.length, had.length, 'nothing breaks when it comes back');
  await load.end();

  // UDP flows are remembered for minutes, so that the time of the order is what ends it.
  const isDrained = await markOf(lab, 's3');
  const from = control.events.length;
  await control.order('set_server', { service: 'turns', server: 's3', state: 'drain', timeout: 3 });
  await control.told('drained', 's3', 10_000, from);
  assert.not.ok((await rememberedFlows(lab.router, 'turns', 4)).some(isDrained), 'nothing is left of what it had');
  await setServer(control, 'turns', 's3', 'auto');
});

/** Tells whether a flow is a server's. */
async function markOf(lab: Lab, server: string): Promise<(flow: { mark: number }) => boolean> {
  const chain = await lab.router.run(['nft', '-j', 'list', 'chain', 'inet', 'oneip', `turns/to/${server}`]);
  const mark = Number(/"value": (\d+)/.exec(chain)?.[1]);
  assert.ok(mark > 65536, chain);
  return (flow) => flow.mark === mark;
}

test('a connection is remembered for as long as it may live', async ({ lab }) => {
  for (const family of families) {
    const client = wanClient(family, 4000);
    const ghost = ghosts.turns[family];
    const flow = async (port: number) =>
      (await rememberedFlows(lab.router, 'turns', family)).find(
        (one) => one.client === client && one.port === port && one.protocol === 'tcp',
      );
    const traffic = lab.traffic(lab.wan);
    const conversation = await traffic.tcp(client, ghost, echoPort, 41_000);
    await heard(conversation);
    const open = await flow(41_000);
    assert.ok(open && open.expires > 7100 && open.expires <= 7200, `open: ${open?.expires}`);
    conversation.close();
    await eventually('the end', 5_000, async () => {
      const left = (await flow(41_000))?.expires ?? 0;
      return (left > 0 && left <= 120) || undefined;
    });
    const outside = await Injector.start(lab.wan, 'eth0', [macs.routerWan, macs.wan]);
    // A client whom nobody asks for the rest.
    const ports: [number, number] = [41_001, echoPort];
    const nobody = family === 4 ? '11.0.0.1' : '2001:db8:bad::1';
    const header = { source: nobody, destination: ghost, protocol: protocol.tcp };
    await outside.send(ipPacket(header, tcpSyn(header, ports)));
    await eventually('the SYN', 5_000, async () => {
      const found = (await rememberedFlows(lab.router, 'turns', family)).find((one) => one.client === nobody);
      return (found && found.expires > 0 && found.expires <= 60) || undefined;
    });
    await outside.end();
  }
});

test('the doctor finds nothing', async ({ lab }) => {
  const { stdout, stderr } = await lab.daemon.command([
    ...['doctor', '--json', '--config', lab.daemon.configFile],
    ...['--state', lab.daemon.stateFolder, '--ubus', lab.daemon.ubusSocket],
  ]);
  const { findings } = JSON.parse(stdout) as { findings: { id: string; severity: string; what: string }[] };
  assert.equal(
    findings.filter(({ severity }) => severity !== 'information'),
    [],
    stderr,
  );
});

/** SYNs of clients that nobody knows, as many as wanted, all different. */
function* strangers(family: Family, ghost: string, count: number): Iterable<Buffer> {
  for (let number = 0; number < count; number++) {
    const [high, low] = [(number >>> 8) & 255, number & 255];
    const source = family === 4 ? `11.${number >>> 16}.${high}.${low}` : `2001:db8:bad:${number.toString(16)}::1`;
    const header = { source, destination: ghost, protocol: protocol.tcp };
    yield ipPacket(header, tcpSyn(header, [1024 + (number % 60_000), echoPort]));
  }
}

test('a full table: new connections go by the hash, stay there, and it is told', async ({ lab, control }) => {
  const oracle = new Oracle(configurationOf(lab));
  for (const family of families) {
    const ghost = ghosts.small[family];
    const from = control.events.length;
    const outside = await Injector.start(lab.wan, 'eth0', [macs.routerWan, macs.wan]);
    const early = await lab.traffic(lab.wan).tcp(wanClient(family, 5000), ghost, echoPort);
    const { server } = await heard(early);
    await outside.flood(strangers(family, ghost, 2 * smallLimit));
    await outside.end();
    assert.is((await rememberedFlows(lab.router, 'small', family)).length, smallLimit);
    for (let number = 0; number < 24; number++) {
      const client = wanClient(family, 5001 + number * 37);
      for (const transport of ['tcp', 'udp'] as const) {
        const conversation = await lab.traffic(lab.wan)[transport](client, ghost, echoPort);
        const answers = [await heard(conversation), await heard(conversation), await heard(conversation)];
        const expected = oracle.serverWithoutPorts('small', client, protocol.tcp);
        assert.equal(
          answers.map((answer) => answer.server),
          [expected, expected, expected],
        );
        conversation.close();
      }
    }
    assert.is((await heard(early)).server, server, 'who has a place keeps it');
    early.close();
    const { service, reason } = await control.until(({ action }) => action === 'full', 5_000, from);
    assert.is(service, 'small');
    assert.match(reason ?? '', /no room for [1-9]\d* new connections/);
    const { packets } = (await counters(lab.router)).get('small/flows/full') ?? { packets: 0 };
    assert.ok(packets >= smallLimit + 24, `${packets}`);
    const told = (await control.service('small')).flows;
    assert.equal([told?.limit, Number(told?.overflow)], [smallLimit, packets]);
    await control.until(({ action }) => action === 'room', 10_000, from);
  }
});

test('clients get through a flood of SYNs, in bounded memory', async ({ lab, control }) => {
  const count = isFull ? 100_000 : 70_000;
  const family = 4;
  const ghost = ghosts.chance[family];
  const slab = async () => Number(/^Slab: +(\d+)/m.exec(await lab.router.run(['cat', '/proc/meminfo']))?.[1]);
  const load = new TrafficLoad(lab.wan, 10_000);
  load.stream([{ source: wanClient(family, 99), destination: ghost, port: echoPort }], 50);
  for (let number = 0; number < 40; number++) {
    load.hold({ protocol: 'tcp', source: wanClient(family, number * 77), destination: ghost, port: echoPort, period });
  }
  await load.allOpen(10_000);
  const [before, began] = [await slab(), clock()];
  const outside = await Injector.start(lab.wan, 'eth0', [macs.routerWan, macs.wan]);
  await outside.flood(strangers(family, ghost, count));
  await outside.end();
  const took = clock() - began;
  const remembered = (await rememberedFlows(lab.router, 'chance', family)).length;
  const more = (await slab()) - before;
  const from = load.attempts.length;
  await load.until('new connections after it', 10_000, () => load.attempts.length >= from + 50);
  figure(
    `${count} SYNs in ${Math.round(took)} ms: ${remembered} remembered, ${more} KiB of kernel memory more; ${load.attempts.length} connections of others meanwhile`,
  );
  assert.equal(describeBreaks(load), []);
  assert.equal(
    load.attempts.filter(({ reason }) => reason !== undefined),
    [],
  );
  assert.ok(remembered <= 65_535);
  assert.ok(more < 64 * 1024, `${more} KiB`);
  await load.end();

  const isLost = await markOf(lab, 's1');
  const ordered = clock();
  await setServer(control, 'chance', 's1', 'down');
  const forgotten = clock() - ordered;
  const left = await rememberedFlows(lab.router, 'chance', family);
  assert.is(left.filter(isLost).length, 0);
  assert.ok(left.length > 0.4 * remembered, 'those of others stay');
  figure(
    `${remembered - left.length} flows of a server that is down forgotten ${Math.round(forgotten)} ms after the order`,
  );
  await setServer(control, 'chance', 's1', 'auto');
});

run();
