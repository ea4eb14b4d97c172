import { decodeUtf8, getenv, kill, setTimer, spawn } from 'oneip:runtime';
import type { Process, SpawnResult, Timer } from 'oneip:runtime';
import type { LoadScriptOptions } from '../config/model.ts';
import { parseLoadNumber } from '../server/load-number.ts';

/** Where programs are looked for if the daemon itself was not told. */
const DEFAULT_PATH = '/usr/sbin:/usr/bin:/sbin:/bin';
const OUTPUT_LIMIT = 1024;
/** Milliseconds that a run may take. */
const PATIENCE = 5000;

/** A program of the operator's that tells a number, run again and again. That it fails is told once, and harms nothing. */
export class LoadScript {
  readonly #log: (line: string) => void;
  #options: LoadScriptOptions | undefined;
  #value: number | undefined;
  #timer: Timer | undefined;
  #child: Process | undefined;
  #complained = false;

  constructor(log: (line: string) => void) {
    this.#log = log;
  }

  /** What the last run has told; `undefined` where that was nothing, or there is no such program. */
  get value(): number | undefined {
    return this.#value;
  }

  /** Takes the program that is configured now; the same one goes on. */
  configure(options: LoadScriptOptions | undefined): void {
    if (options?.path === this.#options?.path && options?.interval === this.#options?.interval) return;
    this.close();
    this.#options = options;
    if (options) this.#run(options);
  }

  /** Ends what runs. Idempotent. */
  close(): void {
    this.#timer?.cancel();
    this.#options = undefined;
    this.#value = undefined;
    this.#complained = false;
    const child = this.#child;
    this.#child = undefined;
    if (!child) return;
    try {
      // With what it has started: a child leads a process group of its own.
      kill(-child.pid, 'SIGKILL');
    } catch (error) {
      if ((error as { code?: string }).code !== 'ESRCH') throw error;
    }
  }

  #run(options: LoadScriptOptions): void {
    this.#timer = setTimer(() => this.#run(options), options.interval);
    // One run at a time, where the interval is shorter than a run.
    if (this.#child) return;
    const env = { PATH: getenv('PATH') ?? DEFAULT_PATH };
    try {
      const child: Process = spawn([options.path], { env, timeout: PATIENCE, outputLimit: OUTPUT_LIMIT }, (result) => {
        if (this.#child !== child) return;
        this.#child = undefined;
        this.#took(options, result);
      });
      this.#child = child;
    } catch (error) {
      this.#fail(options, error instanceof Error ? error.message : String(error));
    }
  }

  #took(options: LoadScriptOptions, { status, signal, timedOut, stdout }: SpawnResult): void {
    if (timedOut) return this.#fail(options, `did not end within ${PATIENCE / 1000} s`);
    if (status !== 0) return this.#fail(options, signal === null ? `exit status ${status}` : `killed by ${signal}`);
    const value = parseLoadNumber(decodeUtf8(stdout));
    if (value === undefined) return this.#fail(options, 'its first line is no number');
    if (this.#complained) this.#log(`load_script ${options.path} tells a number again`);
    this.#complained = false;
    this.#value = value;
  }

  #fail({ path }: LoadScriptOptions, reason: string): void {
    this.#value = undefined;
    if (!this.#complained) this.#log(`warning: load_script ${path}: ${reason}; its number is not reported`);
    this.#complained = true;
  }
}
