import type { Family } from '../net/address.ts';
import type { Json } from './expression.ts';
import type { InnerLayout } from './inner-packet.ts';

/**
 * A whole ruleset as data: what the kernel shall hold. Names follow the way of a packet: `from/DEVICE` is where it arrives,
 * `from/DEVICE/SERVICE/tcp4` its guards, `SERVICE/slot` the allocation table, `SERVICE/to/SERVER` its end. While a change is
 * digested, `SERVICE/moved` comes in between.
 */
export interface Ruleset {
  readonly tables: readonly Table[];
}

/** Tables are told apart by family; all of them are called `oneip`. */
export interface Table {
  readonly family: 'netdev' | 'inet' | 'ip' | 'ip6';
  readonly chains: readonly Chain[];
  readonly sets: readonly SetObject[];
  readonly slotMaps: readonly SlotMap[];
  /** Names of counters. */
  readonly counters: readonly string[];
}

export const TABLE = 'oneip';

export interface Chain {
  readonly name: string;
  /** Absent for chains that others jump to. */
  readonly hook?: Hook;
  readonly rules: readonly Rule[];
  /** In their place: rules that not every nft can be told in JSON. They are loaded by netlink, behind the rest. */
  readonly records?: readonly RecordRule[];
  /**
   * Interface numbers that the rules are bound to, by device name: the kernel keeps numbers, so a device that comes back
   * under another one needs its rules anew.
   */
  readonly bound?: Readonly<Record<string, number>>;
}

export interface Hook {
  readonly type: 'filter' | 'route' | 'nat';
  readonly hook: 'ingress' | 'prerouting' | 'forward' | 'output' | 'postrouting';
  readonly priority: number;
  readonly device?: string;
}

/** A named set, or a verdict map where `verdicts` is true. */
export interface SetObject {
  readonly name: string;
  readonly key: string | readonly string[];
  readonly verdicts: boolean;
  /** True for a map to marks, which has none of the elements given here. */
  readonly marks?: boolean;
  /** Elements at most; absent = 65535, for which the kernel makes room as they come, and not beforehand. */
  readonly size?: number;
  readonly interval: boolean;
  /** True where packets add elements, which are forgotten in time: those are the kernel's, and none are given here. */
  readonly timeout?: boolean;
  /** Of these: how often all elements have been taken out. */
  readonly emptied?: number;
  /** Elements; of maps, [key, verdict]. */
  readonly elements: readonly Json[];
}

/** A verdict map from slot number to chain, kept as numbers: 4096 objects would cost a router a megabyte. */
export interface SlotMap {
  readonly name: string;
  /** Slot → index into `targets`, or 0xffff: no element. */
  readonly slots: Uint16Array;
  /** Chains. */
  readonly targets: readonly string[];
  /** How packets get there; absent = `goto`. */
  readonly verdict?: 'jump';
  /**
   * What carries the number from the hash to the map; absent = `mark`. `classid`, the packet's priority, means nothing for what
   * a machine takes itself, whereas others have uses for marks.
   */
  readonly key?: 'classid';
}

export interface Rule {
  /** What the rule is for, in a few words; listed as its comment behind `!oneip: `. */
  readonly purpose: string;
  readonly statements: readonly Json[];
}

/** A rule about a map from flows to marks, which packets fill. */
export type RecordRule =
  /** Remembers the packet's mark as its flow's, or has it stay there, and returns; goes on where there is no room. */
  | {
      readonly kind: 'remember';
      readonly purpose: string;
      readonly family: Family;
      /** IP protocol number. */
      readonly protocol: number;
      readonly map: string;
      readonly seconds: number;
    }
  /** Counts, and takes the mark away. */
  | { readonly kind: 'full'; readonly purpose: string; readonly counter: string }
  /** Gives an ICMP error the mark of the flow that it is about, and accepts it; goes on where that is not known. */
  | {
      readonly kind: 'error';
      readonly purpose: string;
      readonly family: Family;
      readonly map: string;
      readonly layout: InnerLayout;
      /** What has to be the octet at so many bits behind the ICMP header's start. */
      readonly nextHeader?: { readonly offset: number; readonly value: number };
    };

export function rule(purpose: string, ...statements: Json[]): Rule {
  return { purpose, statements };
}
