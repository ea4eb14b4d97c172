import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import type { ControlClient } from './control-client.ts';
import { elapse } from './hitless-clients.ts';
import { removeAlias, restoreAlias } from './hitless-fleet.ts';
import type { Lab } from './lab.ts';
import { killServer, restartServer, type ServerPrograms } from './servers.ts';
import type { UciOptions } from './uci.ts';
import { assertInUse, serverOf, turns, watched, watchedSuite } from './watchdog-lab.ts';

const often = { interval: '100ms', timeout: '200ms' };

/** What makes the first server fail in a watchdog's eyes, and what mends it. */
interface Fault {
  begin(lab: Lab, control: ControlClient): Promise<unknown>;
  end(lab: Lab, control: ControlClient): Promise<unknown>;
}

const alias: Fault = {
  begin: (lab) => removeAlias(lab, serverOf(lab, 1)),
  end: (lab) => restoreAlias(lab, serverOf(lab, 1)),
};

/** The page `/health` that every server has; the first one's is `content`, or is not there. */
function setHealth(lab: Lab, content: string | undefined): Promise<void> {
  const [first] = lab.programs;
  assert.ok(first);
  const file = join(first.root, 'health');
  if (content === undefined) rmSync(file);
  else writeFileSync(file, content);
  return Promise.resolve();
}

function signalNginx(lab: Lab, signal: 'SIGSTOP' | 'SIGCONT'): Promise<void> {
  lab.programs[0]?.nginx.signal(signal);
  return Promise.resolve();
}

function firstPrograms(lab: Lab): ServerPrograms {
  const [first] = lab.programs;
  assert.ok(first);
  return first;
}

const page = { type: 'http', port: 80, path: '/health', status: [200], body: 'well', header: 'X-Server: s', ...often };
/** The last case that needs these programs: what is started again is not what `lab.programs` has. */
const killed: Fault = {
  begin: (lab) => killServer(firstPrograms(lab)),
  end: (lab) => restartServer(firstPrograms(lab)),
};

/** The reason that is told, what the watchdog is, what happens. */
const cases: readonly (readonly [string, RegExp, UciOptions | ((lab: Lab) => UciOptions), Fault])[] = [
  [
    'http: a page that is not there',
    /404/,
    page,
    { begin: (lab) => setHealth(lab, undefined), end: (lab) => setHealth(lab, 'all well') },
  ],
  [
    'http: a page that says something else',
    /body|text/,
    page,
    { begin: (lab) => setHealth(lab, 'disk full'), end: (lab) => setHealth(lab, 'well again') },
  ],
  [
    'http: a process that was stopped, whose kernel still takes connections',
    /timed out/,
    page,
    { begin: (lab) => signalNginx(lab, 'SIGSTOP'), end: (lab) => signalNginx(lab, 'SIGCONT') },
  ],
  ['tcp: a process that is gone', /refused/, { type: 'tcp', port: 80, ...often }, killed],
  ['ping: no answer at the ghost address', /timed out/, { type: 'ping', ...often }, alias],
  [
    'arp: no answer at its own address',
    /timed out|neighbour|resolve/,
    { type: 'arp', ...often },
    {
      begin: ({ servers: [first] }) => first?.namespace.sysctl({ 'net.ipv4.conf.all.arp_ignore': 8 }) ?? fail(),
      end: ({ servers: [first] }) => first?.namespace.sysctl({ 'net.ipv4.conf.all.arp_ignore': 1 }) ?? fail(),
    },
  ],
  [
    "script: exit status and first line of a program of one's own",
    /s1 is missing at (192\.0\.2\.80|2001:db8:80::80)/,
    (lab) => ({ type: 'script', script: scriptOf(lab), ...often, timeout: '2s' }),
    {
      begin: (lab) => Promise.resolve(rmSync(join(lab.folder, 'here', 's1'))),
      end: (lab) => Promise.resolve(writeFileSync(join(lab.folder, 'here', 's1'), '')),
    },
  ],
  [
    'ubus: what another program says',
    /^disk full$/,
    { type: 'ubus' },
    {
      begin: (_, control) => control.send('oneip.watchdog', { server: 's1', state: 'down', reason: 'disk full' }),
      end: (_, control) => control.send('oneip.watchdog', { server: 's1', state: 'up' }),
    },
  ],
];

function fail(): never {
  throw new Error('no server');
}

/** A program that finds a server well while there is a file of its name. */
function scriptOf({ folder, servers }: Lab): string {
  const here = join(folder, 'here');
  mkdirSync(here, { recursive: true });
  for (const { name } of servers) writeFileSync(join(here, name), '');
  const script = join(folder, 'probe');
  writeFileSync(script, `#!/bin/sh\n[ -e "${here}/$2" ] || { echo "$2 is missing at $ONEIP_GHOST"; exit 1; }\n`);
  chmodSync(script, 0o755);
  return script;
}

const { test, run } = watchedSuite('watchdog types', { servers: 3 }, (lab) => watched(lab, {}));

for (const [name, reason, options, { begin, end }] of cases) {
  test(`${name}: out, and back`, async ({ lab, control }) => {
    for (const { root } of lab.programs) writeFileSync(join(root, 'health'), 'all well');
    const watchdog = typeof options === 'function' ? options(lab) : options;
    await lab.daemon.reload(watched(lab, { probe: watchdog }));
    const heard = control.events.length;
    const down = await turns(lab, control, 'down', 's1', () => begin(lab, control));
    assert.match(down.reason ?? '', reason);
    await turns(lab, control, 'up', 's1', () => end(lab, control));
    for (const other of ['s2', 's3']) await assertInUse(lab, control, other, true);
    const others = control.events.slice(heard).filter(({ server }) => server !== undefined && server !== 's1');
    assert.equal(others, []);
  });
}

test('a report of another program holds for its time to live, whether a watchdog names it or not', async ({
  lab,
  control,
}) => {
  await lab.daemon.reload(watched(lab, {}));
  const report = { server: 's1', state: 'down', reason: 'update', ttl: 1 };
  const down = await turns(lab, control, 'down', 's1', () => control.send('oneip.watchdog', report));
  const up = await control.told('up', 's1');
  assert.ok(up.time - down.time >= 900 && up.time - down.time < 2_000, `${up.time - down.time} ms`);
  // Servers and states that nobody knows change nothing.
  const heard = control.events.length;
  await control.send('oneip.watchdog', { server: 'nobody', state: 'down' });
  await control.send('oneip.watchdog', { server: 's1', state: 'sideways' });
  await control.status();
  await elapse(200);
  assert.is(control.events.length, heard);
});

run();
