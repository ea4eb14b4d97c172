import type { Broker } from './broker.ts';
import type { OpenTransport } from '../../src/ubus/transport.ts';

/**
 * Connects clients to a broker in the same program. Bytes arrive in later turns, in pieces of `pieceSize` bytes; there is
 * no waiting anywhere, so that `settle` can tell when all is done.
 */
export class MemoryBus {
  broker: Broker | undefined;
  pieceSize = Infinity;
  /** Streams opened so far. */
  connections = 0;
  #underWay = 0;

  readonly open: OpenTransport = (listener) => {
    const { broker } = this;
    if (!broker) throw new Error('nobody listens');
    this.connections++;
    let open = true;
    const end = (reason: string): void => {
      if (!open) return;
      open = false;
      this.#later(() => listener.closed(reason));
    };
    const client = broker.accept({
      write: (bytes) => {
        this.#carry(bytes, (piece) => open && listener.received(piece));
        return bytes.length;
      },
      close: () => end('end of file'),
    });
    return {
      send: (bytes) => {
        if (open) this.#carry(bytes, (piece) => open && client.received(piece));
        return open;
      },
      close: () => {
        open = false;
        client.closed();
      },
    };
  };

  /** Waits until nothing is under way any more. */
  async settle(): Promise<void> {
    for (let idle = 0; idle < 20; idle++) {
      if (this.#underWay > 0) idle = 0;
      await Promise.resolve();
    }
  }

  #carry(bytes: Uint8Array, deliver: (piece: Uint8Array) => void): void {
    for (let at = 0; at < bytes.length; at += this.pieceSize) {
      const piece = bytes.slice(at, Math.min(at + this.pieceSize, bytes.length));
      this.#later(() => deliver(piece));
    }
  }

  #later(code: () => void): void {
    this.#underWay++;
    void Promise.resolve().then(() => {
      this.#underWay--;
      code();
    });
  }
}

interface PendingTimer {
  readonly due: number;
  readonly callback: () => void;
}

/** A clock that only goes on when told. */
export class ManualClock {
  now = 0;
  readonly #pending = new Set<PendingTimer>();

  readonly setTimer = (callback: () => void, delay: number): { cancel(): void } => {
    const timer = { due: this.now + delay, callback };
    this.#pending.add(timer);
    return { cancel: () => this.#pending.delete(timer) };
  };

  get pending(): number {
    return this.#pending.size;
  }

  /** Lets time pass; after each timer `between` may let other things happen. */
  async advance(milliseconds: number, between: () => Promise<void>): Promise<void> {
    const end = this.now + milliseconds;
    for (;;) {
      const [next] = [...this.#pending].filter(({ due }) => due <= end).sort((one, other) => one.due - other.due);
      if (!next) break;
      this.#pending.delete(next);
      this.now = next.due;
      next.callback();
      await between();
    }
    this.now = end;
  }
}
