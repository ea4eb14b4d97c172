import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { atExit } from './exit.ts';

/** How a command ended, and what it printed. */
export interface Outcome {
  /** Exit status; 128 + signal number where a signal ended it. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command to its end, whatever its status. Rejects only where it cannot be started. */
export function attempt(argv: readonly string[], input = ''): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const [file = '', ...args] = argv;
    const child = spawn(file, args);
    const disarm = atExit(() => endNow(child.pid));
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.on('error', (error) => {
      disarm();
      reject(error);
    });
    child.on('close', (status) => {
      disarm();
      resolve({ status: status ?? 128, stdout, stderr });
    });
    // A command that ends without reading its input is judged by its status, not by the broken pipe.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
  });
}

/** Kills one of our children and waits for its end, so that nothing it does comes after what is done next. */
function endNow(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(pid, 'SIGKILL');
    const pause = new Int32Array(new SharedArrayBuffer(4));
    // As its parent, we find it a zombie until the event loop, which runs no more, takes notice.
    for (let tries = 0; tries < 2_000; tries += 1) {
      if (/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))) return;
      Atomics.wait(pause, 0, 0, 1);
    }
  } catch {
    // It is gone altogether.
  }
}

/** Runs a command and returns its standard output; rejects, with what it complained of, where its status is not 0. */
export async function run(argv: readonly string[], input = ''): Promise<string> {
  const outcome = await attempt(argv, input);
  if (outcome.status !== 0) {
    throw new Error(`${argv.join(' ')}: status ${outcome.status}\n${outcome.stderr}${outcome.stdout}`);
  }
  return outcome.stdout;
}

/** Looks at a line and returns what it was looking for, or `undefined`. */
type Matcher<T> = (line: string) => T | undefined;

interface Waiter {
  offer(line: string): boolean;
  fail(error: Error): void;
}

/** A long-running program that talks in lines: standard output and standard error are read as one stream of lines. */
export class LineProcess {
  readonly pid: number;
  /** Everything it has printed so far, in order. */
  readonly log: string[] = [];
  /** Resolves with the exit status (128 where a signal ended it) once it has ended and its outputs are closed. */
  readonly ended: Promise<number>;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #waiters = new Set<Waiter>();
  readonly #listeners: ((line: string) => void)[] = [];
  #endStatus: number | undefined;

  constructor(argv: readonly string[]) {
    const [file = '', ...args] = argv;
    const title = argv.join(' ');
    this.#child = spawn(file, args);
    this.pid = this.#child.pid ?? 0;
    this.#child.stdin.on('error', () => undefined);
    const disarm = atExit(() => endNow(this.#child.pid));
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      createInterface({ input: stream, crlfDelay: Infinity }).on('line', (line) => this.#take(line));
    }
    this.ended = new Promise((resolve) => {
      const end = (status: number, reason: string) => {
        disarm();
        this.#endStatus = status;
        for (const waiter of this.#waiters) waiter.fail(new Error(`${title}: ${reason}\n${this.tail()}`));
        this.#waiters.clear();
        resolve(status);
      };
      this.#child.on('error', (error) => end(127, error.message));
      this.#child.on('close', (status, signal) => end(status ?? 128, `ended with ${signal ?? `status ${status}`}`));
    });
  }

  get running(): boolean {
    return this.#endStatus === undefined;
  }

  /** Writes one line to its standard input. */
  send(line: string): void {
    this.#child.stdin.write(`${line}\n`);
  }

  /** Closes its standard input, which asks our own tools to end. */
  closeInput(): void {
    this.#child.stdin.end();
  }

  signal(name: NodeJS.Signals): void {
    if (this.running) this.#child.kill(name);
  }

  /** Calls back for every line printed from now on. */
  onLine(listener: (line: string) => void): void {
    this.#listeners.push(listener);
  }

  /** Resolves with what `match` finds in a line printed from now on; rejects when the program ends, or after `timeout` milliseconds. */
  waitFor<T>(match: Matcher<T>, timeout = 10_000): Promise<T> {
    return new Promise((resolve, reject) => {
      if (!this.running) {
        reject(new Error(`has ended already\n${this.tail()}`));
        return;
      }
      const waiter: Waiter = {
        offer: (line) => {
          const found = match(line);
          if (found === undefined) return false;
          clearTimeout(timer);
          resolve(found);
          return true;
        },
        fail: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      };
      const timer = setTimeout(() => {
        this.#waiters.delete(waiter);
        reject(new Error(`nothing that was waited for within ${timeout} ms\n${this.tail()}`));
      }, timeout);
      this.#waiters.add(waiter);
    });
  }

  /** Sends a command and resolves with what `match` finds in the lines that follow. */
  ask<T>(command: string, match: Matcher<T>, timeout?: number): Promise<T> {
    const answer = this.waitFor(match, timeout);
    this.send(command);
    return answer;
  }

  /** Sends a signal, SIGTERM by default, and waits for the end; SIGKILL after `timeout` milliseconds. */
  async stop(name: NodeJS.Signals = 'SIGTERM', timeout = 5_000): Promise<number> {
    this.signal(name);
    const timer = setTimeout(() => this.signal('SIGKILL'), timeout);
    const status = await this.ended;
    clearTimeout(timer);
    return status;
  }

  /** The last lines printed, for messages. */
  tail(count = 20): string {
    return this.log.slice(-count).join('\n');
  }

  #take(line: string): void {
    this.log.push(line);
    for (const listener of this.#listeners) listener(line);
    for (const waiter of this.#waiters) if (waiter.offer(line)) this.#waiters.delete(waiter);
  }
}
