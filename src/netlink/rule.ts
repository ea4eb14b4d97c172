import type { Family } from '../net/address.ts';
import { addressFamily, familyOf } from './family.ts';
import type { NetlinkMessage } from './message.ts';
import { PayloadWriter, decodeAttributes, viewOf } from './message.ts';
import { RT_TABLE_LOCAL } from './route.ts';

// Policy routing rules (include/uapi/linux/fib_rules.h).

export const RTM_NEWRULE = 32;
export const RTM_DELRULE = 33;
export const RTM_GETRULE = 34;
export const RTNLGRP_IPV4_RULE = 8;
export const RTNLGRP_IPV6_RULE = 19;

const FIB_RULE_HDR = 12;
const FR_ACT_TO_TBL = 1;
const FR_ACT_GOTO = 2;
const FIB_RULE_INVERT = 2;
const FRA_GOTO = 4;
const FRA_PRIORITY = 6;
const FRA_FWMARK = 10;
const FRA_SUPPRESS_IFGROUP = 13;
const FRA_SUPPRESS_PREFIXLEN = 14;
const FRA_TABLE = 15;
const FRA_FWMASK = 16;
const FRA_PROTOCOL = 21;
const NOT_SUPPRESSED = 0xffffffff;
/** What every rule carries and what `Rule` tells; any other attribute is a further condition. */
const UNDERSTOOD = new Set([FRA_GOTO, FRA_PRIORITY, FRA_FWMARK, FRA_FWMASK, FRA_TABLE, FRA_PROTOCOL]);

export interface Rule {
  readonly family: Family;
  /** 0 is looked at first; rules of equal priority in the order in which they were made. */
  readonly priority: number;
  /** Firewall mark; 0 with mask 0 = every packet. */
  readonly mark: number;
  readonly mask: number;
  /** What is looked into; 0 where the rule leads on to another one. */
  readonly table: number;
  /** Priority of the rules that are asked next, past all in between; absent: it looks a table up. */
  readonly goto?: number;
  /** Who made it (RTPROT_*); 0 = not told. */
  readonly protocol: number;
  /** True where it has further conditions (addresses, devices, ports, inversion) or does something else than these two. */
  readonly special: boolean;
}

/** True for `from all lookup local`, by which the kernel finds its own addresses. */
export function looksUpLocal(rule: Rule): boolean {
  return !rule.special && rule.goto === undefined && rule.mask === 0 && rule.table === RT_TABLE_LOCAL;
}

export function encodeRuleDump(family: Family): Uint8Array {
  return Uint8Array.from([addressFamily(family), ...new Uint8Array(FIB_RULE_HDR - 1)]);
}

/** Payload of RTM_NEWRULE and RTM_DELRULE, which deletes the first rule that is the same, its protocol included. */
export function encodeRule(rule: Omit<Rule, 'special'>, littleEndian: boolean): Uint8Array {
  const { family, priority, mark, mask, table, protocol, goto } = rule;
  const action = goto === undefined ? FR_ACT_TO_TBL : FR_ACT_GOTO;
  const writer = new PayloadWriter(littleEndian)
    .bytes([addressFamily(family), 0, 0, 0, table < 256 ? table : 0, 0, 0, action])
    .u32(0)
    .attributeU32(FRA_PRIORITY, priority)
    .attributeU32(FRA_TABLE, table)
    .attributeU8(FRA_PROTOCOL, protocol);
  if (goto !== undefined) writer.attributeU32(FRA_GOTO, goto);
  if (mask !== 0) writer.attributeU32(FRA_FWMARK, mark).attributeU32(FRA_FWMASK, mask);
  return writer.finish();
}

/** Reads RTM_NEWRULE or RTM_DELRULE; `undefined` for families other than IPv4 and IPv6. */
export function decodeRule({ payload }: NetlinkMessage, littleEndian: boolean): Rule | undefined {
  if (payload.length < FIB_RULE_HDR) return undefined;
  const [family = 0, destinationLength, sourceLength, serviceType, shortTable = 0, , , action] = payload;
  const ipFamily = familyOf(family);
  if (!ipFamily) return undefined;
  const attributes = decodeAttributes(payload, FIB_RULE_HDR, littleEndian);
  const inverted = (viewOf(payload).getUint32(8, littleEndian) & FIB_RULE_INVERT) !== 0;
  const suppresses = [FRA_SUPPRESS_IFGROUP, FRA_SUPPRESS_PREFIXLEN].some(
    (type) => (attributes.u32(type) ?? NOT_SUPPRESSED) !== NOT_SUPPRESSED,
  );
  const conditions = attributes
    .types()
    .some((type) => !UNDERSTOOD.has(type) && type !== FRA_SUPPRESS_IFGROUP && type !== FRA_SUPPRESS_PREFIXLEN);
  const mark = attributes.u32(FRA_FWMARK) ?? 0;
  const goto = attributes.u32(FRA_GOTO);
  return {
    family: ipFamily,
    priority: attributes.u32(FRA_PRIORITY) ?? 0,
    mark,
    mask: attributes.u32(FRA_FWMASK) ?? (mark === 0 ? 0 : 0xffffffff),
    table: attributes.u32(FRA_TABLE) ?? shortTable,
    ...(goto !== undefined && { goto }),
    protocol: attributes.u8(FRA_PROTOCOL) ?? 0,
    special:
      action !== (goto === undefined ? FR_ACT_TO_TBL : FR_ACT_GOTO) ||
      inverted ||
      suppresses ||
      conditions ||
      destinationLength !== 0 ||
      sourceLength !== 0 ||
      serviceType !== 0,
  };
}
