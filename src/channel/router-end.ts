import { Attendance } from './attendance.ts';
import type { Peer } from './attendance.ts';
import { noRefusals } from './freshness.ts';
import type { Refusal, Refusals } from './freshness.ts';
import { Handover } from './handover.ts';
import { decodeMessage, encodeMessage, peek, splitContent, splitHeard } from './message.ts';
import type { FlowsPart, Message, Report, ServerLoad, ServiceHealth, TableName } from './message.ts';
import { PeerLists } from './peer-lists.ts';
import type { Seal } from './seal.ts';
import type { SlotOwners } from './server-end.ts';
import { packTable } from './table-content.ts';
import { BEAT_INTERVAL, GATHERING, LEASE, REPEAT_AFTER, SHORTEST_GAP } from './times.ts';

/** A table as it shall be. */
export interface WantedTable extends SlotOwners {
  /** Equal as long as a slot means the same clients. */
  readonly meaning: string;
}

export interface Wanted {
  readonly tables: readonly WantedTable[];
  /** All servers that are to be heard. */
  readonly servers: readonly string[];
}

export interface RouterEndOptions {
  readonly seal: Seal;
  /** Random, not 0, another one at every start. */
  readonly epoch: bigint;
  /** Clock, milliseconds. */
  readonly now: number;
}

/** What has come of an event. */
export interface RouterOutcome {
  /** To send now. */
  readonly messages: readonly Uint8Array[];
  /** Server whose report has just been taken, and shows that it hears this router, too. */
  readonly reported?: string;
}

/** What is known of a server. */
export interface Reporter {
  /** Clock when its last report came. */
  readonly at: number;
  readonly health: readonly ServiceHealth[];
  readonly load?: ServerLoad;
  /** True where it has every table as it is announced. */
  readonly isCurrent: boolean;
}

interface AnnouncedTable extends TableName {
  readonly handover: Handover;
  meaning: string;
  /** Clock. */
  sentAt: number;
  /** Clock when it was announced as it is. */
  changedAt: number;
  /** Its parts were sent in this order last. */
  isBackward: boolean;
  /** As it was sent last. */
  packed?: { readonly version: number; readonly parts: readonly Uint8Array[] };
}

/**
 * The router's end of the channel: announces tables, and hears reports. Does nothing by itself: its owner says what is wanted,
 * brings datagrams and, at the time that `next` tells, calls `advance`; all say what to send. All times are milliseconds of one
 * clock that never goes back.
 */
export class RouterEnd {
  readonly #seal: Seal;
  readonly #epoch: bigint;
  readonly #refusals = noRefusals();
  #sequence = 0;
  readonly #tables = new Map<string, AnnouncedTable>();
  /** Those that are wanted no more; versions go on where one comes back. */
  readonly #retired = new Map<string, AnnouncedTable>();
  readonly #attendance: Attendance;
  /** When messages were sent that may yet be answered. */
  #sent: readonly { readonly sequence: number; readonly at: number }[] = [];
  #beatDue: number;
  #beatAt = -Infinity;
  /** Tables that somebody lacks. */
  readonly #lacking = new Set<AnnouncedTable>();

  constructor({ seal, epoch, now }: RouterEndOptions) {
    this.#seal = seal;
    this.#epoch = epoch;
    this.#attendance = new Attendance(now);
    this.#beatDue = now;
  }

  get refusals(): Refusals {
    return this.#refusals;
  }

  /** When `advance` is to be called again. */
  next(now: number): number {
    let next = Math.min(this.#beatDue, this.#attendance.next(now));
    for (const { sentAt } of this.#lacking) {
      // Later where somebody has to be heard before.
      if (sentAt + REPEAT_AFTER > now) next = Math.min(next, sentAt + REPEAT_AFTER);
    }
    for (const { handover, changedAt } of this.#tables.values()) {
      const gathered = changedAt + GATHERING;
      if (gathered > now && !handover.isSettled) next = Math.min(next, gathered);
    }
    return next;
  }

  /** Takes what is wanted in place of what was. */
  want(wanted: Wanted, now: number): RouterOutcome {
    for (const server of wanted.servers) this.#attendance.expect(server, now);
    for (const [server, peer] of this.#attendance.entries) {
      if (wanted.servers.includes(server) || !this.#attendance.isGone(peer, now)) continue;
      this.#revise(peer.lists.clear(peer.correspondent.highest));
      this.#attendance.forget(server);
    }
    const keys = new Set(wanted.tables.map(keyOf));
    for (const [key, table] of this.#tables) {
      if (keys.has(key)) continue;
      this.#tables.delete(key);
      this.#lacking.delete(table);
      this.#retired.set(key, table);
    }
    for (const table of wanted.tables) this.#wantTable(table);
    return { messages: this.#send(now) };
  }

  /** Lets time pass. */
  advance(now: number): RouterOutcome {
    return { messages: this.#send(now) };
  }

  /** A datagram has come. */
  receive(datagram: Uint8Array, now: number): RouterOutcome {
    const taken = this.#take(datagram, now);
    if (typeof taken === 'string') {
      this.#refusals[taken]++;
      return { messages: [] };
    }
    return { messages: this.#send(now), ...(taken ? { reported: taken.server } : {}) };
  }

  /** What is known of a server; `undefined`: it was never heard. */
  reporter(server: string): Reporter | undefined {
    const peer = this.#attendance.of(server);
    if (!peer?.report) return undefined;
    const { health, load } = peer.report;
    const isCurrent = [...this.#tables.values()].every(
      (table) => this.#heldVersion(peer, table) === table.handover.version,
    );
    return { at: peer.at, health, ...(load ? { load } : {}), isCurrent };
  }

  /** Tables as they are announced. */
  announced(): SlotOwners[] {
    return [...this.#tables.values()].map(({ service, family, handover }) => {
      const { members, owners } = handover.announced();
      return { service, family, members, owners };
    });
  }

  #take(datagram: Uint8Array, now: number): Refusal | Report | undefined {
    const kind = peek(datagram);
    // Another router's, or our own.
    if (kind === 'beat' || kind === 'table') return undefined;
    if (kind !== 'report' && kind !== 'flows') return kind;
    if (!this.#seal.holds(datagram)) return 'forged';
    const message = decodeMessage(datagram, kind);
    if (message?.kind !== 'report' && message?.kind !== 'flows') return 'unknown';
    const peer = this.#attendance.of(message.server);
    // Not a server of ours any more, or not yet.
    if (!peer) return undefined;
    if (message.kind === 'flows') return this.#takeFlows(peer, message);
    const proof = message.heard.find(({ life }) => life === this.#epoch)?.sequence ?? 0;
    const order = peer.correspondent.judge(message.life, message.sequence, proof, this.#sequence);
    if (order === 'late') return 'old';
    if (order === 'old' || order === 'replayed') return order;
    // It can hold nothing before it has heard of this.
    if (order === 'taken') {
      this.#beatSoon(now);
      this.#revise(peer.lists.clear(0));
      peer.lists = new PeerLists();
    }
    peer.report = message;
    peer.at = now;
    if (message.epoch === this.#epoch) peer.known = true;
    this.#hearTables(peer, message);
    // Who hears nothing any more lets its lease run out, and is as good as silent.
    if (!this.#sent.some(({ sequence, at }) => sequence === proof && now < at + LEASE)) return undefined;
    this.#attendance.answered(peer, message, now);
    return message;
  }

  #takeFlows(peer: Peer, part: FlowsPart): Refusal | undefined {
    // Nothing in a list shows that its session is of now: a report has to do that first.
    if (part.life !== peer.correspondent.life) return 'old';
    const order = peer.correspondent.judge(part.life, part.sequence, 0, this.#sequence);
    if (order === 'old' || order === 'replayed') return order;
    const taken = peer.lists.take(keyOf(part), part);
    if (taken === 'unknown') return taken;
    if (!taken) return undefined;
    this.#revise([keyOf(part)]);
    if (peer.report) this.#hearTables(peer, peer.report);
    return undefined;
  }

  #hearTables(peer: Peer, report: Report): void {
    for (const table of this.#tables.values()) {
      const key = keyOf(table);
      const entry = report.tables.find((held) => keyOf(held) === key);
      // Who holds nothing of a table goes on with no flow of it.
      if (!entry) this.#revise(peer.lists.drop(key, report.sequence));
      // What it has let go of may be granted once it is known with which flows it goes on there, not before.
      if (peer.lists.generation(key) === (entry?.generation ?? 0)) {
        table.handover.acknowledge(report.server, this.#heldVersion(peer, table), entry?.held);
      }
      if (this.#lacks(peer, table)) this.#lacking.add(table);
    }
  }

  /** Announces these tables anew: the flows that servers go on with are others. */
  #revise(keys: readonly string[]): void {
    for (const key of keys) this.#tables.get(key)?.handover.revise();
  }

  /** Whether it goes on with flows from before this epoch that it has yet to tell. */
  #owesLists(peer: Peer): boolean {
    return [...this.#tables.values()].some((table) => {
      const entry = peer.report?.tables.find((held) => keyOf(held) === keyOf(table));
      if (!entry || this.#heldVersion(peer, table) > 0) return false;
      return entry.generation !== peer.lists.generation(keyOf(table));
    });
  }

  /** Whether it was heard, and had another version than the one that is announced. */
  #lacks(peer: Peer, table: AnnouncedTable): boolean {
    return peer.report !== undefined && this.#heldVersion(peer, table) < table.handover.version;
  }

  /** Version of a table that a server has told to have in this epoch. */
  #heldVersion({ report }: Peer, table: TableName): number {
    if (report?.epoch !== this.#epoch) return 0;
    return report.tables.find((entry) => keyOf(entry) === keyOf(table))?.version ?? 0;
  }

  #wantTable({ service, family, members, owners, meaning }: WantedTable): void {
    const key = keyOf({ service, family });
    const known = this.#tables.get(key) ?? this.#retired.get(key);
    const table = known ?? {
      ...{ service, family, handover: new Handover(owners.length), meaning },
      ...{ sentAt: -Infinity, changedAt: -Infinity, isBackward: true },
    };
    if (this.#retired.delete(key) || table.meaning !== meaning) table.handover.reset(owners.length);
    table.meaning = meaning;
    this.#tables.set(key, table);
    table.handover.want(members, owners);
  }

  #beatSoon(now: number): void {
    this.#beatDue = Math.min(this.#beatDue, Math.max(now, this.#beatAt + SHORTEST_GAP));
  }

  #send(now: number): Uint8Array[] {
    const attendance = this.#attendance;
    const isGone = (server: string): boolean => {
      const peer = attendance.of(server);
      return !peer || attendance.isGone(peer, now);
    };
    const { peers } = attendance;
    // Who is gone goes on with nothing.
    for (const peer of peers)
      if (attendance.isGone(peer, now)) this.#revise(peer.lists.clear(peer.correspondent.highest));
    const isIncomplete =
      attendance.isIncomplete(now) || peers.some((peer) => this.#owesLists(peer) && !attendance.isGone(peer, now));
    const changed = [...this.#tables.values()].filter((table) => {
      const { handover, changedAt } = table;
      // What is announced may have been taken by somebody else meanwhile, and whoever has not heard of it yet must not.
      if (isIncomplete) return false;
      const isGathering = now < changedAt + GATHERING && !handover.isAcknowledged(isGone);
      if (!handover.advance({ isGone, isIncomplete: isGathering })) return false;
      table.changedAt = now;
      return true;
    });
    const due = new Set(changed);
    for (const table of this.#lacking) {
      if (isIncomplete || now < table.sentAt + REPEAT_AFTER) continue;
      // Who has reported before it came may have it by now.
      if (peers.some((peer) => this.#lacks(peer, table))) due.add(table);
      else this.#lacking.delete(table);
    }
    if (changed.length > 0) this.#beatSoon(now);
    // Before the beat: who hears that there is a newer version has it by then.
    const messages = [...due]
      .filter(({ handover }) => handover.version > 0)
      .flatMap((table) => this.#table(table, now));
    if (now >= this.#beatDue) messages.push(...this.#beat(now));
    return messages;
  }

  #table(table: AnnouncedTable, now: number): Uint8Array[] {
    const { service, family, handover } = table;
    table.sentAt = now;
    this.#lacking.delete(table);
    const { version } = handover;
    if (table.packed?.version !== version) {
      const lists = this.#attendance.entries.flatMap(([server, peer]) => peer.lists.listOf(server, keyOf(table)));
      table.packed = { version, parts: splitContent(packTable({ ...handover.announced(), lists }), table) };
    }
    const { parts } = table.packed;
    // Once from the front and once from the back: a network that loses every second message must not lose the same ones each time.
    const order = parts.map((content, part) => ({ content, part }));
    table.isBackward = !table.isBackward;
    if (table.isBackward) order.reverse();
    return order.map(({ content, part }) =>
      this.#close({
        kind: 'table',
        ...this.#envelope(now),
        service,
        family,
        version,
        part,
        parts: parts.length,
        content,
      }),
    );
  }

  #beat(now: number): Uint8Array[] {
    this.#beatAt = now;
    this.#beatDue = now + BEAT_INTERVAL;
    const tables = [...this.#tables.values()].map(({ service, family, handover: { version } }) => ({
      ...{ service, family, version },
    }));
    return splitHeard(tables, this.#attendance.heard(now)).map((part) =>
      this.#close({ kind: 'beat', ...this.#envelope(now), tables, heard: part }),
    );
  }

  /** Of the next message, which is sent now. */
  #envelope(now: number): { readonly life: bigint; readonly sequence: number } {
    const sequence = ++this.#sequence;
    this.#sent = [...this.#sent.filter(({ at }) => now < at + LEASE), { sequence, at: now }];
    return { life: this.#epoch, sequence };
  }

  #close(message: Message): Uint8Array {
    return this.#seal.close(encodeMessage(message));
  }
}

function keyOf({ service, family }: TableName): string {
  return `${service}/${family}`;
}
