import type { NetlinkMessage } from './message.ts';
import { decodeAttributes } from './message.ts';

// What becomes of an IPv6 address that is new (include/uapi/linux/if_addr.h, RFC 4862 §5.4).

const IFADDRMSG = 8;
const IFA_FLAGS = 8;
const IFA_F_DADFAILED = 0x08;
const IFA_F_TENTATIVE = 0x40;

/** Reads the state of an address from RTM_NEWADDR. */
export function decodeAddressFlags(
  { payload }: NetlinkMessage,
  littleEndian: boolean,
): { readonly tentative: boolean; readonly duplicate: boolean } {
  const flags = decodeAttributes(payload, IFADDRMSG, littleEndian).u32(IFA_FLAGS) ?? payload[2] ?? 0;
  return { tentative: (flags & IFA_F_TENTATIVE) !== 0, duplicate: (flags & IFA_F_DADFAILED) !== 0 };
}
