import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { ServerLoad } from '../../src/channel/message.ts';
import type { Watchdog } from '../../src/config/model.ts';
import { ReportedLoads } from '../../src/daemon/reported-loads.ts';
import { pressure } from '../../src/load/loads.ts';

const PATH = '/etc/oneip/busy';

function watchdog(interval: number, timeout = 1000): Watchdog {
  return {
    ...{ name: 'busy', check: { type: 'script', path: PATH }, interval, timeout, rise: 2, fall: 3 },
    ...{ services: [], servers: [], halfLife: 0 },
  };
}

/** Two servers, a clock, and what they have told over the channel. */
function world(watchdogs: readonly Watchdog[] = [watchdog(10_000)]) {
  const now = { at: 1000 };
  const told = new Map<string, { at: number; load?: ServerLoad }>();
  const loads = new ReportedLoads({
    clock: () => now.at,
    reporter: (server) => told.get(server),
    watchdogs: () => watchdogs,
  });
  const tell = (server: string, load?: ServerLoad) => told.set(server, { at: now.at, ...(load ? { load } : {}) });
  const print = (server: string, reason: string, passed = true, service = 'web') =>
    loads.heard(PATH, { service, server }, { passed, reason });
  const both = (service = 'web') => {
    const found = loads.of(service, ['web1', 'web2']);
    return found && { kind: found.kind, loads: [...found.loads], at: found.at };
  };
  return { now, tell, print, both, loads };
}

test('loads are those that all servers have told, in one kind, or none', () => {
  const { now, tell, both, loads } = world();
  assert.is(both(), undefined);
  tell('web1', { connections: 5, cpu: 0.5, script: 70 });
  assert.is(both(), undefined, 'only one of them has told');
  now.at += 400;
  tell('web2', { connections: 9, cpu: 0.25 });
  assert.equal(both(), {
    kind: 'processor',
    loads: [
      ['web1', 0.5],
      ['web2', 0.25],
    ],
    at: 1000,
  });
  tell('web2', { connections: 9, cpu: 0.25, script: 30 });
  assert.equal(both(), {
    kind: 'script',
    loads: [
      ['web1', 70],
      ['web2', 30],
    ],
    at: 1000,
  });
  tell('web2');
  assert.is(both(), undefined, 'it tells nothing of its load any more');
  assert.is(loads.of('web', []), undefined);
});

test('what was told over the channel counts for five seconds', () => {
  const { now, tell, both } = world();
  tell('web1', { connections: 0, cpu: 0.5 });
  now.at += 4000;
  tell('web2', { connections: 0, cpu: 0.5 });
  now.at += 999;
  assert.is(both()?.kind, 'processor');
  now.at += 1;
  assert.is(both(), undefined);
});

test('a script that watches tells the load of each service by itself, for three of its intervals', () => {
  const { now, tell, print, both } = world();
  for (const server of ['web1', 'web2']) tell(server, { connections: 0, cpu: 0.5, script: 7 });
  print('web1', '12');
  now.at += 5;
  print('web2', '-4');
  assert.equal(
    both(),
    {
      kind: 'watchdog',
      loads: [
        ['web1', 12],
        ['web2', 0],
      ],
      at: 1000,
    },
    'none is below 0',
  );
  assert.is(both('mail')?.kind, 'script', 'it watches another service');
  print('web1', '90 of 100 sessions');
  print('web1', '90', false);
  assert.is(both()?.loads[0]?.[1], 12, 'no number, or no success: what it printed before counts');
  now.at = 1000 + 30_000;
  assert.is(both(), undefined, 'the last number of web1 is too old');
});

test('the times of a script are those of the watchdog that runs it the least often', () => {
  const { now, print, both } = world([watchdog(1000, 2000), watchdog(200, 100)]);
  print('web1', '1');
  print('web2', '2');
  now.at += 5999;
  assert.is(both()?.kind, 'watchdog');
  now.at += 1;
  assert.is(both(), undefined);
});

test('amounts are compared by weight, the use of processors is not', () => {
  assert.is(pressure('packets', 300, 100), 3);
  assert.is(pressure('watchdog', 30, 10), 3);
  assert.is(pressure('script', 30, 10), 3);
  assert.is(pressure('processor', 0.5, 10), 0.5);
});

test.run();
