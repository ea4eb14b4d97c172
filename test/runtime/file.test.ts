import {
  decodeUtf8,
  encodeUtf8,
  fileStatus,
  lockFile,
  makeDirectory,
  pid,
  readDirectory,
  readFile,
  readLink,
  removeFile,
  replaceFile,
  writeFile,
} from 'oneip:runtime';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { removeScratch, run, runScript, scratch, scratchPath } from './support/script.ts';
import { failsWith, refusesAllBut } from './support/throws.ts';

test('what is written can be read, text and bytes, none and much', () => {
  const path = scratchPath();
  writeFile(path, 'text é');
  assert.is(decodeUtf8(readFile(path)), 'text é');
  writeFile(path, '');
  assert.is(readFile(path).length, 0);
  const much = new Uint8Array(3_000_000).map((_, i) => i);
  writeFile(path, much);
  assert.equal(readFile(path), much);
});

test('files of /proc and /sys, whose size the kernel does not tell, are read whole', async () => {
  assert.is(decodeUtf8(readFile('/proc/self/stat')).split(' ')[0], String(pid));
  assert.is(decodeUtf8(readFile('/sys/class/net/lo/ifindex')), '1\n');
  const symbols = await run(['sh', '-c', 'wc -c < /proc/kallsyms']);
  assert.is(readFile('/proc/kallsyms').length, Number(symbols.stdout));
});

test('beyond the limit it is EFBIG, at the limit it is not', () => {
  const path = scratchPath();
  writeFile(path, 'x'.repeat(5000));
  assert.is(readFile(path, 5000).length, 5000);
  failsWith('EFBIG', () => readFile(path, 4999));
  failsWith('EFBIG', () => readFile('/dev/zero', 100_000));
  assert.is(readFile('/dev/null', 0).length, 0);
});

test('what cannot be read says why', () => {
  failsWith('ENOENT', () => readFile('/nonexistent'));
  failsWith('EISDIR', () => readFile('/'));
  failsWith('ENOTDIR', () => readFile('/dev/null/x'));
  failsWith('ENAMETOOLONG', () => readFile(`/${'x'.repeat(300)}`));
  try {
    readFile('/nonexistent');
  } catch (error) {
    assert.is((error as Error).message, 'open /nonexistent: No such file or directory');
  }
});

test('a file is replaced with the mode asked for, and nothing is left beside it', () => {
  const directory = `${scratchPath()}.d`;
  makeDirectory(directory, 0o700);
  assert.is(fileStatus(directory)?.mode, 0o700);
  replaceFile(`${directory}/file`, 'one');
  assert.is(fileStatus(`${directory}/file`)?.mode, 0o644);
  replaceFile(`${directory}/file`, encodeUtf8('two'), 0o600);
  assert.is(decodeUtf8(readFile(`${directory}/file`)), 'two');
  assert.is(fileStatus(`${directory}/file`)?.mode, 0o600);
  assert.equal(readDirectory(directory), ['file']);
});

test('a replacement that fails leaves the old file and nothing else', () => {
  const directory = `${scratchPath()}.d`;
  makeDirectory(directory);
  makeDirectory(`${directory}/full`);
  writeFile(`${directory}/full/x`, '');
  failsWith('EISDIR', () => replaceFile(`${directory}/full`, 'data'));
  assert.equal(readDirectory(directory), ['full']);
  failsWith('ENOENT', () => replaceFile(`${directory}/none/file`, 'data'));
  failsWith('ENAMETOOLONG', () => replaceFile(`/${'x'.repeat(5000)}`, 'data'));
});

test('on a full disk the old file stays and no temporary one', async () => {
  const mount = `${scratchPath()}.d`;
  makeDirectory(mount);
  const outcome = await runScript(
    `
    const path = r.args[0] + '/file';
    r.replaceFile(path, 'old');
    try { r.replaceFile(path, 'x'.repeat(200000)); } catch (error) { console.log(error.code, error.syscall); }
    try { r.writeFile(r.args[0] + '/other', 'x'.repeat(200000)); } catch (error) { console.log(error.code); }
    r.removeFile(r.args[0] + '/other');
    console.log(r.decodeUtf8(r.readFile(path)), r.readDirectory(r.args[0]));
    r.replaceFile(path, 'new');
    console.log(r.decodeUtf8(r.readFile(path)));`,
    {
      args: [mount],
      wrapper: ['unshare', '-m', 'sh', '-c', `mount -t tmpfs -o size=64k tmpfs ${mount} && exec "$@"`, 'sh'],
    },
  );
  assert.is(outcome.stderr, '');
  assert.is(outcome.stdout, 'ENOSPC write\nENOSPC\nold ["file"]\nnew\n');
});

test('what is there, and what is not', async () => {
  const base = scratchPath();
  await run(['sh', '-c', `ln -s target ${base}.l; mkfifo ${base}.f`]);
  writeFile(base, '12345');
  const status = fileStatus(base);
  assert.is(status?.type, 'file');
  assert.is(status?.size, 5);
  assert.ok(Math.abs(Date.now() - (status?.modified ?? 0)) < 5000);
  assert.is(fileStatus(`${base}.l`)?.type, 'symlink');
  assert.is(fileStatus(`${base}.f`)?.type, 'fifo');
  assert.is(fileStatus('/')?.type, 'directory');
  assert.is(fileStatus('/dev/null')?.type, 'device');
  assert.is(fileStatus('/nonexistent'), null);
  assert.is(fileStatus('/dev/null/x'), null);
  assert.is(readLink(`${base}.l`), 'target');
  failsWith('EINVAL', () => readLink(base));
  failsWith('EEXIST', () => makeDirectory(scratch()));
  removeFile(`${base}.f`);
  failsWith('ENOENT', () => removeFile(`${base}.f`));
});

test('a directory is listed in the order of names', () => {
  const directory = `${scratchPath()}.d`;
  makeDirectory(directory);
  assert.equal(readDirectory(directory), []);
  for (const name of ['b', 'a', '.hidden', 'c', 'é']) writeFile(`${directory}/${name}`, '');
  assert.equal(readDirectory(directory), ['.hidden', 'a', 'b', 'c', 'é']);
  failsWith('ENOENT', () => readDirectory('/nonexistent'));
  failsWith('ENOTDIR', () => readDirectory('/dev/null'));
});

test('a lock keeps other processes out until this one ends', async () => {
  const path = scratchPath();
  const attempt = (): Promise<string> =>
    runScript('console.log(r.lockFile(r.args[0]))', { args: [path] }).then((o) => o.stdout);
  assert.is(await attempt(), 'true\n');
  assert.is(lockFile(path), true);
  assert.is(lockFile(path), true, 'our own lock is ours again');
  assert.is(await attempt(), 'false\n');
  failsWith('ENOENT', () => lockFile('/nonexistent/lock'));
});

test('descriptors are given back, whatever happens', () => {
  const count = (): number => readDirectory('/proc/self/fd').length;
  const path = scratchPath();
  const before = count();
  for (let i = 0; i < 50; i++) {
    writeFile(path, 'x');
    readFile(path);
    replaceFile(path, 'y');
    failsWith('EISDIR', () => readFile('/'));
    failsWith('EFBIG', () => readFile(path, 0));
    failsWith('EISDIR', () => replaceFile('/tmp', ''));
  }
  assert.is(count(), before);
});

test('wrong arguments', () => {
  for (const call of [readFile, removeFile, makeDirectory, readDirectory, readLink, fileStatus, lockFile]) {
    refusesAllBut(['text'], (value) => call(value));
    assert.throws(
      () => call('/a\0b'),
      (error: unknown) => error instanceof TypeError,
    );
  }
  refusesAllBut(['text'], (value) => writeFile(value, ''));
  refusesAllBut(['text'], (value) => replaceFile(value, ''));
  refusesAllBut(['text', 'bytes'], (value) => writeFile('/dev/null', value));
  refusesAllBut(['text', 'bytes'], (value) => replaceFile(scratchPath(), value));
  refusesAllBut(['undefined', 'number'], (value) => readFile('/dev/null', value));
  refusesAllBut(['undefined', 'number'], (value) => replaceFile(scratchPath(), '', value));
});

test.after(removeScratch);
test.run();
