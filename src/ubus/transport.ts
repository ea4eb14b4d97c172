/** What the client asks of the world around it: a byte stream and a clock. */

export interface TransportListener {
  received(bytes: Uint8Array): void;
  /** The stream has ended, other than by our own `close`. Called once; nothing is received after it. */
  closed(reason: string): void;
}

export interface Transport {
  /** Takes all bytes, now or in the background; false where too much is waiting already, or the stream has ended. */
  send(bytes: Uint8Array): boolean;
  /** Idempotent; nothing is called back after it. */
  close(): void;
}

/** Connects; throws an `Error` where nobody answers. Calls back from later turns only. */
export type OpenTransport = (listener: TransportListener) => Transport;

export interface Timer {
  /** Idempotent. */
  cancel(): void;
}

/** Calls back once after `delay` milliseconds. */
export type SetTimer = (callback: () => void, delay: number) => Timer;
