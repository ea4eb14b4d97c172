// Bundles the program for the runtime: ES modules, `oneip:runtime` left to the host.
//   node src/build/bundle.mjs ENTRY OUTPUT VERSION
//
// OUTPUT begins; what it imports only now and then stands in files beside it, `oneip-*.js`, so that a daemon does not hold in
// memory what only commands need. Names are shortened, since every kilobyte counts on a router. OUTPUT.map and its like, which
// stay off it, lead from a stack in a router's log back to the sources: src/build/trace.mjs. A file `packages` beside OUTPUT has a
// line `PACKAGE FILE` for each file.
import { chmodSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { build } from 'esbuild';
import { minify } from 'terser';

const [entry, output, version] = process.argv.slice(2);
const banner = '#!/usr/bin/oneip-runtime';
const folder = dirname(output);
/** Packages that may be left out: the modules with which their parts begin, and the others that each depends on. */
const packages = {
  'oneip-channel': { beginnings: ['src/daemon/channel-part.ts'], needs: [] },
  'oneip-tools': { beginnings: ['src/cli/tools.ts'], needs: ['oneip-channel'] },
  'oneip-server': {
    beginnings: ['src/daemon/server.ts', 'src/cli/server-status.ts'],
    needs: ['oneip-channel', 'oneip-tools'],
  },
};
const isPart = (name) => /^oneip-.*\.js(\.map)?$/.test(name);

const { outputFiles, metafile } = await build({
  entryPoints: [{ in: entry, out: basename(output, '.js') }],
  outdir: folder,
  chunkNames: 'oneip-[name]-[hash]',
  write: false,
  metafile: true,
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'neutral',
  mainFields: ['module', 'main'],
  target: 'es2022',
  external: ['oneip:runtime'],
  // Names of parts and maps tell where sources lie: below the project, wherever its packages really are.
  preserveSymlinks: true,
  charset: 'utf8',
  legalComments: 'inline',
  minify: true,
  sourcemap: 'external',
  sourcesContent: false,
  define: { ONEIP_VERSION: JSON.stringify(version), ONEIP_DOCUMENTED: 'false' },
  logLevel: 'warning',
});

const parts = Object.keys(metafile.outputs);
const beginsWith = (modules) => parts.filter((path) => modules.includes(metafile.outputs[path].entryPoint));
const beginnings = new Set(beginsWith(Object.values(packages).flatMap((each) => each.beginnings)));

/** Parts that are imported with one, and with those in turn, but for what another package begins with. */
function importedWith(path, found = new Set()) {
  if (found.has(path) || !parts.includes(path)) return found;
  found.add(path);
  for (const other of metafile.outputs[path].imports) if (!beginnings.has(other.path)) importedWith(other.path, found);
  return found;
}

/** A part that several packages want is in the one that all others depend on, if there is one, and else in the first package. */
function ownerOf(path) {
  const users = Object.keys(packages).filter((name) => wanted.get(name).has(path));
  if (wanted.get('oneip').has(path)) return 'oneip';
  return (
    users.find((name) => users.every((other) => other === name || packages[other].needs.includes(name))) ?? 'oneip'
  );
}

const wanted = new Map([['oneip', importedWith(relative('.', output))]]);
for (const [name, each] of Object.entries(packages)) {
  wanted.set(name, new Set(beginsWith(each.beginnings).flatMap((path) => [...importedWith(path)])));
}

const texts = new Map(outputFiles.map(({ path, text }) => [basename(path), text]));

for (const name of readdirSync(folder).filter(isPart)) rmSync(join(folder, name));
for (const [name, text] of texts) {
  if (name.endsWith('.map')) continue;
  const isFirst = name === basename(output);
  // The second pass compresses better by 5 %: it inlines what is used once, and names variables in the order of their scope.
  const { code, map } = await minify(text, {
    module: true,
    ecma: 2020,
    // A constant on the left, as comparisons are turned otherwise, compresses worse.
    compress: { passes: 2, lhs_constants: false },
    // Lines instead of semicolons tell more in a stack, and cost nothing.
    format: { semicolons: false, comments: 'some', ...(isFirst ? { preamble: banner } : {}) },
    sourceMap: { content: texts.get(`${name}.map`), filename: name },
  });
  writeFileSync(join(folder, name), `${code}\n`);
  writeFileSync(join(folder, `${name}.map`), map);
  if (isFirst) chmodSync(join(folder, name), 0o755);
}
const lines = parts.filter((path) => path.endsWith('.js')).map((path) => `${ownerOf(path)} ${basename(path)}\n`);
writeFileSync(join(folder, 'packages'), lines.sort().join(''));
