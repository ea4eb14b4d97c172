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
/** Packages that may be left out, by the modules with which their parts begin. The feed's Makefile says which needs which. */
const packages = {
  'oneip-channel': ['src/daemon/channel-part.ts'],
  'oneip-tools': ['src/cli/tools.ts'],
  'oneip-server': ['src/daemon/server.ts', 'src/cli/server-status.ts'],
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

const beginnings = new Set(Object.values(packages).flat());
const packageOf = new Map();
/** What is imported with a part is in its package, unless an earlier one has it. */
function assign(path, name) {
  const { imports } = metafile.outputs[path];
  if (packageOf.has(path)) return;
  packageOf.set(path, name);
  for (const { path: other } of imports) {
    const part = metafile.outputs[other];
    if (part && !beginnings.has(part.entryPoint)) assign(other, name);
  }
}
const partsThatBegin = (entryPoint) =>
  Object.keys(metafile.outputs).filter((path) => metafile.outputs[path].entryPoint === entryPoint);
assign(relative('.', output), 'oneip');
for (const [name, modules] of Object.entries(packages)) {
  for (const path of modules.flatMap(partsThatBegin)) assign(path, name);
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
const lines = [...packageOf].map(([path, name]) => `${name} ${basename(path)}\n`);
writeFileSync(join(folder, 'packages'), lines.sort().join(''));
