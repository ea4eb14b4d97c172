import { readFileSync, writeFileSync } from 'node:fs';

/** Memory of a process in KiB. */
export interface Memory {
  /** Pages of its own: heap, stack, written data. */
  readonly anonymous: number;
  /** These, and what it has mapped of files, shared or not. */
  readonly resident: number;
  /** Most that was ever resident since the last `forgetPeak`. */
  readonly peak: number;
}

/** What proc(5) says of it now. */
export function memoryOf(pid: number): Memory {
  const read = (file: string, key: string) =>
    Number(new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/${file}`, 'utf8'))?.[1]);
  return {
    anonymous: read('smaps_rollup', 'Anonymous'),
    resident: read('status', 'VmRSS'),
    peak: read('status', 'VmHWM'),
  };
}

/** Lets its peak begin anew; see proc(5), `clear_refs`. */
export function forgetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
}
