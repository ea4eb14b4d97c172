/**
 * Longest lease of the kernel, milliseconds. A router that was stopped comes back and waits 4.5 s for a server that has died: also
 * where that has not heard of the router for a second of them, its kernel has stopped by then.
 */
export const LONGEST = 3000;
/** Milliseconds that the kernel's lease has left when it is renewed, unless it cannot be had for longer. */
const RENEWED_BELOW = LONGEST / 2;

/**
 * How long the kernel goes on taking what begins, whatever becomes of the daemon: never longer than the server may hold its slots, and
 * renewed no more often than needed. Times are milliseconds of one clock.
 */
export class KernelLease {
  #until = -Infinity;

  /**
   * For how many milliseconds the kernel's lease has to be set now; 0 ends it, `undefined` leaves it. Counts as done.
   * `heldUntil`: how long slots are held.
   */
  renew(heldUntil: number, now: number): number | undefined {
    const until = Math.max(Math.min(heldUntil, now + LONGEST), now);
    const isShorter = until < this.#until && this.#until > now;
    const isLonger = until > now && until > this.#until && this.#until < now + RENEWED_BELOW;
    if (!isShorter && !isLonger) return undefined;
    this.#until = until;
    return Math.floor(until - now);
  }

  /** The kernel may have lost it. */
  forget(): void {
    this.#until = -Infinity;
  }
}
