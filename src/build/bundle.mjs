// Bundles the program for the runtime: one ES module, `oneip:runtime` left to the host.
//   node src/build/bundle.mjs ENTRY OUTPUT VERSION
//
// Names are shortened, since every kilobyte counts on a router. OUTPUT.map, which stays off it, leads from a stack in a
// router's log back to the sources: src/build/trace.mjs.
import { chmodSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { build } from 'esbuild';
import { minify } from 'terser';

const [entry, outfile, version] = process.argv.slice(2);
const banner = '#!/usr/bin/oneip-runtime';

const { outputFiles } = await build({
  entryPoints: [entry],
  outfile,
  write: false,
  bundle: true,
  format: 'esm',
  platform: 'neutral',
  mainFields: ['module', 'main'],
  target: 'es2022',
  external: ['oneip:runtime'],
  charset: 'utf8',
  legalComments: 'inline',
  minify: true,
  sourcemap: 'external',
  sourcesContent: false,
  define: { ONEIP_VERSION: JSON.stringify(version) },
  logLevel: 'warning',
});
const outputEndingWith = (end) => outputFiles.find(({ path }) => path.endsWith(end)).text;

// The second pass compresses better by 5 %: it inlines what is used once, and names variables in the order of their scope.
const { code, map: finalMap } = await minify(outputEndingWith('.js'), {
  module: true,
  ecma: 2020,
  // Lines instead of semicolons tell more in a stack, and cost nothing.
  format: { semicolons: false, preamble: banner, comments: 'some' },
  sourceMap: { content: outputEndingWith('.map'), filename: basename(outfile) },
});
writeFileSync(outfile, `${code}\n`);
writeFileSync(`${outfile}.map`, finalMap);
chmodSync(outfile, 0o755);
