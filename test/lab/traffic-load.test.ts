import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { families, ghostPlaces, serverAddress, wanClient } from './addresses.ts';
import { elapse } from './hitless-clients.ts';
import { withLab, type Lab } from './lab.ts';
import { echoPort, killServer } from './servers.ts';
import { TrafficLoad } from './traffic-load.ts';

/** The router without a daemon: it takes the ghost to one server. */
async function routeTo({ router }: Lab, server: number): Promise<void> {
  await router.ip(
    families.map((family) => `route replace ${ghostPlaces.elsewhere[family]} via ${serverAddress(family, server)}`),
  );
}

/** Flows of both families that ask every 100 ms. */
function holdSome(load: TrafficLoad, protocol: 'tcp' | 'udp', count: number): void {
  for (let number = 0; number < count; number++) {
    for (const family of families) {
      const source = wanClient(family, number);
      load.hold({ protocol, source, destination: ghostPlaces.elsewhere[family], port: echoPort, period: 100 });
    }
  }
}

function reasons(load: TrafficLoad, protocol: string): string[] {
  const found = load.breaks.filter(({ options }) => options.protocol === protocol).map(({ reason }) => reason);
  return [...new Set(found)].sort();
}

function everythingBroken(load: TrafficLoad): Promise<void> {
  return load.until('all flows are broken', 5_000, () => load.held.size === 0);
}

test('a flow that another server answers is told as broken: TCP is reset, UDP moves', () =>
  withLab({ servers: 2 }, async (lab) => {
    const load = new TrafficLoad(lab.wan, 1_000);
    await routeTo(lab, 1);
    holdSome(load, 'tcp', 5);
    holdSome(load, 'udp', 5);
    await load.allOpen(5_000);
    assert.equal([...load.openByServer()], [['s1', 20]]);
    assert.is(load.breaks.length, 0);
    await routeTo(lab, 2);
    await everythingBroken(load);
    assert.equal(reasons(load, 'tcp'), ['ECONNRESET']);
    assert.equal(reasons(load, 'udp'), ['MOVED']);
    assert.ok(load.breaks.every(({ server, good, began }) => server === 's1' && good > began));
    const moved = load.breaks.filter(({ reason }) => reason === 'MOVED');
    assert.ok(moved.every(({ by, asked, good, time }) => by === 's2' && good < asked && asked < time));
    await load.end();
  }));

test('who had a flow before anybody answered may answer late', () =>
  withLab({ servers: 2 }, async (lab) => {
    const load = new TrafficLoad(lab.wan, 3_000);
    const [first] = lab.programs;
    assert.ok(first);
    await routeTo(lab, 1);
    first.echo.signal('SIGSTOP');
    holdSome(load, 'udp', 5);
    await elapse(250);
    await routeTo(lab, 2);
    await load.allOpen(5_000);
    first.echo.signal('SIGCONT');
    await elapse(250);
    assert.equal([...load.openByServer()], [['s2', 10]]);
    assert.equal(load.breaks, []);
    assert.equal(load.losses, []);
    await load.end();
  }));

test('a server that dies, and one that is not reached any more', () =>
  withLab({ servers: 1 }, async (lab) => {
    const load = new TrafficLoad(lab.wan, 1_500);
    await routeTo(lab, 1);
    holdSome(load, 'tcp', 5);
    holdSome(load, 'udp', 5);
    const origins = families.map((family) => ({
      source: wanClient(family, 99),
      destination: ghostPlaces.elsewhere[family],
      port: echoPort,
    }));
    load.stream(origins, 100);
    await load.allOpen(5_000);
    await load.until('new connections', 2_000, () => load.attempts.length >= 20);
    assert.ok(load.attempts.every(({ server, reason }) => server === 's1' && reason === undefined));

    // Shorter than the patience: only the datagrams of that time are missing.
    await lab.router.ip(families.map((family) => `route replace blackhole ${ghostPlaces.elsewhere[family]}`));
    await elapse(300);
    await routeTo(lab, 1);
    await load.until('losses', 3_000, () => load.losses.length >= 20);
    assert.ok(
      load.losses.every(({ since, time, good, server }) => server === 's1' && good < since && time - since < 1_100),
    );
    assert.equal(load.breaks, []);

    await lab.router.ip(families.map((family) => `route replace blackhole ${ghostPlaces.elsewhere[family]}`));
    await everythingBroken(load);
    assert.equal(reasons(load, 'tcp'), ['SILENT']);
    assert.equal(reasons(load, 'udp'), ['SILENT']);
    assert.ok(load.attempts.some(({ reason }) => reason === 'SILENT'));

    await routeTo(lab, 1);
    load.breaks.length = 0;
    load.attempts.length = 0;
    holdSome(load, 'tcp', 5);
    holdSome(load, 'udp', 5);
    await load.allOpen(5_000);
    const [programs] = lab.programs;
    assert.ok(programs);
    await killServer(programs);
    await everythingBroken(load);
    assert.equal(
      reasons(load, 'tcp').filter((reason) => !['EOF', 'ECONNRESET'].includes(reason)),
      [],
    );
    assert.equal(reasons(load, 'udp'), ['ECONNREFUSED']);
    await load.until('refused', 1_000, () => load.attempts.some(({ reason }) => reason === 'ECONNREFUSED'));
    await load.end();
  }));

test.run();
