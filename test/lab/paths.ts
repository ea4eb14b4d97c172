import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * Folder of what has been built. Bundles of tests lie in `build/test/`, so it is the one above theirs;
 * `BUILD` in the environment overrides that.
 */
export const buildFolder = process.env['BUILD'] ?? dirname(dirname(fileURLToPath(import.meta.url)));

/** Path of one of the lab's own C programs. */
export function tool(name: string): string {
  return join(buildFolder, 'test', 'bin', name);
}

/** Path of the program under test. */
export const oneipProgram = process.env['ONEIP'] ?? join(buildFolder, 'bin', 'oneip');
