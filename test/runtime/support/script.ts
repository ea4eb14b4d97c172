import { decodeUtf8, getenv, makeDirectory, pid, spawn, writeFile } from 'oneip:runtime';
import type { SpawnOptions } from 'oneip:runtime';

/** The binary under test, plain or with sanitizers. */
export const runtime = getenv('ONEIP_RUNTIME') ?? 'oneip-runtime';

/** What became of a program. */
export interface Outcome {
  readonly status: number | null;
  readonly signal: string | null;
  readonly timedOut: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end. */
export function run(argv: readonly string[], options: SpawnOptions = {}): Promise<Outcome> {
  return new Promise((done) => {
    spawn(argv, { timeout: 60_000, ...options }, (result) => {
      done({ ...result, stdout: decodeUtf8(result.stdout), stderr: decodeUtf8(result.stderr) });
    });
  });
}

const directory = `/tmp/oneip-runtime-test-${pid}`;
let files = 0;

/** A directory of this test file's own; `removeScratch` takes it away. */
export function scratch(): string {
  if (files === 0) makeDirectory(directory);
  files++;
  return directory;
}

/** A path in the scratch directory that nobody has used. */
export function scratchPath(): string {
  return `${scratch()}/${files}`;
}

/** Removes what the test file has left. */
export async function removeScratch(): Promise<void> {
  if (files > 0) await run(['rm', '-rf', directory]);
  files = 0;
}

export interface ScriptOptions extends SpawnOptions {
  /** What the script sees as `args`. */
  readonly args?: readonly string[];
  /** Options of the runtime. */
  readonly flags?: readonly string[];
  /** A command that is given the command to run. */
  readonly wrapper?: readonly string[];
}

/** Runs a script in a runtime of its own. It finds what the runtime offers as `r`. */
export function runScript(source: string, options: ScriptOptions = {}): Promise<Outcome> {
  const path = `${scratchPath()}.js`;
  const { args = [], flags = [], wrapper = [], ...spawnOptions } = options;
  writeFile(path, `import * as r from 'oneip:runtime';${source}`);
  return run([...wrapper, runtime, ...flags, path, ...args], spawnOptions);
}
