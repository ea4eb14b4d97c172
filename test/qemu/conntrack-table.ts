import { parseAddress } from '../../src/net/address.ts';
import type { Shell } from './console.ts';

/**
 * How many entries of the guest's table of connections match these patterns of grep(1), each of them. To print the table would take the
 * serial port seconds.
 */
export async function countTracked(shell: Shell, ...patterns: readonly string[]): Promise<number> {
  const filters = patterns.map((pattern) => ` | grep -E '${pattern}'`).join('');
  return Number(await shell.run(`cat /proc/net/nf_conntrack${filters} | wc -l`));
}

/** What finds an address there, or all that begin with its first `bytes`. */
export function addressPattern(address: string, bytes?: number): string {
  const parsed = parseAddress(address);
  if (!parsed) throw new Error(`'${address}' is no address`);
  const all = [...parsed.bytes];
  const kept = all.slice(0, bytes);
  if (parsed.family === 4) return kept.map((byte) => `${byte}`).join('[.]') + (kept.length < all.length ? '[.]' : '');
  const digits = kept.map((byte) => byte.toString(16).padStart(2, '0'));
  return digits.map((pair, index) => (index > 0 && index % 2 === 0 ? `:${pair}` : pair)).join('');
}
