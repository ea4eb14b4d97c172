import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { buildFolder } from '../lab/paths.ts';
import { run } from '../lab/process.ts';

/** Where they are. */
export const peersFolder = join(buildFolder, 'peers');

/** Debian's name of this machine's processor and ABI, by Node's. */
const triplets: Readonly<Record<string, string>> = { x64: 'x86_64-linux-gnu', arm64: 'aarch64-linux-gnu' };

/**
 * Command line that runs a program of those that `src/build/peers.sh` has unpacked, with its own libraries.
 *
 * @param path within the packages, such as `usr/bin/wrk`
 * @throws where it has not been unpacked
 */
export function peerProgram(path: string): string[] {
  const program = join(peersFolder, path);
  if (!existsSync(program)) throw new Error(`${program} is missing: make peers unpacks it`);
  const libraries = ['lib', 'usr/lib'].map((part) => join(peersFolder, part, triplets[process.arch] ?? process.arch));
  return ['env', `LD_LIBRARY_PATH=${libraries.join(':')}`, program];
}

/** Such a program and those of its libraries that lie beside it, by their paths. */
export async function peerFiles(path: string): Promise<string[]> {
  const [, libraries = '', program = ''] = peerProgram(path);
  const listing = await run(['env', libraries, 'ldd', program]);
  return [
    program,
    ...[...listing.matchAll(/=> (\S+)/g)].flatMap(([, file = '']) => (file.startsWith(peersFolder) ? [file] : [])),
  ];
}
