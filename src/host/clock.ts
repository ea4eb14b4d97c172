import { monotonic, processorTime, realtime, setTimer } from 'oneip:runtime';

/** Milliseconds of CLOCK_MONOTONIC, which never goes back, and which a restart of this program does not set back either. */
export function steadyTime(): number {
  return monotonic();
}

/** Milliseconds of processors' time that this program has used, with a fraction. */
export function usedTime(): number {
  return processorTime();
}

/** Seconds since 1970, with a fraction. */
export function unixTime(): number {
  return realtime() / 1000;
}

/** Time of day, `12:30:05`, in the system's zone. */
export function timeOfDay(): string {
  const now = new Date(realtime());
  return [now.getHours(), now.getMinutes(), now.getSeconds()].map((part) => String(part).padStart(2, '0')).join(':');
}

/** Resolves after so many milliseconds. */
export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    setTimer(resolve, milliseconds);
  });
}
