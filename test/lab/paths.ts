import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Folder of what has been built: the `build` in which this bundle lies, unless BUILD in the environment names another. */
export const buildFolder = process.env['BUILD'] ?? folderNamed('build', dirname(fileURLToPath(import.meta.url)));

function folderNamed(name: string, start: string): string {
  if (basename(start) === name) return start;
  const parent = dirname(start);
  if (parent === start) throw new Error(`not inside a folder '${name}': ${fileURLToPath(import.meta.url)}`);
  return folderNamed(name, parent);
}

/** Path of one of the lab's own C programs. */
export function tool(name: string): string {
  return join(buildFolder, 'test', 'bin', name);
}

/** Path of the program under test. */
export const oneipProgram = process.env['ONEIP'] ?? join(buildFolder, 'bin', 'oneip');
