import * as assert from 'uvu/assert';
import { nextFactors, sharesOf } from '../../src/load/least.ts';
import type { Family } from '../../src/net/address.ts';
import { families, ghostPlaces, scatteredClient, wanClient } from './addresses.ts';
import type { ControlClient } from './control-client.ts';
import { cutCable, mendCable } from './hitless-fleet.ts';
import type { Lab } from './lab.ts';
import { configuration, eventually, figure } from './scenario.ts';
import { echoPort } from './servers.ts';
import { describeBreaks, goesOn, outliveChanges, period, setServer } from './remembered-connections.ts';
import { TrafficLoad, clock } from './traffic-load.ts';
import { uciSection } from './uci.ts';
import { serverOf, watchedSuite } from './watchdog-lab.ts';

const isFull = (globalThis as { ONEIP_FULL?: boolean }).ONEIP_FULL === true;
const weights = { s1: 200, s2: 100, s3: 100, s4: 50 } as const;
type Name = keyof typeof weights;
const names = Object.keys(weights) as Name[];
const all = names.reduce((total, name) => total + weights[name], 0);
const ghosts = {
  direct: ghostPlaces.elsewhere,
  mapped: { 4: '192.0.2.81', 6: '2001:db8:80::81' },
} as const;
type Which = keyof typeof ghosts;
const services = Object.keys(ghosts) as Which[];
const transports = ['tcp', 'udp'] as const;
/** Seconds without a packet after which a UDP flow is over. */
const idle = 3;
/** What a server gets at most, in shares of its weight. */
const LARGEST = 3;

function configurationOf(
  lab: Pick<Lab, 'servers' | 'ghosts'>,
  changed: Readonly<Record<string, number>> = {},
  servers = lab.servers,
): string {
  const service = (name: Which, options: Readonly<Record<string, string>>) => ({
    ghost: families.map((family) => ghosts[name][family]),
    options: { port: String(echoPort), source: ['wan'], scheduler: 'least', ...options },
  });
  return [
    configuration(
      { ...lab, servers },
      { direct: service('direct', { idle_timeout: `${idle}s` }), mapped: service('mapped', { dispatch: 'nat' }) },
      { ...weights, ...changed },
    ),
    uciSection('watchdog', 'alive', { type: 'tcp', interval: '500ms', timeout: '2s', half_life: '0s' }),
  ].join('');
}

const { test, run } = watchedSuite(
  'connections placed by the least load',
  { ghosts: families.map((family) => ghosts.direct[family]) },
  async (lab) => {
    // As long as `idle_timeout`, so that flows of one test are not there in the next.
    const times = ['', '_stream'].map((which) => `net.netfilter.nf_conntrack_udp_timeout${which}=${idle}`);
    await lab.router.run(['sysctl', '-w', ...times]);
    return configurationOf(lab);
  },
);

/** Opens so many connections of each family and protocol, and waits for all answers. */
async function open(load: TrafficLoad, service: Which, count: number, first: number): Promise<void> {
  const known = load.breaks.length;
  for (let number = first; number < first + count; number++) {
    for (const family of families) {
      for (const protocol of transports) {
        const source = scatteredClient(family, number);
        load.hold({ protocol, source, destination: ghosts[service][family], port: echoPort, period });
      }
    }
  }
  await load.allOpen(30_000);
  // Who cannot be reached, or has no address, is not held any more.
  assert.equal(describeBreaks(load).slice(known), []);
}

/** Resolves when the daemon has counted what is open, and shares are what follows from it. */
async function counted(control: ControlClient, service: Which, load: TrafficLoad): Promise<void> {
  let seen = '';
  await eventually('shares by the load', 60_000, async () => {
    const held = [...load.held.values()].filter(({ options }) => isOf(service, options.destination));
    const loads = names.map((name) => held.filter(({ server }) => server === name).length);
    const { servers } = await control.service(service);
    const counts = names.map((name) => servers[name]?.connections);
    const up = [...names.keys()].filter((index) => servers[names[index] ?? '']?.state === 'up');
    const meant = meantBy(up.map((index) => ({ weight: weights[names[index] ?? 's1'], load: loads[index] ?? 0 })));
    const shares = up.map((index) => servers[names[index] ?? '']?.share ?? 0);
    seen = `${loads.join(' ')} counted as ${counts.join(' ')}, shares ${shares.join(' ')} and not ${meant.join(' ')}`;
    const isNear = shares.every((share, index) => Math.abs(share - (meant[index] ?? 0)) < 0.04);
    return (JSON.stringify(counts) === JSON.stringify(loads) && isNear) || undefined;
  }).catch((error: unknown) => assert.unreachable(`${String(error)}: ${seen}`));
}

/** Shares that the law comes to while loads stay as they are. */
function meantBy(candidates: readonly { weight: number; load: number }[]): number[] {
  let factors: readonly number[] = [];
  for (let look = 0; look < 60; look++)
    factors = nextFactors(
      candidates.map((candidate, index) => ({ ...candidate, factor: factors[index] })),
      500,
      1,
    );
  return sharesOf(
    candidates.map(({ weight }) => weight),
    factors,
  );
}

function isOf(service: Which, ghost: string): boolean {
  return families.some((family) => ghosts[service][family] === ghost);
}

/** Connections by server. */
function loads(load: TrafficLoad, isMeant: (of: { protocol: string; family: Family }) => boolean = () => true) {
  const found = [...load.held.values()].filter(({ options }) =>
    isMeant({ protocol: options.protocol, family: options.destination.includes(':') ? 6 : 4 }),
  );
  return new Map(names.map((name) => [name, found.filter(({ server }) => server === name).length]));
}

for (const service of services) {
  test(`${service}: who has less for its weight gets more, until all have the same`, async ({ lab, control }) => {
    const load = new TrafficLoad(lab.wan, 10_000);
    for (const name of ['s1', 's2']) await setServer(control, service, name, 'drain');
    const some = 20;
    await open(load, service, some, 0);
    assert.equal([loads(load).get('s1'), loads(load).get('s2')], [0, 0]);
    for (const name of ['s1', 's2']) await setServer(control, service, name, 'auto');
    await counted(control, service, load);
    const before = loads(load);

    // The two that have nothing get nearly everything, in the proportion of their weights.
    await open(load, service, some, some);
    for (const family of families) {
      for (const protocol of transports) {
        const here = loads(load, (of) => of.family === family && of.protocol === protocol);
        const rest = (here.get('s3') ?? 0) + (here.get('s4') ?? 0) - some;
        // By the weights alone a third of 20.
        assert.ok(rest <= 4, `IPv${family}, ${protocol}: ${[...here].join(' ')}`);
      }
    }
    // In portions, so that what follows from one is seen by the next.
    for (let portion = 2; portion < 5; portion++) {
      await counted(control, service, load);
      await open(load, service, some, portion * some);
    }
    const after = loads(load);
    const sum = [...after.values()].reduce((total, count) => total + count, 0);
    const ratios = names.map((name) => ((after.get(name) ?? 0) / sum) * (all / weights[name]));
    figure(
      `${service}: ${[...before].join(' ')}, in the end ${[...after].join(' ')}: ${ratios.map((ratio) => ratio.toFixed(2)).join(', ')} of the average for the weight`,
    );
    for (const ratio of ratios) assert.ok(ratio > 0.75 && ratio < 1.3, ratios.join(' '));
    assert.equal(load.breaks, []);
    await load.end();
  });

  // Both take the same way, so that one does for the short form.
  if (!isFull && service !== services[0]) continue;
  test(`${service}: who comes back with nothing gets more than its share, and no crowd`, async ({ lab, control }) => {
    const load = new TrafficLoad(lab.wan, 10_000);
    await open(load, service, 30, 0);
    await setServer(control, service, 's4', 'down');
    await counted(control, service, load);
    load.stream(
      families.map((family) => ({
        source: wanClient(family, 99),
        destination: ghosts[service][family],
        port: echoPort,
      })),
      200,
    );
    await load.until('the end of what it had', 10_000, () => loads(load).get('s4') === 0);
    const had = [...loads(load)].filter(([name]) => name !== 's4').map(([, count]) => count);
    await load.until('connections without it', 20_000, () => load.attempts.length >= 200);
    assert.not.ok(load.attempts.slice(-50).some(({ server }) => server === 's4'));
    await setServer(control, service, 's4', 'auto');
    const from = load.attempts.length;
    const fair = weights.s4 / all;
    await eventually('twice its share', 60_000, async () => {
      const { share } = await control.server(service, 's4');
      return share > 2 * fair || undefined;
    });
    const more = load.attempts.length;
    const last = 300;
    await load.until('connections with it', 30_000, () => load.attempts.length >= more + last);
    const count = more + last - from;
    const attempts = load.attempts.slice(from, more + last);
    const size = 100;
    const parts = Array.from({ length: Math.floor(count / size) }, (_, part) => {
      const here = attempts.slice(part * size, (part + 1) * size);
      return here.filter(({ server }) => server === 's4').length;
    });
    const got = attempts.slice(-last).filter(({ server }) => server === 's4').length;
    figure(
      `${service}: with ${had.join(', ')} connections at the others, one that comes back with nothing gets ${parts.join(', ')} of each ${size}; by its weight ${(fair * size).toFixed(1)}`,
    );
    // Chance makes more of it than four standard deviations once in 30 000 times.
    const most = (of: number) => LARGEST * fair * of + 4 * Math.sqrt(LARGEST * fair * (1 - LARGEST * fair) * of);
    for (const part of parts) assert.ok(part <= most(size), parts.join(' '));
    assert.ok(got > 1.3 * fair * last, `${got} of ${last}`);
    assert.equal(
      attempts.filter(({ reason }) => reason !== undefined),
      [],
    );
    await load.end();
  });
}

/** Connections of each family and protocol, and of each service. */
const each = isFull ? 250 : 60;

async function holdAll(lab: Lab): Promise<TrafficLoad> {
  const load = new TrafficLoad(lab.wan, 10_000);
  for (const service of services) await open(load, service, each, 0);
  return load;
}

test('no connection breaks when servers are drained, reweighted, taken out, brought back, or the daemon is killed', async ({
  lab,
  control,
}) => {
  const load = await holdAll(lab);
  const asked = services.map((service) => ghosts[service]);
  await outliveChanges(lab, load, { control, services, patient: 'mapped', ghosts: asked, configurationOf });
});

test('what a dead server had moves on, and new connections go to the others', async ({ lab, control }) => {
  const load = await holdAll(lab);
  const dead = serverOf(lab, 2);
  const had = [...load.held.values()].filter(({ server }) => server === dead.name);
  const cut = clock();
  const [down] = await Promise.all([control.told('down', dead.name, 10_000), cutCable(dead)]);
  await load.until('the end of all that it had', 15_000, () => load.breaks.length >= had.length);
  let worst = 0;
  for (const broken of load.breaks) {
    const { protocol: transport } = broken.options;
    assert.is(broken.server, dead.name, 'connections of others stay');
    assert.is(broken.reason, transport === 'tcp' ? 'ECONNRESET' : 'MOVED');
    worst = Math.max(worst, broken.time - down.time);
  }
  figure(
    `${had.length} connections of a dead server: the last client noticed ${Math.round(worst)} ms after the change`,
  );
  // A segment that was lost before comes again when as much time as until then has passed at the latest (RFC 6298 §5.5).
  assert.ok(worst < 1000 + period + (down.time - cut), `${worst}`);
  for (const service of services) {
    await open(load, service, 20, each);
    assert.is((await control.server(service, dead.name)).slots, 0);
  }
  assert.is(loads(load).get('s2'), 0);
  await Promise.all([control.told('up', dead.name, 15_000), mendCable(dead)]);
  await goesOn(load);
  assert.is(load.breaks.length, had.length, 'nothing else breaks');
  await load.end();
});

test('what is told of it: shares as they are, connections, and what chance would do', async ({ lab, control }) => {
  const load = await holdAll(lab);
  for (const service of services) {
    await counted(control, service, load);
    const { servers } = await control.service(service);
    const shares = names.map((name) => servers[name]?.share ?? 0);
    assert.ok(Math.abs(shares.reduce((total, share) => total + share, 0) - 1) < 1e-9);
    const { stdout } = await lab.daemon.command([
      ...['simulate', '--json', '--service', service, '--ubus', lab.daemon.ubusSocket],
      ...['--state', lab.daemon.stateFolder, wanClient(4, 7)],
    ]);
    const [told] = JSON.parse(stdout) as { chances: Record<string, number>; why: string[] }[];
    // A look may have been between the two questions.
    for (const [index, name] of names.entries())
      assert.ok(Math.abs((told?.chances[name] ?? 0) - (shares[index] ?? 0)) < 0.1, stdout);
    assert.match(told?.why.join('\n') ?? '', /by chance, as the load is now/);
  }
  await load.end();
});

run();
