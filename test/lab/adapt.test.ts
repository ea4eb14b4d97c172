import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ghostPlaces } from './addresses.ts';
import { LabBus } from './bus.ts';
import { ControlClient } from './control-client.ts';
import { Daemon } from './daemon.ts';
import { withLab } from './lab.ts';
import type { Lab } from './lab.ts';
import { buildFolder, oneipProgram } from './paths.ts';
import { run } from './process.ts';
import { figure, spreadClients } from './scenario.ts';
import { echoPort } from './servers.ts';
import { kernelOwners } from './slots.ts';
import { TrafficLoad } from './traffic-load.ts';
import { uciSection } from './uci.ts';
import { webService } from './web-service.ts';

const full = (globalThis as { ONEIP_FULL?: boolean }).ONEIP_FULL === true;
const ghost = ghostPlaces.elsewhere[4];
/** Milliseconds of a step at the pace of the test: five minutes until the load is known, one between two steps. */
const patience = 60_000;
/** Slots of 4096 that may move in a minute. */
const most = 40;
/** So many that some of them are in slots that move. */
const light = 600;
const heavy = 6;

/** The daemon whose minutes are short. */
async function hurriedDaemon({ router, folder }: Pick<Lab, 'router' | 'folder'>): Promise<Daemon> {
  const file = join(folder, 'adapt-program.js');
  const root = process.env['ONEIP_ROOT'] ?? '.';
  await run([
    process.execPath,
    join(root, 'src/build/bundle.mjs'),
    join(root, 'test/lab/adapt-program.ts'),
    file,
    'test',
  ]);
  return new Daemon(router, join(folder, 'router'), ['daemon'], [join(buildFolder, 'bin', 'oneip-runtime'), file]);
}

/** Runs a body with a hurried daemon, and somebody on its bus who hears it. */
async function withHurried(body: (lab: Lab, daemon: Daemon, bus: LabBus) => Promise<void>): Promise<void> {
  await withLab({ servers: 3 }, async (lab) => {
    const daemon = await hurriedDaemon(lab);
    const bus = await LabBus.start(daemon.ubusSocket, {});
    try {
      await body(lab, daemon, bus);
    } catch (error) {
      if (error instanceof Error && daemon.started) error.stack = `${error.stack ?? ''}\n${daemon.process.tail()}`;
      throw error;
    } finally {
      await bus.stop();
    }
  });
}

function configurationOf(lab: Lab, service: Record<string, string>): string {
  const usual = { proto: 'tcp+udp', adapt: '1', idle_timeout: '3s', drain_timeout: '1h', learn_time: '5s' };
  return webService(lab, { service: { ...usual, ...service } });
}

/** Who has each slot, by the kernel. */
function owners({ router }: Lab): Promise<string[]> {
  return kernelOwners(router, 'web');
}

function movedBetween(before: readonly string[], after: readonly string[]): number {
  return before.filter((owner, slot) => owner !== after[slot]).length;
}

function held(table: readonly string[], server: string): number {
  return table.filter((owner) => owner === server).length;
}

/** Clients of all servers, and a few of one that ask much more often. */
async function holdUneven(load: TrafficLoad, busy: string): Promise<void> {
  const flow = { destination: ghost, port: echoPort };
  for (const [index, source] of spreadClients(4, light).entries()) {
    load.hold({ ...flow, protocol: index % 2 === 0 ? 'tcp' : 'udp', source, period: 1_000 });
  }
  await load.allOpen(20_000);
  const sources = [...load.held.values()].filter(({ server }) => server === busy).map(({ options }) => options.source);
  assert.ok(sources.length > heavy, `${busy} has clients`);
  for (const source of sources.slice(0, heavy)) load.hold({ ...flow, protocol: 'udp', source, period: 4 });
  await load.allOpen(20_000);
}

test('few heavy clients: slots go from their server to the others, slowly, and nobody notices', () =>
  withHurried(async (lab, daemon, bus) => {
    await daemon.start(configurationOf(lab, {}));
    const control = await ControlClient.join(bus);
    const start = await owners(lab);
    const load = new TrafficLoad(lab.wan, 5_000);
    await holdUneven(load, 's1');

    const first = await control.until(({ action }) => action === 'adapt', patience);
    assert.is(first.service, 'web');
    assert.ok((await control.service('web')).transition, 'open connections are kept where they are');
    const second = await owners(lab);
    const moved = movedBetween(start, second);
    assert.ok(moved > 0 && moved <= most, `${moved} slots have moved`);
    assert.ok(held(second, 's1') < held(start, 's1'), 's1 has fewer');
    for (const other of ['s2', 's3']) assert.ok(held(second, other) > held(start, other), `${other} has more`);
    const { s1, s2 } = (await control.service('web')).servers;
    assert.is(s1?.weight, 100);
    assert.ok((s1?.effective_weight ?? 100) < 100 && (s2?.effective_weight ?? 100) > 100);

    // While open connections are kept elsewhere, the load is not that of the slots.
    const from = control.events.length;
    load.stream(
      spreadClients(4, 100).map((source) => ({ source, destination: ghost, port: echoPort })),
      50,
    );
    await load.until('new connections after the step', 20_000, () => load.attempts.length >= 200);
    assert.equal(load.breaks, [], 'no connection broke, and none has another server');
    for (const { reason, source } of load.attempts) assert.is(reason, undefined, `a new connection of ${source}`);
    const { kept = {} } = (await control.service('web')).transition ?? {};
    assert.ok(Number(kept['s1']?.packets ?? 0) > 0, 's1 has packets of connections in slots that have moved');
    load.stream([], 0);
    for (const flow of [...load.held.keys()]) load.drop(flow);
    await control.until(({ action }) => action === 'transition', patience, from);
    assert.not.ok(
      control.events.slice(from).some(({ action }) => action === 'adapt'),
      'no step amid a change',
    );

    await holdUneven(load, 's1');
    await control.until(({ action }) => action === 'adapt', patience, from);
    const third = await owners(lab);
    assert.ok(movedBetween(second, third) <= most);
    assert.ok(held(third, 's1') < held(second, 's1'), 's1 has fewer still');
    await load.end();
    assert.equal(load.breaks, []);
    figure(
      `slots of the busy one of three servers: ${[start, second, third].map((table) => held(table, 's1')).join(' → ')}`,
    );
    control.close();

    assert.is(await daemon.stop(), 0);
    await daemon.start(configurationOf(lab, {}));
    assert.is(movedBetween(third, await owners(lab)), 0, 'a start moves nothing');
    await daemon.reload(configurationOf(lab, { on_failure: 'reset' }));
    assert.is(movedBetween(third, await owners(lab)), 0, 'nor does a reload');
    const places = ['--config', daemon.configFile, '--state', daemon.stateFolder, '--ubus', daemon.ubusSocket];
    const planned = await lab.router.run([oneipProgram, 'plan', ...places]);
    assert.match(planned, /nothing|no change/i, 'and a plan says so');
    await daemon.reload(configurationOf(lab, { adapt: '0' }));
    assert.is(movedBetween(start, await owners(lab)), 0, 'switched off, the weights are as configured');
    assert.is(await daemon.stop(), 0);
  }));

// The same steps by another signal, which take as long again.
if (full)
  test('with address translation, by what a script tells of the servers: a step a minute', () =>
    withHurried(async (lab, daemon, bus) => {
      const script = join(lab.folder, 'busy');
      writeFileSync(script, '#!/bin/sh\n[ "$2" = s1 ] && echo 30 || echo 10\n', { mode: 0o755 });
      const watchdog = uciSection('watchdog', 'busy', { type: 'script', script, interval: '200ms' });
      await daemon.start(configurationOf(lab, { dispatch: 'nat' }) + watchdog);
      const control = await ControlClient.join(bus);
      const { s1 } = (await control.service('web')).servers;
      let before = s1?.slots ?? 0;
      for (let step = 0; step < 3; step++) {
        const { reason = '' } = await control.until(({ action }) => action === 'adapt', patience);
        assert.ok(Number.parseInt(reason) <= most, reason);
        const after = (await control.service('web')).servers['s1']?.slots ?? 0;
        assert.ok(after < before && before - after <= most, `${before} → ${after}`);
        before = after;
      }
      control.close();
      assert.is(await daemon.stop(), 0);
    }));

test.run();
