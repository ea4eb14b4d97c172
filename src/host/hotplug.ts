import { decodeUtf8, fileStatus, readDirectory, spawn } from 'oneip:runtime';
import type { SpawnResult } from 'oneip:runtime';
import { Complaints } from '../service/complaints.ts';
import type { ServiceEvent } from '../service/control.ts';
import { HOTPLUG_DIRECTORY, HOTPLUG_PROGRAM, hotplugCall } from '../service/hotplug.ts';
import type { HotplugCall } from '../service/hotplug.ts';
import { oneLine } from '../service/reason.ts';
import { steadyTime } from './clock.ts';

/** Events that wait while scripts run; what comes beyond is dropped. */
const LONGEST_QUEUE = 16;
/** Milliseconds that the scripts of one event may take together. */
const TIMEOUT = 60_000;
/** Bytes kept of what scripts say. */
const OUTPUT_LIMIT = 4096;

export interface HotplugOptions {
  readonly log: (line: string) => void;
  readonly directory?: string;
  /** Used where it is there. */
  readonly program?: string;
  /** Milliseconds that the scripts of one event may take together; then they are killed. */
  readonly timeout?: number;
}

/** Runs the scripts of /etc/hotplug.d/oneip for each event: one event at a time, in order, beside everything else. */
export class Hotplug {
  readonly #log: (line: string) => void;
  readonly #complaints: Complaints;
  readonly #directory: string;
  readonly #program: string;
  readonly #timeout: number;
  readonly #waiting: ServiceEvent[] = [];
  #running = false;
  #closed = false;

  constructor(options: HotplugOptions) {
    const { log, directory = HOTPLUG_DIRECTORY, program = HOTPLUG_PROGRAM, timeout = TIMEOUT } = options;
    this.#log = log;
    this.#complaints = new Complaints(log, steadyTime);
    this.#directory = directory;
    this.#program = program;
    this.#timeout = timeout;
  }

  /** Runs the scripts for an event, at once or when those of earlier events are through. */
  run(event: ServiceEvent): void {
    if (this.#closed || !this.#hasScripts()) return;
    if (this.#waiting.length >= LONGEST_QUEUE) {
      const what = [event.action, event.service, event.server].filter((part) => part !== undefined).join(' ');
      this.#complaints.add(`hotplug: ${LONGEST_QUEUE} events wait for scripts already; dropped: ${what}`);
      return;
    }
    this.#waiting.push(event);
    this.#next();
  }

  /** Starts no more scripts; one that runs may end by itself. */
  close(): void {
    this.#closed = true;
    this.#waiting.length = 0;
  }

  /** Most routers have none, and a process for each event would be for nothing. */
  #hasScripts(): boolean {
    try {
      return readDirectory(this.#directory).length > 0;
    } catch {
      return false;
    }
  }

  #next(): void {
    if (this.#running) return;
    const event = this.#waiting.shift();
    if (!event) return;
    const program = fileStatus(this.#program) === null ? undefined : this.#program;
    this.#running = true;
    this.#start(hotplugCall(event, this.#directory, program), (problem) => {
      if (problem !== undefined) this.#log(`hotplug: ${event.action}: ${problem}`);
      this.#running = false;
      this.#next();
    });
  }

  #start({ argv, environment }: HotplugCall, done: (problem?: string) => void): void {
    try {
      const options = { env: environment, timeout: this.#timeout, outputLimit: OUTPUT_LIMIT };
      spawn(argv, options, (result) => done(problemOf(result, this.#timeout)));
    } catch (error) {
      done(error instanceof Error ? error.message : String(error));
    }
  }
}

/** What is worth a line: scripts that had to be killed, and what they have complained of. */
function problemOf({ timedOut, stderr }: SpawnResult, timeout: number): string | undefined {
  if (timedOut) return `the scripts took longer than ${timeout / 1000} s and were killed`;
  const said = oneLine(decodeUtf8(stderr));
  return said === '' ? undefined : said;
}
