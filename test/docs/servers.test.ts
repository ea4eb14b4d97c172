import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

const page = readFileSync('docs/servers.md', 'utf8');
const [, unit = ''] = /```ini\n([^]*?)```/.exec(page) ?? [];

/** What systemd has to say about a unit; nothing where it is content. */
function complaintsAbout(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'oneip-unit-'));
  try {
    const path = join(folder, 'oneip-server.service');
    writeFileSync(path, text);
    // Its programs have to be there.
    const { status, stdout, stderr } = spawnSync('systemd-analyze', ['verify', path], { encoding: 'utf8' });
    return `${status === 0 ? '' : `${status} `}${stdout}${stderr}`;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0;
if (!hasSystemd) console.log('# there is no systemd here: the unit was not given to it');

(hasSystemd ? test : test.skip)('systemd finds nothing wrong with the unit', () => {
  const here = unit.replace('/usr/bin/oneip', join(process.cwd(), 'build/bin/oneip'));
  assert.not(here === unit);
  assert.is(complaintsAbout(here), '');
  assert.match(complaintsAbout(here.replace('Restart=', 'Restrat=')), /Restrat/);
});

test('one that is killed is started again at once and for ever, since its filter takes what it took', () => {
  for (const line of ['Restart=on-failure', 'RestartSec=1', 'StartLimitIntervalSec=0']) {
    assert.ok(unit.split('\n').includes(line), line);
  }
});

test.run();
