import { setTimer } from 'oneip:runtime';
import type { ProbeTarget, Prober } from '../watchdog/prober.ts';

/** Milliseconds that the kernel has for its own question: nearly every answer comes in one. */
const PATIENCE = 250;
/**
 * Requests of a burst, and milliseconds from one to the next. Servers on Wi-Fi sleep for a third of a second; and for a second
 * the kernel takes no other MAC address than the one it has (`locktime`).
 */
const REQUESTS = 5;
const PACE = 250;

/**
 * A burst of requests for a server's MAC address, begun when the kernel starts to doubt the one that it has. The kernel asks
 * once a second and gives up after six (`ucast_solicit`, `mcast_resolicit`); who has not answered a burst is silent after one
 * and a half. Answers settle the kernel's doubt as well, with a new address if there is one.
 */
export class AddressBurst {
  readonly #prober: Prober;
  readonly #target: ProbeTarget;
  readonly #silent: () => void;
  #step: { cancel(): void };
  #asked = 0;
  #answered = false;

  /** `silent` is called where no request was answered, unless the burst is cancelled before. */
  constructor(prober: Prober, target: ProbeTarget, silent: () => void) {
    this.#prober = prober;
    this.#target = target;
    this.#silent = silent;
    this.#step = setTimer(() => this.#ask(), PATIENCE);
  }

  /** The doubt is settled. Idempotent. */
  cancel(): void {
    this.#step.cancel();
  }

  #ask(): void {
    if (this.#asked++ === REQUESTS) {
      if (!this.#answered) this.#silent();
      return;
    }
    this.#step = this.#prober.start({ type: 'arp' }, this.#target, PACE, ({ passed, latency = 0 }) => {
      this.#answered ||= passed;
      if (passed) this.#step = setTimer(() => this.#ask(), Math.max(PACE - latency, 0));
      else this.#ask();
    });
  }
}
