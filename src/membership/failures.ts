import type { Fleet } from './fleet.ts';

/** A server that the watchdogs have taken out of all its services. */
export interface Failure {
  readonly server: string;
  /** Device on which it lives, as the configuration names it. */
  readonly device: string;
  readonly reason: string;
}

const VERSION = 1;

/** Who has failed, so that a daemon that starts again does not send clients there first. */
export function failuresOf(fleet: Fleet): Failure[] {
  const failed = new Map<string, Failure>();
  const serving = new Set<string>();
  for (const { roster, members } of fleet.values()) {
    const { device } = roster.service;
    for (const { server, state, decider, reason } of members) {
      const key = `${device} ${server.name}`;
      if (state === 'down' && decider === 'watchdog') failed.set(key, { server: server.name, device, reason });
      else if (state !== 'disabled') serving.add(key);
    }
  }
  return [...failed].flatMap(([key, failure]) => (serving.has(key) ? [] : [failure]));
}

/** Failures as text, for `parseFailures`. */
export function formatFailures(failures: readonly Failure[]): string {
  return `${JSON.stringify({ version: VERSION, failures })}\n`;
}

/** None where the text is none of ours, such as that of another version. */
export function parseFailures(text: string): readonly Failure[] {
  try {
    const { version, failures } = JSON.parse(text) as { version: number; failures: Failure[] };
    return version === VERSION && Array.isArray(failures) ? failures : [];
  } catch {
    return [];
  }
}
