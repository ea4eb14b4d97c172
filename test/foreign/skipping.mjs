// Leaves out, by name and with a reason that is printed, what cannot hold where tests run in another target's runtime.
import { join, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { skips } from './skips.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const replacements = { uvu: join(here, 'uvu.mjs'), 'fast-check': join(here, 'fast-check.mjs') };

/** The files of which nothing can hold for a target, each with the reason. */
export function leftOut(target) {
  return skips.filter((skip) => skip.targets.includes(target) && skip.names === undefined);
}

/** An esbuild plugin: a test file gets a `uvu` that knows which of its tests to leave out, and a `fast-check` that hurries. */
export function skipping(target, file) {
  const table = skips.filter((skip) => skip.targets.includes(target) && skip.file === file);
  return {
    name: 'skipping',
    setup(build) {
      build.onResolve({ filter: /^(uvu|fast-check)$/ }, ({ path, importer }) =>
        importer === replacements[path] ? undefined : { path: replacements[path] },
      );
      build.onResolve({ filter: /^skips-of-this-file$/ }, ({ path }) => ({ path, namespace: 'skips' }));
      build.onLoad({ filter: /.*/, namespace: 'skips' }, () => ({
        contents: `export const skips = ${JSON.stringify(table)};`,
      }));
    },
  };
}
