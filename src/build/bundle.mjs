// Bundles the program for the runtime: one ES module, `oneip:runtime` left to the host.
//   node src/build/bundle.mjs ENTRY OUTPUT VERSION
import { chmodSync } from 'node:fs';
import { build } from 'esbuild';

const [entry, outfile, version] = process.argv.slice(2);
await build({
  entryPoints: [entry],
  outfile,
  bundle: true,
  format: 'esm',
  platform: 'neutral',
  mainFields: ['module', 'main'],
  target: 'es2022',
  external: ['oneip:runtime'],
  charset: 'utf8',
  legalComments: 'inline',
  // Names stay, since they make the stacks in a router's log readable; white space and dead code go.
  sourcemap: 'external',
  minifyWhitespace: true,
  minifySyntax: true,
  banner: { js: '#!/usr/bin/oneip-runtime' },
  define: { ONEIP_VERSION: JSON.stringify(version) },
  logLevel: 'warning',
});
chmodSync(outfile, 0o755);
