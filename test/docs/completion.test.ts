import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { COMMANDS, FLAGS, GENERAL, OPTIONS } from '../../src/cli/arguments.ts';
import { formatJson } from '../../src/cli/json.ts';
import type { JsonValue } from '../../src/cli/json.ts';
import { statusReply } from '../../src/service/status-reply.ts';
import { decodeTable, encodeTable } from '../../src/ubus/blobmsg.ts';
import { serverStatus, serviceStatus } from '../unit/support/fake-control.ts';

const folder = mkdtempSync(join(tmpdir(), 'oneip-completion-'));
const program = join(folder, 'oneip');

/** A program that answers as `oneip status --json` does; without a status as where no daemon runs. */
function install(status: string | undefined): void {
  const script =
    status === undefined
      ? "echo 'oneip: no daemon' >&2; exit 3"
      : `[ "$*" = 'status --json' ] || exit 9\ncat <<'END'\n${status}\nEND`;
  writeFileSync(program, `#!/bin/sh\n${script}\n`);
  chmodSync(program, 0o755);
}

/** What bash offers for the last of the words. */
function complete(...words: string[]): string[] {
  const script = `. files/usr/share/bash-completion/completions/oneip
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _oneip; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr } = spawnSync('bash', ['-c', script, 'bash', program, ...words], { encoding: 'utf8' });
  assert.is(stderr, '', words.join(' '));
  return stdout.split('\n').filter((line) => line !== '');
}

const kept = [{ server: 'web1', packets: 1n, idle: 2 }];
const reply = statusReply({
  version: '1',
  uptime: 1,
  services: [
    serviceStatus('web', {
      transition: { since: 1, until: 2, slots: 3, kept },
      servers: [serverStatus('web1', { probe: { passed: true, reason: 'ok', age: 1 } }), serverStatus('web2')],
    }),
    serviceStatus('dns', { servers: [serverStatus('web1'), serverStatus('ns_1')] }),
    serviceStatus('empty', { servers: [] }),
  ],
});
const shown = formatJson(decodeTable(encodeTable(reply)) as JsonValue, 2);

test('commands, and the options that each takes', () => {
  install(undefined);
  assert.equal(complete('').sort(), COMMANDS.map(({ name }) => name).sort());
  assert.equal(complete('dr'), ['drain']);
  for (const { name, takes } of COMMANDS) {
    const expected = [...takes, ...GENERAL].map((option) => `--${option}`).sort();
    assert.equal(complete(name, '--').sort(), expected, name);
  }
  assert.equal(complete('drain', 'web1', '--wa'), ['--wait']);
  for (const option of [...Object.keys(OPTIONS), ...Object.keys(FLAGS)]) assert.not(option.includes(' '));
});

test('names of servers and services, from the daemon that runs', () => {
  install(shown);
  assert.equal(complete('failover', ''), ['ns_1', 'web1', 'web2']);
  assert.equal(complete('weight', '--service', 'web', 'web'), ['web1', 'web2']);
  assert.equal(complete('weight', 'web1', ''), []);
  assert.equal(complete('status', ''), ['web', 'dns', 'empty']);
  assert.equal(complete('drain', 'web1', '--service', 'd'), ['dns']);
  assert.equal(complete('drain', 'web1', '--service', '=', 'd'), ['dns']);
  assert.equal(complete('drain', '--service', '=', 'dns', 'n'), ['ns_1']);
  assert.equal(complete('drain', 'web1', '--service', '='), ['web', 'dns', 'empty']);
  assert.equal(complete('drain', '--reason', 'drain', 'n'), ['ns_1']);
  assert.equal(complete('drain', 'web1', '--reason', ''), []);
  assert.equal(complete('add', ''), []);
});

test('no daemon: no names, and nothing said', () => {
  install(undefined);
  assert.equal(complete('failover', ''), []);
  assert.equal(complete('status', ''), []);
});

test('files where files are wanted', () => {
  assert.equal(complete('check', 'Makef'), ['Makefile']);
  assert.equal(complete('plan', '--config', 'Makef'), ['Makefile']);
});

test.after(() => rmSync(folder, { recursive: true }));
test.run();
