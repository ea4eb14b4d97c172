import type { ProbeTarget } from '../../watchdog/prober.ts';
import type { Attempt } from './attempt.ts';

/**
 * Probes that wait for the servers' own addresses to be resolved, and what the last answer of each has told: absent where
 * the last question was not answered.
 */
export class Resolutions<Answer> {
  readonly #waiting = new Map<string, Set<Attempt>>();
  readonly #answers = new Map<string, Answer>();

  /** Waits, and returns what the last answer has told. */
  await({ address, device }: ProbeTarget, attempt: Attempt): Answer | undefined {
    const key = keyOf(device.ifindex, address.bytes);
    const waiting = this.#waiting.get(key) ?? new Set();
    this.#waiting.set(key, waiting.add(attempt));
    attempt.release = () => {
      waiting.delete(attempt);
      if (waiting.size === 0) this.#waiting.delete(key);
    };
    const answer = this.#answers.get(key);
    this.#answers.delete(key);
    return answer;
  }

  /**
   * The address has been answered for on the device. Answers that nobody waits for are not kept: there may be many. True where
   * more are expected.
   */
  answered(ifindex: number, address: Uint8Array, answer: Answer, reason: string): boolean {
    const key = keyOf(ifindex, address);
    const waiting = this.#waiting.get(key);
    if (waiting) this.#answers.set(key, answer);
    for (const attempt of [...(waiting ?? [])]) attempt.pass(reason);
    return this.#waiting.size > 0;
  }
}

/** A device and an address as one key: cheaper than the address's text. */
function keyOf(ifindex: number, address: Uint8Array): string {
  return `${ifindex} ${String.fromCharCode(...address)}`;
}
