import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

const root = process.env['ONEIP_ROOT'] ?? '.';
const scripts = [
  'files/etc/init.d/oneip',
  'files/etc/init.d/oneip-server',
  'files/etc/uci-defaults/oneip',
  'test/openwrt/standin.sh',
];

function held(command: string, ...words: string[]): void {
  const { status, stdout, stderr, error } = spawnSync(command, words, { encoding: 'utf8' });
  assert.is(status, 0, `${command} ${words.join(' ')}: ${error?.message ?? ''}${stdout ?? ''}${stderr ?? ''}`);
}

test('ash and shellcheck find nothing in the scripts', () => {
  for (const script of scripts) {
    held('busybox', 'ash', '-n', join(root, script));
    held('shellcheck', '--shell=dash', join(root, script));
  }
});

test('the capabilities are those of the network, in every set', () => {
  const sets = JSON.parse(readFileSync(join(root, 'files/etc/capabilities/oneip.json'), 'utf8')) as object;
  assert.equal(Object.keys(sets), ['bounding', 'effective', 'ambient', 'permitted', 'inheritable']);
  for (const set of Object.values(sets)) assert.equal(set, ['CAP_NET_ADMIN', 'CAP_NET_RAW']);
});

test('after an installation ubusd reads who may do what, and the configuration is closed; as often as one likes', () => {
  const directory = mkdtempSync(join(tmpdir(), 'oneip-defaults-'));
  try {
    const configuration = join(directory, 'oneip');
    const text = readFileSync(join(root, 'files/etc/uci-defaults/oneip'), 'utf8').replaceAll(
      '/etc/config/oneip',
      configuration,
    );
    // The stand-in fails as the program does where no ubusd runs.
    const run = () =>
      spawnSync('busybox', ['ash', '-c', `killall() { echo "$*"; return 1; }\n( ${text}\n)`], { encoding: 'utf8' });
    assert.is(run().status, 0);
    writeFileSync(configuration, '');
    chmodSync(configuration, 0o666);
    for (let time = 0; time < 2; time++) {
      const { status, stdout } = run();
      assert.is(status, 0);
      assert.is(stdout, '-HUP ubusd\n');
      assert.is(statSync(configuration).mode & 0o777, 0o600);
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test.run();
