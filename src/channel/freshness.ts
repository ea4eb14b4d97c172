/** Sequence numbers below the highest one that are told apart. */
const WINDOW = 32;

/**
 * What to think of a message by its sequence number: `next`: later than all before; `late`: others have overtaken it; and
 * those to refuse: heard already (`replayed`), or too far behind to know (`old`).
 */
export type Order = 'next' | 'late' | 'replayed' | 'old';

/** Sequence numbers of one sender that have been heard (the anti-replay window of RFC 4303 §3.4.3). */
export class SequenceWindow {
  #highest: number;
  /** Bit n: the highest number minus n has been heard. */
  #heard = -1;

  /** @param first the first number that counts as heard; those before it are refused. */
  constructor(first = 0) {
    this.#highest = first;
  }

  /** Notes a number. */
  take(sequence: number): Order {
    const behind = this.#highest - sequence;
    if (behind < 0) {
      this.#heard = (-behind >= WINDOW ? 0 : this.#heard << -behind) | 1;
      this.#highest = sequence;
      return 'next';
    }
    if (behind >= WINDOW) return 'old';
    const bit = 1 << behind;
    if ((this.#heard & bit) !== 0) return 'replayed';
    this.#heard |= bit;
    return 'late';
  }

  /** 0 where nothing has been heard. */
  get highest(): number {
    return this.#highest;
  }
}

/**
 * The other end, as far as its messages are believed to be of now, without a clock. It is known by its life (a random number
 * of its start) and the sequence numbers within it. Another life is taken only from a message that proves to be recent: it
 * names a message of ours that was sent after the last time that a life was taken. So one that has been recorded is of no use,
 * whether one end has restarted since, or both.
 */
export class Correspondent {
  #life = 0n;
  #window = new SequenceWindow();
  /** Our own sequence number when the life was taken. */
  #floor = 0;

  /** 0 where none has been taken. */
  get life(): bigint {
    return this.#life;
  }

  /** Highest sequence number that has been heard in this life. */
  get highest(): number {
    return this.#window.highest;
  }

  /**
   * Judges a message whose tag is right, and notes it. `proof`: highest of our own sequence numbers that it names, 0 = none;
   * `sent`: the last one that we have used. `taken`: it begins another life.
   */
  judge(life: bigint, sequence: number, proof: number, sent: number): Order | 'taken' {
    if (life === this.#life) return this.#window.take(sequence);
    if (proof <= this.#floor || proof > sent) return 'old';
    this.#life = life;
    this.#floor = sent;
    this.#window = new SequenceWindow(sequence);
    return 'taken';
  }
}

/** Why a datagram was refused: `unknown` is of another format, or makes no sense though its tag is right. */
export type Refusal = 'forged' | 'replayed' | 'old' | 'truncated' | 'unknown';

/** How many datagrams were refused, by reason. */
export type Refusals = Readonly<Record<Refusal, number>>;

export function noRefusals(): Record<Refusal, number> {
  return { forged: 0, replayed: 0, old: 0, truncated: 0, unknown: 0 };
}
