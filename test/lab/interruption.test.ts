import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { serverAddress } from './addresses.ts';
import { cutCable } from './hitless-fleet.ts';
import { withLab, type Lab } from './lab.ts';
import { figure } from './scenario.ts';
import { clock } from './traffic-load.ts';
import { uciSection } from './uci.ts';

/** Enough that a change of all of them is made in several stages, of two services each. */
const names = Array.from({ length: 12 }, (_, index) => `web${index + 1}`);
const servers = 64;
/** Milliseconds for what takes a second on a quiet machine. */
const patience = 60_000;

/** Services with so many servers each; the second one of the lab answers for all that it has not got. */
function configurationOf(lab: Lab, count: number): string {
  const ghost = lab.ghosts.filter((text) => !text.includes(':'));
  return [
    ...names.map((name, index) =>
      uciSection('service', name, { ghost, proto: 'tcp', port: 8000 + index, source: ['wan'], device: 'br-lan' }),
    ),
    ...Array.from({ length: count }, (_, index) =>
      uciSection('server', `s${index + 1}`, { service: names, address: serverAddress(4, index + 1) }),
    ),
  ].join('');
}

test('a server that dies while a large reload is under way does not wait for its end', () =>
  withLab({ servers: 2 }, async (lab) => {
    const { daemon } = lab;
    const [first, second] = lab.servers;
    assert.ok(first && second);
    const others = Array.from({ length: servers - 2 }, (_, index) => serverAddress(4, index + 3));
    await second.namespace.ip(others.map((address) => `address add ${address}/24 dev eth0`));
    await daemon.start(configurationOf(lab, servers), patience);
    const { process } = daemon;
    const times = new Map<string, number>();
    process.onLine((line) => {
      const told = /oneip: (\w+: s\d+ \w+|reloaded)/.exec(line)?.[1];
      if (told !== undefined && !times.has(told)) times.set(told, clock());
    });
    const begun = process.waitFor((line) => line.includes(`: s${servers} draining`) || undefined, patience);
    const reloaded = process.waitFor((line) => /\boneip: reloaded\b/.test(line) || undefined, patience);
    daemon.configure(configurationOf(lab, servers - 1));
    const start = clock();
    process.signal('SIGHUP');
    await begun;
    await cutCable(first);
    const cut = clock();
    await reloaded;

    const order = [...times].sort((a, b) => a[1] - b[1]).map(([what]) => what);
    const deaths = names.map((name) => order.indexOf(`${name}: s1 down`));
    assert.ok(!deaths.includes(-1), order.join('\n'));
    const changed = names.map((name) => order.indexOf(`${name}: s${servers} draining`));
    assert.ok(!changed.includes(-1), order.join('\n'));
    assert.ok(Math.max(...deaths) < Math.max(...changed), 'the rest of the reload came after it');

    const [moved, end] = [`${names.at(-1)}: s1 down`, 'reloaded'].map((what) => times.get(what) ?? NaN);
    assert.ok(moved !== undefined && end !== undefined);
    figure(
      `${names.length} services of ${servers} servers: a reload of ${Math.round(end - start)} ms, and a death in it of ${Math.round(moved - cut)} ms`,
    );
    assert.ok(moved - cut < (end - start) / 2, `${moved - cut} of ${end - start} ms`);
    assert.is(await daemon.stop(), 0);
  }));

test.run();
