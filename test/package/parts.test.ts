import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

const folder = 'build/lib/oneip';
const files = readdirSync(folder).filter((name) => name.endsWith('.js'));

/** The package of each file. */
const packages = new Map(
  readFileSync(`${folder}/packages`, 'utf8')
    .trim()
    .split('\n')
    .map((line) => line.split(' ').reverse() as [string, string]),
);

/** The file of the program with what is imported, now and then, from `name`. */
function partOf(name: string): string {
  const found = files.filter((file) => new RegExp(`^oneip-${name}-[A-Z0-9]{8}\\.js$`).test(file));
  assert.is(found.length, 1, name);
  return found[0] ?? '';
}

/** Files that are loaded with one, itself included. */
function loadedWith(file: string, seen = new Set<string>()): Set<string> {
  if (seen.has(file)) return seen;
  seen.add(file);
  const text = readFileSync(`${folder}/${file}`, 'utf8');
  for (const [, other = ''] of text.matchAll(/(?:from|import)\s*"\.\/([^"]+)"/g)) loadedWith(other, seen);
  return seen;
}

test('a daemon loads nothing that only commands need, and on a server nothing that only a router needs', () => {
  const daemon = loadedWith(partOf('daemon'));
  const server = loadedWith(partOf('server'));
  assert.ok(daemon.size > 1 && server.size > 1, 'what both need is in files of its own');
  for (const name of ['run', 'tools', 'server', 'channel-part']) assert.not(daemon.has(partOf(name)), name);
  for (const name of ['run', 'tools', 'daemon']) assert.not(server.has(partOf(name)), name);
});

test('every file is in a package, and what it loads at once is in one on which that depends', () => {
  assert.equal([...packages.keys()].sort(), files.sort());
  const feed = readFileSync('openwrt-feed/oneip/Makefile', 'utf8');
  const needs = (name: string): string[] => {
    const [, definition = ''] = new RegExp(`^define Package/${name}\n([^]*?)^endef`, 'm').exec(feed) ?? [];
    const [, depends = ''] = /^ {2}DEPENDS:=(.*)$/m.exec(definition) ?? [];
    return depends.split(' ').map((word) => word.replace('+', ''));
  };
  assert.equal(needs('oneip-channel'), ['oneip']);
  for (const [file, name] of packages) {
    const allowed = [name, ...needs(name)];
    for (const other of loadedWith(file)) {
      assert.ok(allowed.includes(packages.get(other) ?? ''), `${name}: ${file} loads ${other}`);
    }
  }
});

test('what may be left out is', () => {
  const beginnings = { run: 'oneip', daemon: 'oneip', 'channel-part': 'oneip-channel', tools: 'oneip-tools' };
  const ofServers = { server: 'oneip-server', 'server-status': 'oneip-server' };
  for (const [part, name] of Object.entries({ ...beginnings, ...ofServers })) {
    assert.is(packages.get(partOf(part)), name, part);
  }
});

test('the program begins with little', () => {
  assert.equal(
    [...loadedWith('oneip.js')].filter((file) => /-(daemon|run|tools|server|server-status|channel-part)-/.test(file)),
    [],
  );
});

test.run();
