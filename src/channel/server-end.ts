import { packFlows } from './flow.ts';
import type { FlowKey } from './flow.ts';
import { Correspondent, noRefusals } from './freshness.ts';
import type { Refusal, Refusals } from './freshness.ts';
import { HeldTables } from './held-tables.ts';
import type { ReleasedSlots } from './held-tables.ts';
import type { FlowShare } from './kept-flows.ts';
import { MOST_PROOFS, NOBODY, decodeMessage, encodeMessage, peek, splitContent } from './message.ts';
import type { Beat, Message, ServerLoad, ServiceHealth, TableName, TablePart } from './message.ts';
import type { Seal } from './seal.ts';
import { DESERTED, GRACE, HURRIED, LEASE, PATIENCE, REPORT_INTERVAL, SHORTEST_GAP, STOPPED } from './times.ts';
import { Witnesses } from './witnesses.ts';

/** Who has which slot, as a server believes. */
export interface SlotOwners extends TableName {
  readonly members: readonly string[];
  /** For each slot the index of its owner in `members`, or `NOBODY`. */
  readonly owners: Uint16Array;
}

export interface ServerEndOptions {
  /** Name of the server's section. */
  readonly server: string;
  readonly seal: Seal;
  /** Random, not 0, another one at every start. */
  readonly session: bigint;
  /** What the configuration says: asked where no router is heard. */
  readonly configured: () => readonly SlotOwners[];
  /** Clock, milliseconds. */
  readonly now: number;
}

/** What has come of an event. */
export interface ServerOutcome {
  /** To send now. */
  readonly messages: readonly Uint8Array[];
  /** True where `tables` tells something else than before. */
  readonly changed: boolean;
}

/**
 * How a server stands to its slots: it has been told nothing yet (`waiting`), holds what it was told (`holding`), or does not act
 * on it any more (`fenced`), since a router that does not hear it may have given it away.
 */
export type Hold = 'waiting' | 'holding' | 'fenced';

/** How a server stands to the router, for those who ask. Times in milliseconds from now. */
export interface Standing {
  readonly hold: Hold;
  /** Of the router that it follows; absent: of none. */
  readonly epoch?: bigint;
  /** Since a message of that router came. */
  readonly heard?: number;
  /** How long it may still rely on what it was told; absent where no router is known to have heard it, or too long ago. */
  readonly lease?: number;
  /** Tables that are announced, or were: the version in force here (0: from before this epoch), and the newest one heard of. */
  readonly tables: readonly (TableName & { readonly version: number; readonly announced: number })[];
  readonly refusals: Refusals;
}

/**
 * The server's end of the channel: takes tables, and reports. Does nothing by itself: its owner brings datagrams and, at the
 * time that `next` tells, calls `advance`; both say what to send. All times are milliseconds of one clock that never goes back.
 *
 * A server holds a lease on what it was told: it runs from when it sent the last report that the router is known to have heard,
 * and is over before the router takes the server for gone. A router that is dead gives nothing away, so that whoever knows it to be
 * dead goes on without a lease, for ever. That nothing is heard of it does not show that: it may be this server that is cut
 * off. What does is that all other servers, as many as the router last said to hear, report and have heard nothing of it either.
 */
export class ServerEnd {
  readonly #server: string;
  readonly #seal: Seal;
  readonly #session: bigint;
  #configured: ServerEndOptions['configured'];
  /** What that said last. */
  #fallback: readonly SlotOwners[] | undefined;
  readonly #router = new Correspondent();
  readonly #refusals = noRefusals();
  #sequence = 0;
  #hold: Hold = 'waiting';
  #epoch = 0n;
  readonly #held: HeldTables;
  /** Newest message of each router heard lately, the newest first; not all of them need be of now. */
  #heard: { life: bigint; sequence: number }[] = [];
  /** Epochs that were taken once and are over. */
  #formerEpochs: bigint[] = [];
  /** When reports were sent that may yet be acknowledged. */
  #sent: readonly { readonly sequence: number; readonly at: number }[] = [];
  /** When the last report was sent that the router is known to have heard. */
  #confirmed = -Infinity;
  /** When a message of the epoch taken was heard last. */
  #heardAt = -Infinity;
  /** When there was the last sign of any router, heard here or by others; or when this server started. */
  #routerAt: number;
  #reviewedAt: number;
  /** The router is known to be dead: what is held, is for ever. */
  #isDeserted = false;
  /** How long what is held is acted on without a lease, since a router has come to life. */
  #graceUntil = -Infinity;
  readonly #witnesses = new Witnesses();
  /** When the router last said to hear a server, by its name. */
  readonly #named = new Map<string, number>();
  #reportDue: number;
  #reportedAt = -Infinity;
  #health: readonly ServiceHealth[] = [];
  #load: ServerLoad | undefined;
  /** `hold` has changed. */
  #hasMoved = false;

  constructor({ server, seal, session, configured, now }: ServerEndOptions) {
    this.#server = server;
    this.#held = new HeldTables(server);
    this.#seal = seal;
    this.#session = session;
    this.#configured = configured;
    this.#routerAt = now;
    this.#reviewedAt = now;
    this.#reportDue = now;
  }

  get hold(): Hold {
    return this.#hold;
  }

  get refusals(): Refusals {
    return this.#refusals;
  }

  /** Clock when a router was heard last that this server knows; `-Infinity`: never, or too long ago. */
  get heardAt(): number {
    return this.#heardAt;
  }

  standing(now: number): Standing {
    const lease = this.#confirmed + LEASE - now;
    return {
      hold: this.#hold,
      ...(this.#epoch === 0n ? {} : { epoch: this.#epoch }),
      ...(this.#heardAt === -Infinity ? {} : { heard: now - this.#heardAt }),
      ...(lease > 0 ? { lease } : {}),
      tables: this.#held.versions(),
      refusals: this.#refusals,
    };
  }

  /** Tables that are in force here; a service of which there is none has no slot here. */
  tables(): SlotOwners[] {
    return this.#hold === 'holding' ? this.#held.tables() : [];
  }

  /** True where the slot is this server's, as it believes. */
  owns({ service, family }: TableName, slot: number): boolean {
    const table = this.#hold === 'holding' ? this.#held.tableOf({ service, family }) : undefined;
    return table !== undefined && table.members[table.owners[slot] ?? NOBODY] === this.#server;
  }

  /** Flows of a table that are with others than the owners of their slots. */
  flowsOf(table: TableName): FlowShare {
    const isHeld = this.#hold === 'holding' && this.#held.tableOf(table) !== undefined;
    return isHeld ? this.#held.flowsOf(table) : NO_FLOWS;
  }

  /**
   * Slots that this server has let go of, by table, 1 for each. Until `keep` has been told what is open in them nothing is
   * reported, and what is open there goes on.
   */
  releasing(): ReleasedSlots[] {
    return this.#hold === 'holding' ? this.#held.releasing() : [];
  }

  /** Takes the flows that are open in the slots that `releasing` tells of. From now on no others are this server's there. */
  keep(table: TableName, flows: Iterable<FlowKey>, now: number): ServerOutcome {
    this.#held.keep(table, flows);
    this.#reportSoon(now);
    return this.#outcome(now);
  }

  /**
   * Flows of those that `flowsOf` calls kept need not be any more: they have ended, or are in slots of this server's own. While no
   * router is heard they stay all the same, for nobody else would have them.
   */
  end(table: TableName, flows: Iterable<FlowKey>, now: number): ServerOutcome {
    if (!this.wantsReports(now) && this.#held.end(table, flows)) this.#reportSoon(now);
    return this.#outcome(now);
  }

  /** Until when `tables` may be acted on, by the same clock: -Infinity where there are none, Infinity while the router is known to be dead. */
  heldUntil(): number {
    if (this.#hold !== 'holding') return -Infinity;
    return this.#isDeserted ? Infinity : Math.max(this.#confirmed + LEASE, this.#graceUntil);
  }

  /** True while other servers' reports tell something: no router is heard. They are many, so that they are better not heard at other times. */
  wantsReports(now: number): boolean {
    return now >= this.#routerAt + DESERTED;
  }

  /** When `advance` is to be called again. */
  next(): number {
    return this.#hold === 'holding' ? Math.min(this.#reportDue, this.heldUntil()) : this.#reportDue;
  }

  /** What the configuration says now: where no router has told anything, it is what counts. */
  configure(configured: ServerEndOptions['configured'], now: number): ServerOutcome {
    this.#configured = configured;
    this.#fallback = undefined;
    if (this.#hold === 'holding' && this.#router.life === 0n) this.#takeWhatIsLeft(this.#configured());
    return this.#outcome(now);
  }

  /** What is to be reported. A service that fell ill or is well again is reported at once. */
  observe(health: readonly ServiceHealth[], load: ServerLoad | undefined, now: number): ServerOutcome {
    const states = (list: readonly ServiceHealth[]) => list.map(({ service, well }) => `${service} ${well}`).join();
    if (states(health) !== states(this.#health)) this.#reportSoon(now);
    this.#health = health;
    this.#load = load;
    return this.#outcome(now);
  }

  /** Lets time pass. */
  advance(now: number): ServerOutcome {
    this.#review(now);
    return this.#outcome(now);
  }

  /** A datagram has come. */
  receive(datagram: Uint8Array, now: number): ServerOutcome {
    this.#review(now);
    const refusal = this.#take(datagram, now);
    if (refusal) this.#refusals[refusal]++;
    this.#review(now);
    return this.#outcome(now);
  }

  #take(datagram: Uint8Array, now: number): Refusal | undefined {
    const kind = peek(datagram);
    if (kind === 'truncated' || kind === 'unknown') return kind;
    // What other servers report is for the router, as long as there is one.
    if ((kind === 'report' || kind === 'flows') && !this.wantsReports(now)) return undefined;
    if (!this.#seal.holds(datagram)) return 'forged';
    const message = decodeMessage(datagram, kind);
    if (!message) return 'unknown';
    if (message.kind === 'report') {
      if (message.server !== this.#server && this.#witnesses.take(message, now)) this.#see(now);
      return undefined;
    }
    if (message.kind === 'flows') return this.#witnesses.takeFlows(message);
    const proof = message.kind === 'beat' ? this.#proofIn(message) : 0;
    const order = this.#router.judge(message.life, message.sequence, proof, this.#sequence);
    if (order === 'old' && message.life !== this.#router.life) {
      this.#meet(message.life, message.sequence, now);
      return 'old';
    }
    if (order === 'old' || order === 'replayed') return order;
    if (order === 'taken') this.#begin(message.life);
    this.#note(message.life, message.sequence);
    // One that was held up, perhaps on purpose, does not show that the router still runs.
    if (order !== 'late') {
      this.#heardAt = now;
      this.#see(now);
    }
    if (message.kind === 'beat') this.#takeBeat(message, proof, order !== 'late', now);
    else return this.#takeTable(message, now);
    return undefined;
  }

  #proofIn({ heard }: Beat): number {
    return heard.find(({ server, session }) => server === this.#server && session === this.#session)?.sequence ?? 0;
  }

  /** Somebody with the key whose messages may be recordings: is asked at once whether it hears us. */
  #meet(epoch: bigint, sequence: number, now: number): void {
    if (this.#formerEpochs.includes(epoch) || !this.#note(epoch, sequence)) return;
    this.#see(now);
    this.#reportSoon(now);
  }

  /** There is a router. */
  #see(now: number): void {
    this.#routerAt = now;
    if (!this.#isDeserted) return;
    this.#isDeserted = false;
    // It asks before it gives anything away, and waits longer than this for who does not answer.
    this.#graceUntil = now + GRACE;
  }

  /** True where the message is the newest that was heard of this router. */
  #note(life: bigint, sequence: number): boolean {
    const known = this.#heard.find((heard) => heard.life === life);
    if (known && known.sequence >= sequence) return false;
    this.#witnesses.note(life, sequence);
    this.#heard = [{ life, sequence }, ...this.#heard.filter((heard) => heard !== known)].slice(0, MOST_PROOFS);
    return true;
  }

  /** Another epoch begins: what is held is from before it. */
  #begin(epoch: bigint): void {
    const former = this.#epoch;
    if (former !== 0n) this.#formerEpochs = [former, ...this.#formerEpochs].slice(0, 2 * MOST_PROOFS);
    this.#heard = this.#heard.filter(({ life }) => life !== former);
    this.#epoch = epoch;
    this.#held.begin(this.#hold !== 'fenced');
    this.#reportDue = -Infinity;
  }

  #takeBeat({ tables, heard }: Beat, proof: number, isNewest: boolean, now: number): void {
    const wasOver = now >= this.#confirmed + LEASE;
    this.#confirm(proof);
    for (const { server } of heard) if (server !== this.#server) this.#named.set(server, now);
    let lacks = false;
    // While it was not heard the router may have given away what an outdated table says.
    for (const table of tables) if (this.#held.announce(table, !wasOver)) lacks = true;
    if (isNewest) this.#held.keepOnly(tables);
    if (lacks) this.#reportSoon(now);
    // The router has heard it in time after all, and has given away nothing of what is left.
    if (this.#hold === 'fenced' && this.#held.size > 0 && now < this.#confirmed + LEASE) this.#stand('holding');
  }

  #takeTable(part: TablePart, now: number): Refusal | undefined {
    // Without a lease nobody knows whether it is still true.
    if (now >= this.#confirmed + LEASE) return undefined;
    const taken = this.#held.take(part, this.#hold === 'holding');
    if (taken === 'unknown') return taken;
    if (!taken) return undefined;
    this.#stand('holding');
    this.#reportSoon(now);
    return undefined;
  }

  #confirm(proof: number): void {
    const acknowledged = this.#sent.find(({ sequence }) => sequence === proof);
    if (!acknowledged || acknowledged.at <= this.#confirmed) return;
    this.#confirmed = acknowledged.at;
  }

  /** Sees whether what is held may still be acted on, and whether there is something to be had without a router. */
  #review(now: number): void {
    if (now >= this.#reviewedAt + STOPPED) {
      this.#routerAt = now;
      this.#isDeserted = false;
    }
    this.#reviewedAt = now;
    if (this.#hold !== 'holding') return this.#recover(now);
    if (now >= this.heldUntil()) return this.#fence(now);
    if (!this.#isDeserted && this.#isTestified(this.#others(), DESERTED, now)) this.#isDeserted = true;
  }

  /** Servers that the router heard when it was last heard itself. */
  #others(): string[] {
    return [...this.#named].flatMap(([server, at]) => (at >= this.#heardAt - LEASE ? server : []));
  }

  /** True where there has been no sign of a router for so long, and all of the servers say so. */
  #isTestified(servers: readonly string[], silence: number, now: number): boolean {
    const since = this.#routerAt + silence;
    return now >= since && this.#witnesses.haveAllReported(servers, since);
  }

  #fence(now: number): void {
    this.#held.fence();
    this.#stand('fenced');
    this.#reportSoon(now);
  }

  /**
   * Takes slots where the router is dead, though nothing is held: what was held last, or else what the configuration gives, but for
   * what others hold. All of them must have told that, and at a time when nothing that the router once sent could be taken any more.
   */
  #recover(now: number): void {
    if (!this.wantsReports(now)) return;
    const former = this.#held.tables();
    const tables = former.length > 0 ? former : (this.#fallback ??= this.#configured());
    const servers = former.length > 0 ? this.#others() : tables.flatMap(({ members }) => members);
    const others = [...new Set(servers)].filter((server) => server !== this.#server);
    const silence = others.length > 0 ? LEASE : PATIENCE;
    if (!this.#isTestified(others, silence, now) || !this.#witnesses.haveAllTold(others)) return;
    this.#isDeserted = true;
    this.#takeWhatIsLeft(tables);
  }

  #takeWhatIsLeft(tables: readonly SlotOwners[]): void {
    this.#held.takeWhatIsLeft(tables, this.#witnesses);
    this.#stand('holding');
  }

  #stand(hold: Hold): void {
    if (this.#hold === hold) return;
    this.#hold = hold;
    this.#hasMoved = true;
  }

  #reportSoon(now: number): void {
    this.#reportDue = Math.min(this.#reportDue, Math.max(now, this.#reportedAt + SHORTEST_GAP));
  }

  #outcome(now: number): ServerOutcome {
    // What has been let go of is told together with what goes on of it.
    if (this.releasing().length > 0) this.#reportDue = Math.max(this.#reportDue, now + SHORTEST_GAP);
    const messages = now >= this.#reportDue ? [...this.#lists(now), this.#report(now)] : [];
    const changed = this.#held.hasChanged() || this.#hasMoved;
    this.#hasMoved = false;
    return { messages, changed };
  }

  /** Lists of flows that the router has yet to announce; where there is none, others ask for all of them. */
  #lists(now: number): Uint8Array[] {
    return this.#held.tables().flatMap((table) => {
      const { generation, kept, isAnnounced } = this.#held.flowsOf(table);
      if (generation === 0 || (isAnnounced && !this.wantsReports(now))) return [];
      const { service, family } = table;
      const parts = splitContent(packFlows(kept), table, this.#server);
      return parts.map((content, part) =>
        this.#close({
          kind: 'flows',
          ...{ life: this.#session, sequence: ++this.#sequence, server: this.#server, service, family },
          ...{ generation, part, parts: parts.length, content },
        }),
      );
    });
  }

  #report(now: number): Uint8Array {
    const sequence = ++this.#sequence;
    this.#sent = [...this.#sent.filter(({ at }) => now < at + LEASE), { sequence, at: now }];
    this.#reportedAt = now;
    const age = now - this.#confirmed;
    this.#reportDue = now + (age > HURRIED.from && age < LEASE ? HURRIED.interval : REPORT_INTERVAL);
    return this.#close({
      kind: 'report',
      ...{ life: this.#session, sequence, server: this.#server, heard: this.#heard, epoch: this.#router.life },
      tables: this.#held.reported(this.wantsReports(now)),
      health: this.#health,
      ...(this.#load ? { load: this.#load } : {}),
    });
  }

  #close(message: Message): Uint8Array {
    return this.#seal.close(encodeMessage(message));
  }
}

const NO_FLOWS: FlowShare = { kept: new Set(), elsewhere: new Set() };
