import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A directory that is gone when the test file ends. */
export function scratchFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'oneip-package-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Runs a program to its end and returns what it prints; a failure is an error with all of that. */
export function sh(command: string, folder = '.'): string {
  return execFileSync('sh', ['-euc', command], { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** The path, type, mode and size of all that is in a folder, sorted. */
export function listTree(folder: string): string[] {
  return sh(
    `find . -mindepth 1 \\( -type d -printf '%P %y %m\\n' -o -printf '%P %y %m %s\\n' \\) | LC_ALL=C sort`,
    folder,
  )
    .trim()
    .split('\n');
}
