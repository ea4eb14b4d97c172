import { littleEndian, lockFile, memory, onSignal, setTimer } from 'oneip:runtime';
import type { SignalName, Timer } from 'oneip:runtime';

/** True where the CPU stores the low byte first: on it depends what the kernel's hash makes of a client. */
export function isLittleEndian(): boolean {
  return littleEndian;
}

/** Resolves after everything that is waiting now has had its turn. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setTimer(resolve, 0));
}

/** Calls back once, after `delay` milliseconds. */
export function startTimer(callback: () => void, delay: number): Timer {
  return setTimer(callback, delay);
}

/** Sets one handler for several signals. */
export function everySignal(signals: readonly SignalName[], callback: () => void): void {
  for (const signal of signals) onSignal(signal, callback);
}

/** Takes the lock that one daemon at a time may hold, until the process ends; false where another one has it. */
export function claim(path: string): boolean {
  return lockFile(path);
}

/** Gives the memory that a load has taken back to the system. */
export function freeMemory(): void {
  memory.trim();
}
