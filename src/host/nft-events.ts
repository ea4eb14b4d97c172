import { littleEndian } from 'oneip:runtime';
import { tableFilter } from '../netlink/filter.ts';
import type { NetlinkMessage } from '../netlink/message.ts';
import {
  NFNLGRP_NFTABLES,
  NFT_MSG_GETGEN,
  NFT_MSG_GETTABLE,
  decodeGeneration,
  decodeNftablesEvent,
  encodeGenerationRequest,
  encodeTableDump,
  nftablesType,
} from '../netlink/nftables.ts';
import type { NftablesEvent } from '../netlink/nftables.ts';
import { encodeRecordChains } from '../netlink/record-rules.ts';
import type { Chain } from '../ruleset/ruleset.ts';
import { encodeSlotChange, encodeTimedBytes } from '../netlink/slot-elements.ts';
import type { Batch, Place, SlotChange } from '../netlink/slot-elements.ts';
import { NETLINK_NETFILTER, NetlinkChannel } from './netlink-channel.ts';
import { NetlinkListener } from './netlink-listener.ts';
import { nftRun, throwIfRefused } from './nft.ts';

/**
 * What somebody else may have done to our tables: `events` tells it, as far as it was heard; `unheard` is true where
 * something may have happened that was not. Either way the tables must be compared with what they should hold.
 */
export interface ForeignChange {
  readonly events: readonly NftablesEvent[];
  readonly unheard: boolean;
}

/**
 * Notices by netlink when somebody else changes the tables of a name. The kernel tells every change to everybody, so this
 * does not listen during own transactions; the generation number, one more with each commit, then tells whether anybody else
 * has committed meanwhile.
 */
export class TableWatch {
  readonly #table: string;
  readonly #onForeignChange: (change: ForeignChange) => void;
  readonly #channel = new NetlinkChannel(NETLINK_NETFILTER);
  readonly #listener: NetlinkListener;

  /** Watches the tables of this name in all families until closed; keeps the process alive. */
  constructor(table: string, onForeignChange: (change: ForeignChange) => void) {
    this.#table = table;
    this.#onForeignChange = onForeignChange;
    this.#listener = new NetlinkListener(
      NETLINK_NETFILTER,
      tableFilter(table, littleEndian),
      (messages) => {
        this.#take(messages);
      },
      () => {
        onForeignChange({ events: [], unheard: true });
      },
    );
    this.#listener.join(NFNLGRP_NFTABLES);
  }

  /** Number of the last commit of this network namespace. */
  generation(): number {
    const answer = this.#channel.query(nftablesType(NFT_MSG_GETGEN), encodeGenerationRequest());
    return decodeGeneration(answer, littleEndian) ?? 0;
  }

  /**
   * Runs a transaction of ours, whose changes are not told; its status is 0 where it was committed. A foreign change
   * meanwhile is told afterwards, in a later turn of the event loop.
   */
  transaction<T extends { readonly status: number }>(run: () => T): T {
    const before = this.generation();
    this.#listener.leave(NFNLGRP_NFTABLES);
    let commits = 0;
    try {
      const result = run();
      if (result.status === 0) commits = 1;
      return result;
    } finally {
      this.#listener.join(NFNLGRP_NFTABLES);
      const generations = (this.generation() - before) >>> 0;
      if (generations > commits) {
        void Promise.resolve().then(() => {
          this.#onForeignChange({ events: [], unheard: true });
        });
      }
    }
  }

  /** Loads a libnftables transaction of ours; throws with nft's reason, and then nothing has changed. */
  load(commands: string): void {
    throwIfRefused(this.transaction(() => nftRun(commands)));
  }

  /** Moves slots, all or nothing; throws with the kernel's reason. */
  moveSlots(change: SlotChange): void {
    this.batch(encodeSlotChange(change, littleEndian));
  }

  /** Fills chains with their records, all or nothing; throws with the kernel's reason. */
  loadRecords(chains: readonly Chain[]): void {
    this.batch(encodeRecordChains(chains, littleEndian));
  }

  /** See `encodeTimedBytes`; throws with the kernel's reason. */
  setTimed(place: Place, bytes: readonly number[], time: number): void {
    this.batch(encodeTimedBytes(place, bytes, time, littleEndian));
  }

  /** Runs any other batch, all or nothing; throws with the kernel's reason. */
  batch(batch: Batch): void {
    this.transaction(() => {
      this.#channel.transaction(batch);
      return { status: 0 };
    });
  }

  /** Whether the kernel holds a table of our name, in whatever family. */
  isThere(): boolean {
    const tables = this.#channel.dump(nftablesType(NFT_MSG_GETTABLE), encodeTableDump(), (message) =>
      decodeNftablesEvent(message, littleEndian),
    );
    return tables.some(({ table }) => table === this.#table);
  }

  /** For questions about what the kernel holds. */
  get channel(): NetlinkChannel {
    return this.#channel;
  }

  /** Idempotent. */
  close(): void {
    this.#listener.close();
    this.#channel.close();
  }

  #take(messages: readonly NetlinkMessage[]): void {
    const events = messages.flatMap((message) => decodeNftablesEvent(message, littleEndian) ?? []);
    const ours = events.filter(({ table }) => table === this.#table);
    if (ours.length > 0) this.#onForeignChange({ events: ours, unheard: false });
  }
}
