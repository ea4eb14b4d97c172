import { decodeUtf8, getenv, kill, spawn } from 'oneip:runtime';
import type { SpawnResult } from 'oneip:runtime';
import type { ProbeTarget } from '../../watchdog/prober.ts';
import type { Attempt } from './attempt.ts';

/** Where programs are looked for if the daemon itself was not told. */
const DEFAULT_PATH = '/usr/sbin:/usr/bin:/sbin:/bin';
/** Bytes kept of each output: its first line is all that is wanted. */
const OUTPUT_LIMIT = 1024;
/** Characters of a reason. */
const REASON_LENGTH = 120;

/**
 * Runs a program with the service and the server as arguments, and the rest in its environment. Exit status 0 passes; the first
 * line that it prints is the reason. What takes too long is killed together with what it has started.
 */
export function probeByScript(path: string, target: ProbeTarget, timeout: number, attempt: Attempt): void {
  const { service, server, address, ghost, port } = target;
  const env = {
    PATH: getenv('PATH') ?? DEFAULT_PATH,
    ONEIP_SERVICE: service,
    ONEIP_SERVER: server,
    ONEIP_ADDRESS: address.text,
    ONEIP_GHOST: ghost.text,
    ONEIP_PORT: port === undefined ? '' : String(port),
  };
  let ended = false;
  const child = spawn([path, service, server], { env, timeout, outputLimit: OUTPUT_LIMIT }, (result) => {
    ended = true;
    if (result.timedOut) attempt.fail('timed out');
    else if (result.status === 0) attempt.pass(firstLine(result) ?? 'passed');
    else attempt.reject(firstLine(result) ?? endOf(result));
  });
  attempt.release = () => {
    if (!ended) endGroup(child.pid);
  };
}

/** A child leads a process group of its own; it is not reaped before `ended`, so that the number is still its. */
function endGroup(pid: number): void {
  try {
    kill(-pid, 'SIGKILL');
  } catch (error) {
    if ((error as { code?: string }).code !== 'ESRCH') throw error;
  }
}

function firstLine({ stdout, stderr }: SpawnResult): string | undefined {
  for (const output of [stdout, stderr]) {
    const [line = ''] = decodeUtf8(output).trimStart().split('\n', 1);
    // Whatever a program prints ends up on terminals and in logs.
    const text = line.replace(/[\x00-\x1f\x7f-\x9f]+/g, ' ').trim();
    if (text !== '') return text.slice(0, REASON_LENGTH);
  }
  return undefined;
}

function endOf({ status, signal }: SpawnResult): string {
  return signal === null ? `exit status ${status}` : `killed by ${signal}`;
}
