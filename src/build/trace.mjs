// Leads from a stack in a router's log to the sources: each place in the bundle becomes a place in a file of ours.
//   logread -e oneip | node src/build/trace.mjs bundle/oneip.js.map
//
// The map is that of the release, in its tarball, and has to be of the version that runs.
import { readFileSync } from 'node:fs';
import { SourceMap } from 'node:module';
import { dirname, relative, resolve } from 'node:path';

const [file] = process.argv.slice(2);
const map = new SourceMap(JSON.parse(readFileSync(file, 'utf8')));

/** The place in our sources, as from where this runs; what was there before where the map knows of none. */
function original(place, line, column) {
  const { originalSource, originalLine, originalColumn } = map.findEntry(Number(line) - 1, Number(column) - 1);
  if (originalSource === undefined) return place;
  const path = relative('.', resolve(dirname(file), originalSource));
  return `${path}:${originalLine + 1}:${originalColumn + 1}`;
}

const log = readFileSync(0, 'utf8');
process.stdout.write(log.replace(/[^\s():]*\boneip(?:\.js)?:(\d+):(\d+)/g, original));
