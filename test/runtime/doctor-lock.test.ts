import { lockFile, makeDirectory, pid, spawn } from 'oneip:runtime';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { isLocked } from '../../src/host/observe/lock.ts';

const folder = `/tmp/oneip-lock-${pid}`;

function run(...argv: string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    spawn(argv, {}, ({ status }) => (status === 0 ? resolve() : reject(new Error(argv.join(' ')))));
  });
}

test('a lock is seen, also by way of symbolic links, and without taking it', async () => {
  makeDirectory(folder);
  try {
    makeDirectory(`${folder}/tmp`);
    makeDirectory(`${folder}/tmp/run`);
    // As on OpenWrt, where /var leads to /tmp; and a link that leads up and down again.
    await run('ln', '-s', 'tmp', `${folder}/var`);
    await run('ln', '-s', '../tmp/./run', `${folder}/tmp/again`);
    const lock = `${folder}/tmp/run/daemon.lock`;
    assert.not(isLocked(lock), 'nothing is there');
    await run('touch', lock, `${folder}/tmp/run/other.lock`);
    assert.not(isLocked(lock), 'nobody holds it');
    assert.ok(lockFile(lock));
    assert.ok(isLocked(lock));
    assert.ok(isLocked(`${folder}/var/run/daemon.lock`));
    assert.ok(isLocked(`${folder}/tmp/again/daemon.lock`));
    assert.not(isLocked(`${folder}/tmp/run/other.lock`));
    await run('ln', '-s', 'loop', `${folder}/loop`);
    assert.not(isLocked(`${folder}/loop/daemon.lock`));
  } finally {
    await run('rm', '-r', folder);
  }
});

test.run();
