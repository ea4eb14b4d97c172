/** Processors' time since boot, in the kernel's units. */
export interface ProcessorTime {
  readonly idle: number;
  readonly total: number;
}

/** Reads the first line of `/proc/stat`, proc_stat(5); what waits for a disk is idle. */
export function parseProcessorTime(text: string): ProcessorTime | undefined {
  const numbers = /^cpu +([\d ]+)/.exec(text)?.[1]?.split(' ').map(Number);
  // Time of guests is in that of users already.
  const [user = 0, nice = 0, system = 0, idle = 0, wait = 0, ...rest] = numbers?.slice(0, 8) ?? [];
  if (!numbers) return undefined;
  const total = [user, nice, system, idle, wait, ...rest].reduce((sum, part) => sum + part, 0);
  return { idle: idle + wait, total };
}

/** Share of the time between two readings that was used, 0–1. */
export function usedShare(before: ProcessorTime, after: ProcessorTime): number {
  const total = after.total - before.total;
  if (total <= 0) return 0;
  return Math.min(Math.max(1 - (after.idle - before.idle) / total, 0), 1);
}
