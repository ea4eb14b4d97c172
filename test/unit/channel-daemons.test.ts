import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { channelsOf } from '../../src/channel/place.ts';
import { loadConfiguration } from '../../src/config/validate.ts';
import { healthOf } from '../../src/server/health.ts';
import { parseProcessorTime, usedShare } from '../../src/server/processor-time.ts';
import type { ProbeResult } from '../../src/watchdog/prober.ts';
import { ReportProber } from '../../src/watchdog/report-prober.ts';
import { planProbes } from '../../src/watchdog/plan.ts';
import { address, service } from './support/deployments.ts';

const globals = "config globals 'globals'\n\toption key 'sixteen.letters.'\n";
const webOf = (options: string, ghosts = ['198.51.100.1']) =>
  `config service 'web'\n\toption device 'br-lan'\n${options}${ghosts.map((text) => `\tlist ghost '${text}'\n`).join('')}`;
const server = (name: string, ...addresses: string[]) =>
  `config server '${name}'\n\tlist service 'web'\n${addresses.map((line) => `\toption ${line}\n`).join('')}`;
const both = ["address '192.168.1.11'", "address6 'fd00:1::11'"];
const channels = (...texts: string[]) => channelsOf(loadConfiguration(texts.join(''), 'oneip').model);

test('there is a channel where there is a key, and somebody who wants one', () => {
  const anna = server('anna', ...both);
  const flooded = webOf("\toption dispatch 'broadcast'\n");
  const told = "config watchdog 'told'\n\toption type 'report'\n";
  assert.equal([...channels(globals, flooded, anna).keys()], ['br-lan']);
  assert.equal([...channels(globals, webOf(''), anna, told).keys()], ['br-lan']);
  assert.is(channels(flooded, anna).size, 0);
  assert.is(channels(globals, webOf(''), anna).size, 0);
  assert.is(channels(globals, "config globals\n\toption enabled '0'\n", flooded, anna).size, 1);
  assert.is(channels(`${globals}\toption enabled '0'\n`, flooded, anna).size, 0);
});

test('it is of IPv4 where every server has an address of it', () => {
  const flooded = webOf("\toption dispatch 'broadcast'\n", ['198.51.100.1', '2001:db8::1']);
  const six = server('bert', "address6 'fd00:1::12'");
  assert.is(channels(globals, flooded, server('anna', ...both)).get('br-lan')?.family, 4);
  assert.is(channels(globals, flooded, server('anna', ...both), six).get('br-lan')?.family, 6);
});

/** A prober whose time is told by the test. */
function prober() {
  const timers = new Set<() => void>();
  const results: ProbeResult[] = [];
  const made = new ReportProber((callback) => {
    timers.add(callback);
    return { cancel: () => void timers.delete(callback) };
  });
  const start = () => made.start({ server: 'anna', service: 'web' }, 1000, (result) => results.push(result));
  const runOut = () => {
    for (const callback of [...timers]) {
      timers.delete(callback);
      callback();
    }
  };
  return { made, start, results, runOut, timers };
}

test('a probe takes what the next report says of its service', () => {
  const { made, start, results, timers } = prober();
  made.heard('anna', []);
  start();
  made.heard('bert', [{ service: 'web', well: false, reason: 'no disk' }]);
  assert.equal(results, []);
  made.heard('anna', [
    { service: 'dns', well: true, reason: '' },
    { service: 'web', well: false, reason: 'no disk' },
  ]);
  start();
  made.heard('anna', [{ service: 'web', well: true, reason: 'a program listens' }]);
  start();
  // Who does not judge the service is alive all the same.
  made.heard('anna', [{ service: 'dns', well: false, reason: '' }]);
  assert.equal(results, [
    { passed: false, refused: true, reason: 'no disk' },
    { passed: true, reason: 'a program listens' },
    { passed: true, reason: 'reports' },
  ]);
  assert.is(timers.size, 0);
});

test('silence is a failure, and a probe that is given up says nothing', () => {
  const { made, start, results, runOut } = prober();
  start();
  runOut();
  assert.equal(results, [{ passed: false, reason: 'does not report' }]);
  start().cancel();
  runOut();
  made.heard('anna', []);
  assert.is(results.length, 1);
});

test('a server is asked for its reports once for each service, however many ghosts that has', () => {
  const one = service(1);
  const device = { name: 'br-lan', ifindex: 3, mtu: 1500, up: true };
  const servers = one.servers.map((each) => ({ ...each, number: 1 }));
  const watched = [one, { ...one, name: 'mail' }].map((each) => ({ service: each, device, servers }));
  const { watchdogs } = loadConfiguration(`${globals}config watchdog 'told'\n\toption type 'report'\n`, 'oneip').model;
  const { probes } = planProbes(watched, watchdogs, 0);
  assert.equal(
    probes.map(({ target }) => target.service),
    ['web', 'mail'],
  );
});

test('a server is well where a program listens on each of its ghosts', () => {
  const ghosts = [address('198.51.100.1'), address('2001:db8::1')];
  const web = { ...service(1), ghosts };
  const anywhere = { protocol: 'tcp', address: 'any', port: 80 } as const;
  const four = { protocol: 'tcp', address: address('198.51.100.1'), port: 80 } as const;
  assert.equal(healthOf([web], [anywhere]), [{ service: 'web', well: true, reason: 'a program listens' }]);
  assert.equal(healthOf([web], [four]), [
    { service: 'web', well: false, reason: 'nobody listens on tcp port 80 of 2001:db8::1' },
  ]);
  assert.is(healthOf([web], [{ ...anywhere, protocol: 'udp' }])[0]?.well, false);
  assert.is(healthOf([web], [{ ...anywhere, port: 81 }])[0]?.well, false);
  assert.equal(healthOf([{ ...web, ports: [] }], [anywhere]), []);
});

test("a processor's time is what it does not wait", () => {
  const before = parseProcessorTime('cpu  100 10 30 800 60 0 0 0 5 0\ncpu0 1 2 3 4\n');
  const after = parseProcessorTime('cpu  150 10 55 860 60 5 10 0 9 0\n');
  assert.equal(before, { idle: 860, total: 1000 });
  assert.ok(before && after);
  assert.is(usedShare(before, after), 0.6);
  assert.is(usedShare(after, after), 0);
  assert.is(parseProcessorTime('intr 1 2 3\n'), undefined);
});

test.run();
