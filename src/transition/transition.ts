import type { Family } from '../net/address.ts';

/**
 * A change under way that breaks no connection (X1): slots have moved, and connections from before stay with the server that
 * they had. As the ruleset needs it; `state.ts` makes it of the changes, one after the other.
 */
export interface Transition {
  /** By family, as `SlotTables`: families that share a slot table share this, too (the same object). */
  readonly tables: Readonly<Partial<Record<Family, SlotTransition>>>;
  /** Servers whose flows are recorded: all that a history has named since the transition began. Sorted by name. */
  readonly recorded: readonly RecordedServer[];
}

export interface RecordedServer {
  readonly server: string;
  /** How often its records have become worthless: when no history named it any more, since it died or was done. */
  readonly emptied: number;
}

/** What has become of the slots of one table. */
export interface SlotTransition {
  /** Each once. */
  readonly histories: readonly SlotHistory[];
  /** Slot → index into `histories`, or `NOBODY` of the allocation: nothing has become of the slot. */
  readonly slots: Uint16Array;
}

/** Where the packets of a slot belong that has moved. Servers are named, since their order may change meanwhile. */
export interface SlotHistory {
  /** Server that new connections get: the slot's in the slot table. */
  readonly current: string;
  /**
   * What a TCP segment gets that begins no connection and is of none that was recorded: the server that had the slot before
   * the first change, a RST, silence, or (`current`) what the slot table says.
   */
  readonly unknown: { readonly server: string } | 'reset' | 'drop';
  /** Other servers that may have recorded flows of this slot. Sorted; without `current`, unless a change is being prepared. */
  readonly visited: readonly string[];
  /** UDP flows that are not known are taken for this server's old ones, and recorded so; absent: they are new. */
  readonly learning?: string;
  /** The slot table still names another server than `current`, and decides about no packet with ports. */
  readonly isHeld?: boolean;
}
