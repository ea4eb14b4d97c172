import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

const folder = 'build/lib/oneip';
const files = readdirSync(folder).filter((name) => name.endsWith('.js'));

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
  for (const name of ['run', 'doctor', 'server']) assert.not(daemon.has(partOf(name)), name);
  for (const name of ['run', 'doctor', 'daemon']) assert.not(server.has(partOf(name)), name);
});

test('the program begins with little', () => {
  assert.equal(
    [...loadedWith('oneip.js')].filter((file) => /-(daemon|run|doctor|server)-/.test(file)),
    [],
  );
});

test.run();
