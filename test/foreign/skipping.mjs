// Leaves out, by name and with a reason that is printed, what cannot hold where tests run in another target's runtime.
import { join, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { skips } from './skips.mjs';

const replacement = join(dirname(fileURLToPath(import.meta.url)), 'uvu.mjs');

/** The files of which nothing can hold for a target, each with the reason. */
export function leftOut(target) {
  return skips.filter((skip) => skip.targets.includes(target) && skip.names === undefined);
}

/** An esbuild plugin: a test file gets, in the place of `uvu`, one that knows which of its tests to leave out. */
export function skipping(target, file) {
  const table = skips.filter((skip) => skip.targets.includes(target) && skip.file === file);
  return {
    name: 'skipping',
    setup(build) {
      build.onResolve({ filter: /^uvu$/ }, ({ importer }) =>
        importer === replacement ? undefined : { path: replacement },
      );
      build.onResolve({ filter: /^skips-of-this-file$/ }, ({ path }) => ({ path, namespace: 'skips' }));
      build.onLoad({ filter: /.*/, namespace: 'skips' }, () => ({
        contents: `export const skips = ${JSON.stringify(table)};`,
      }));
    },
  };
}
