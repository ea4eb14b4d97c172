/** What a change adds to the penalty. */
const CHANGE = 1000;

/** A server with a higher penalty is held down … */
const SUPPRESS = 3000;

/** … until less than this is left. */
const REUSE = 1000;

/** The penalty never exceeds what decays to `REUSE` in so many half-lives: the longest hold after the last change. */
const LONGEST_HOLD = 4;

/**
 * Damping of a server that comes and goes, after the route-flap damping of BGP (RFC 2439): a penalty grows with each change and
 * halves every half-life. Both directions count, as they do in some routers: with failures alone, a server would have to
 * fail four times, and its clients to move seven times, before it is held.
 */
export class Damping {
  /** Milliseconds; 0 = no damping. */
  #halfLife: number;
  #penalty = 0;
  /** When the penalty was that high. */
  #at = 0;
  #heldUntil = 0;

  constructor(halfLife: number) {
    this.#halfLife = halfLife;
  }

  /** Another half-life from now on; a hold that was begun ends as it would have, unless damping is switched off. */
  configure(halfLife: number, now: number): void {
    if (halfLife === this.#halfLife) return;
    this.#penalty = halfLife === 0 ? 0 : this.penalty(now);
    this.#at = now;
    if (halfLife === 0) this.#heldUntil = 0;
    this.#halfLife = halfLife;
  }

  penalty(now: number): number {
    return this.#halfLife === 0 ? 0 : this.#penalty * 2 ** ((this.#at - now) / this.#halfLife);
  }

  /** The server has gone or come. */
  change(now: number): void {
    if (this.#halfLife === 0) return;
    this.#penalty = Math.min(REUSE * 2 ** LONGEST_HOLD, this.penalty(now) + CHANGE);
    this.#at = now;
    if (this.#penalty <= SUPPRESS && now >= this.#heldUntil) return;
    this.#heldUntil = Math.ceil(now + this.#halfLife * Math.log2(this.#penalty / REUSE));
  }

  /** Clock until when the server is held down; in the past: it is not. */
  get heldUntil(): number {
    return this.#heldUntil;
  }
}
