// Leads from a stack in a router's log to the sources: each place in the bundle becomes a place in a file of ours.
//   logread -e oneip | node src/build/trace.mjs bundle
//
// The folder is that of the release, in its tarball, and has to be of the version that runs.
import { existsSync, readFileSync } from 'node:fs';
import { SourceMap } from 'node:module';
import { join, relative, resolve } from 'node:path';

const [folder] = process.argv.slice(2);
const maps = new Map();

function mapOf(name) {
  const file = join(folder, `${name}.js.map`);
  if (!maps.has(name))
    maps.set(name, existsSync(file) ? new SourceMap(JSON.parse(readFileSync(file, 'utf8'))) : undefined);
  return maps.get(name);
}

/** The place in our sources, as from where this runs; what was there before where no map knows of one. */
function original(place, name, line, column) {
  const { originalSource, originalLine, originalColumn } =
    mapOf(name)?.findEntry(Number(line) - 1, Number(column) - 1) ?? {};
  if (originalSource === undefined) return place;
  const path = relative('.', resolve(folder, originalSource));
  return `${path}:${originalLine + 1}:${originalColumn + 1}`;
}

const log = readFileSync(0, 'utf8');
process.stdout.write(log.replace(/[^\s():]*\b(oneip(?:-[\w-]+)?)(?:\.js)?:(\d+):(\d+)/g, original));
