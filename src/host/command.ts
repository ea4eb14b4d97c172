import { decodeUtf8, spawn } from 'oneip:runtime';

/** Milliseconds that a command may take. */
const PATIENCE = 10_000;

/**
 * Runs a program to its end; a text is what it complained of, or why it could not be run. What stands in its standard error is
 * a complaint also where it ends with 0, as sysctl of procps does when the kernel has refused a value.
 */
export function runCommand(words: readonly string[]): Promise<string | undefined> {
  return new Promise((resolve) => {
    try {
      spawn(words, { timeout: PATIENCE }, ({ status, timedOut, stdout, stderr }) => {
        if (status === 0 && stderr.length === 0) return resolve(undefined);
        const said = `${decodeUtf8(stderr)}\n${decodeUtf8(stdout)}`.split('\n').find((line) => line.trim() !== '');
        resolve(timedOut ? 'it took too long' : (said?.trim() ?? `it ended with status ${status}`));
      });
    } catch (error) {
      resolve((error as { code?: string }).code === 'ENOENT' ? `there is no program '${words[0]}'` : String(error));
    }
  });
}
