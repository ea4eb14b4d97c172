import { Correspondent } from './freshness.ts';
import type { HeardServer, Report } from './message.ts';
import { PeerLists } from './peer-lists.ts';
import { FIRST_SILENCE, LEASE, SILENCE, SILENCE_OF_ALL } from './times.ts';

/** A server, as the router knows it by what it has heard. */
export interface Peer {
  readonly correspondent: Correspondent;
  /** Since when it is waited for, by the silence. */
  since: number;
  /** Clock when its last report came. */
  at: number;
  /** The silence when its last report came that answered one of our messages of lately; `undefined`: none has. */
  answeredAt: number | undefined;
  /** That report. */
  answer: Pick<HeardServer, 'session' | 'sequence'> | undefined;
  /** There was a time without anybody, and it has not told yet what it holds since. */
  isAsked: boolean;
  /** It has told what it holds, and takes no more orders of an earlier epoch. */
  known: boolean;
  report: Report | undefined;
  /** Flows that it goes on with, by table. */
  lists: PeerLists;
}

/**
 * Which servers the router hears, and which are gone. Measured by the silence: how long servers could have been heard. That is the
 * time, but for what of it nobody was heard in. Then it may be this router that is cut off, or was stopped, and all servers go on
 * without it. All times are milliseconds of one clock that never goes back.
 */
export class Attendance {
  readonly #peers = new Map<string, Peer>();
  /** Clock when somebody was last heard, and the silence then. */
  #mark: { readonly at: number; readonly silence: number };

  constructor(now: number) {
    this.#mark = { at: now, silence: 0 };
  }

  get peers(): readonly Peer[] {
    return [...this.#peers.values()];
  }

  /** By the servers' names. */
  get entries(): readonly (readonly [string, Peer])[] {
    return [...this.#peers];
  }

  of(server: string): Peer | undefined {
    return this.#peers.get(server);
  }

  /** Waits for a server from now on, if it is not known. */
  expect(server: string, now: number): void {
    if (this.#peers.has(server)) return;
    const correspondent = new Correspondent();
    // Who comes later has heard this router without being heard, and holds nothing any more.
    const since = this.#silence(now);
    const known = since >= FIRST_SILENCE;
    this.#peers.set(server, {
      ...{ correspondent, since, at: -Infinity, isAsked: false, known },
      ...{ answeredAt: undefined, answer: undefined, report: undefined, lists: new PeerLists() },
    });
  }

  forget(server: string): void {
    this.#peers.delete(server);
  }

  /** A report of a server has come that answers a message of lately. */
  answered(peer: Peer, { life, sequence }: Report, now: number): void {
    this.#hearSomebody(now);
    peer.isAsked = false;
    peer.answeredAt = this.#mark.silence;
    peer.answer = { session: life, sequence };
  }

  isGone(peer: Peer, now: number): boolean {
    return this.#silence(now) >= goneAt(peer);
  }

  /** True where somebody that is not gone may hold what has not been told of. */
  isIncomplete(now: number): boolean {
    return (
      this.#isDeaf(now) ||
      (this.#silence(now) < FIRST_SILENCE && this.peers.some(({ known }) => !known)) ||
      this.peers.some((peer) => peer.isAsked && !this.isGone(peer, now))
    );
  }

  /** Servers that have answered lately, and with which report: a confirmation that is older than a lease would be of no use. */
  heard(now: number): HeardServer[] {
    const silence = this.#silence(now);
    return this.entries.flatMap(([server, { answer, answeredAt = -Infinity }]) =>
      answer && silence < answeredAt + LEASE ? { server, ...answer } : [],
    );
  }

  /** Clock when something of this will be otherwise, unless somebody is heard; `Infinity`: never. */
  next(now: number): number {
    const silence = this.#silence(now);
    const awaited = [FIRST_SILENCE, ...this.peers.map(goneAt)].filter((at) => at > silence);
    const reached = awaited.map((at) => this.#mark.at + (at - this.#mark.silence));
    // The silence goes no further.
    return Math.min(...reached.filter((at) => at <= this.#mark.at + SILENCE_OF_ALL));
  }

  #silence(now: number): number {
    return this.#mark.silence + Math.min(now - this.#mark.at, SILENCE_OF_ALL);
  }

  #isDeaf(now: number): boolean {
    return now >= this.#mark.at + SILENCE_OF_ALL;
  }

  /**
   * After a time in which nobody was heard, all are waited for as if they had just been heard, and asked what they hold: they may
   * have gone on without a router, and taken what was nobody's. So may those that were gone before: they may have come back meanwhile.
   */
  #hearSomebody(now: number): void {
    const silence = this.#silence(now);
    if (this.#isDeaf(now)) {
      for (const peer of this.peers) {
        peer.isAsked = true;
        // Servers wait for the word of whom the router says to hear, should it die.
        if (this.isGone(peer, now)) peer.answer = undefined;
        if (peer.answeredAt === undefined) peer.since = silence;
        else peer.answeredAt = silence;
      }
    }
    this.#mark = { at: now, silence };
  }
}

/** The silence by which a server is taken for gone. */
function goneAt({ answeredAt, since }: Peer): number {
  return answeredAt === undefined ? since + FIRST_SILENCE : answeredAt + SILENCE;
}
