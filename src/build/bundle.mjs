// Bundles the program for the runtime: ES modules, `oneip:runtime` left to the host.
//   node src/build/bundle.mjs ENTRY OUTPUT VERSION
//
// OUTPUT begins; what it imports only now and then stands in files beside it, `oneip-*.js`, so that a daemon does not hold in
// memory what only commands need. Names are shortened, since every kilobyte counts on a router. OUTPUT.map and its like, which
// stay off it, lead from a stack in a router's log back to the sources: src/build/trace.mjs.
import { chmodSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { build } from 'esbuild';
import { minify } from 'terser';

const [entry, output, version] = process.argv.slice(2);
const banner = '#!/usr/bin/oneip-runtime';
const folder = dirname(output);
const isPart = (name) => /^oneip-.*\.js(\.map)?$/.test(name);

const { outputFiles } = await build({
  entryPoints: [{ in: entry, out: basename(output, '.js') }],
  outdir: folder,
  chunkNames: 'oneip-[name]-[hash]',
  write: false,
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
  define: { ONEIP_VERSION: JSON.stringify(version) },
  logLevel: 'warning',
});
const texts = new Map(outputFiles.map(({ path, text }) => [basename(path), text]));

for (const name of readdirSync(folder).filter(isPart)) rmSync(join(folder, name));
for (const [name, text] of texts) {
  if (name.endsWith('.map')) continue;
  const isFirst = name === basename(output);
  // The second pass compresses better by 5 %: it inlines what is used once, and names variables in the order of their scope.
  const { code, map } = await minify(text, {
    module: true,
    ecma: 2020,
    // Lines instead of semicolons tell more in a stack, and cost nothing.
    format: { semicolons: false, comments: 'some', ...(isFirst ? { preamble: banner } : {}) },
    sourceMap: { content: texts.get(`${name}.map`), filename: name },
  });
  writeFileSync(join(folder, name), `${code}\n`);
  writeFileSync(join(folder, `${name}.map`), map);
  if (isFirst) chmodSync(join(folder, name), 0o755);
}
