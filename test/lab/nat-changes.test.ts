import * as assert from 'uvu/assert';
import { families, ghostPlaces, wanClient } from './addresses.ts';
import { cutCable, mendCable } from './hitless-fleet.ts';
import type { Lab } from './lab.ts';
import { configuration, eventually, figure, trackedConnections, whoAnswers } from './scenario.ts';
import { goesOn, holdAll, period, setServer, outliveChanges } from './remembered-connections.ts';
import { echoPort } from './servers.ts';
import { clock } from './traffic-load.ts';
import { uciSection } from './uci.ts';
import { serverOf, watchedSuite } from './watchdog-lab.ts';

const hashed = ghostPlaces.elsewhere;
const turns = { 4: '192.0.2.81', 6: '2001:db8:80::81' };
const strict = { 4: '192.0.2.82', 6: '2001:db8:80::82' };
/** Connections of each family and protocol, and of each of two services. */
const each = (globalThis as { ONEIP_FULL?: boolean }).ONEIP_FULL === true ? 250 : 100;

function configurationOf(lab: Lab, weights: Readonly<Record<string, number>> = {}, servers = lab.servers): string {
  const options = { dispatch: 'nat', port: String(echoPort), source: ['wan'] };
  const pair = (ghost: Readonly<Record<4 | 6, string>>) => families.map((family) => ghost[family]);
  return [
    configuration(
      { ...lab, servers },
      {
        web: { ghost: pair(hashed), options },
        turns: { ghost: pair(turns), options: { ...options, scheduler: 'round_robin' } },
        strict: { ghost: pair(strict), options: { ...options, all_down: 'reject' } },
      },
      weights,
    ),
    uciSection('watchdog', 'alive', { type: 'tcp', interval: '500ms', timeout: '2s', half_life: '0s' }),
  ].join('');
}

const { test, run } = watchedSuite(
  'changes under dispatch by address translation',
  { bareServers: true, firewall: { mark: 0x6f690000, mask: 0xffff0000 } },
  (lab) => configurationOf(lab),
);

test('no connection breaks when servers are drained, reweighted, taken out, brought back, or the daemon is killed', async ({
  lab,
  control,
}) => {
  const load = await holdAll(lab, each, [hashed, turns]);
  const changeable = { control, services: ['web', 'turns'], patient: 'web', ghosts: [turns], configurationOf };
  await outliveChanges(lab, load, changeable);
});

test('what a dead server had is forgotten at once: TCP clients hear it, UDP moves, and nobody else notices', async ({
  lab,
  control,
}) => {
  const load = await holdAll(lab, each, [hashed, turns]);
  const dead = serverOf(lab, 2);
  const had = [...load.held.values()].filter(({ server }) => server === dead.name);
  const cut = clock();
  const [down] = await Promise.all([control.told('down', dead.name, 10_000), cutCable(dead)]);
  await load.until('the end of all that it had', 15_000, () => load.breaks.length >= had.length);
  const late = (broken: { time: number }) => broken.time - down.time;
  const worst = { tcp: 0, udp: 0 };
  for (const broken of load.breaks) {
    const { protocol } = broken.options;
    assert.is(broken.server, dead.name, 'connections of others stay');
    assert.is(broken.reason, protocol === 'tcp' ? 'ECONNRESET' : 'MOVED');
    worst[protocol] = Math.max(worst[protocol], late(broken));
  }
  figure(
    `${had.length} connections of a dead server, ${period} ms from one question to the next: the last TCP client heard it ${Math.round(worst.tcp)} ms after the change, the last UDP flow had moved ${Math.round(worst.udp)} ms after it`,
  );
  // A segment that was lost before comes again when as much time as until then has passed at the latest (RFC 6298 §5.5).
  assert.ok(worst.tcp < 1000 + period + (down.time - cut), `a RST with the next segment: ${worst.tcp}`);
  await goesOn(load);
  assert.is(load.breaks.length, had.length, 'connections of others stay');
  const left = await trackedConnections(
    lab.router,
    families.map((family) => dead.address[family]),
  );
  assert.equal(
    left.filter((line) => line.includes(`sport=${echoPort} `) && /dst=(192\.0\.2|2001:0?db8:0?0?80)/.test(line)),
    [],
  );

  const [up] = await Promise.all([control.told('up', dead.name, 15_000), mendCable(dead)]);
  assert.is(up.action, 'up');
  await goesOn(load);
  assert.is(load.breaks.length, had.length, 'nothing breaks when it comes back');
  await load.end();

  // UDP flows would be known for minutes, so that the time of the order is what ends it.
  const from = control.events.length;
  await control.order('set_server', { service: 'web', server: 's3', state: 'drain', timeout: 3 });
  await control.told('drained', 's3', 10_000, from);
  const kept = await trackedConnections(lab.router, [serverOf(lab, 3).address[4]]);
  assert.equal(
    kept.filter((line) => line.includes(`dst=${hashed[4]} `)),
    [],
    'nothing is left of what it had',
  );
  await setServer(control, 'web', 's3', 'auto');
});

test('who is ordered down in one service keeps its connections in the other', async ({ lab, control }) => {
  const load = await holdAll(lab, each, [hashed, turns]);
  const isOf = ({ options, server }: { options: { destination: string }; server?: string }) =>
    server === 's1' && families.some((family) => options.destination === hashed[family]);
  const had = [...load.held.values()].filter(isOf);
  assert.ok(had.length > 0 && had.length < (load.openByServer().get('s1') ?? 0));
  await setServer(control, 'web', 's1', 'down');
  await load.until('the end of all that it had', 10_000, () => load.breaks.length >= had.length);
  await goesOn(load);
  assert.is(load.breaks.length, had.length);
  assert.equal(
    load.breaks.filter((broken) => !isOf(broken)),
    [],
  );
  await setServer(control, 'web', 's1', 'auto');
  await load.end();
});

test('while all are down, clients are served as if all were up, or told that nobody is', async ({ lab, control }) => {
  for (const { name } of lab.servers) {
    for (const service of ['web', 'strict']) await setServer(control, service, name, 'down');
  }
  for (const family of families) {
    const client = wanClient(family, 4711);
    assert.ok((await whoAnswers(lab, lab.wan, 'tcp', client, hashed[family], echoPort)).server);
    const refused = await lab.traffic(lab.wan).tcp(client, strict[family], echoPort);
    assert.match(refused.broken ?? 'silence', /EHOSTUNREACH|ECONNREFUSED|ENETUNREACH/);
  }
  for (const { name } of lab.servers) {
    for (const service of ['web', 'strict']) await setServer(control, service, name, 'auto');
  }
  for (const family of families) {
    const client = wanClient(family, 4711);
    assert.ok((await whoAnswers(lab, lab.wan, 'tcp', client, strict[family], echoPort)).server);
  }
});

test('watchdogs of each kind ask servers at their own addresses, and the doctor finds nothing', async ({
  lab,
  control,
}) => {
  const usual = configurationOf(lab);
  const kinds = { ping: /./, arp: /./, tcp: /connected/, http: /status 200/ };
  for (const [type, reason] of Object.entries(kinds)) {
    const watchdog = uciSection('watchdog', type, {
      ...{ type, interval: '100ms', timeout: '500ms', half_life: '0s' },
      ...(type === 'http' ? { port: 80 } : {}),
    });
    await lab.daemon.reload(usual.slice(0, usual.indexOf('config watchdog')) + watchdog);
    await eventually(`answers to ${type}`, 10_000, async () => {
      const { servers } = await control.service('web');
      const probes = Object.values(servers).map(({ probe }) => probe);
      return probes.every((probe) => probe?.passed === true && reason.test(probe.reason)) || undefined;
    });
  }
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

run();
