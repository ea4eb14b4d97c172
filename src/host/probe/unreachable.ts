import type { Family } from '../../net/address.ts';

/** Codes of "destination unreachable" that are about the host and not about one port or packet (RFC 1812 §5.2.7.1, RFC 4443 §3.1). */
const REASONS: Readonly<Record<Family, Readonly<Record<number, string>>>> = {
  4: {
    0: 'network unreachable',
    1: 'host unreachable',
    9: 'network prohibited',
    10: 'host prohibited',
    13: 'administratively prohibited',
  },
  6: {
    0: 'no route to the ghost',
    1: 'administratively prohibited',
    3: 'address unreachable',
    5: 'source address refused',
    6: 'route rejected',
  },
};

/** True where such an error says that nothing gets to the address at all. */
export function isUnreachable(family: Family, code: number): boolean {
  return REASONS[family][code] !== undefined;
}

/** A few words for the code of such an error. */
export function unreachableReason(family: Family, code: number): string {
  return REASONS[family][code] ?? `unreachable, code ${code}`;
}
