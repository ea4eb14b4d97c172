import { nft } from 'oneip:runtime';
import type { NftResult } from 'oneip:runtime';

/** Lines of nft's complaint that say what is wrong; the command itself may be a megabyte. */
const COMPLAINT = /Error: .*/g;

/** Runs one libnftables transaction. */
export function nftRun(commands: string): NftResult {
  return nft.run(commands);
}

/** Throws with nft's words where it has refused; then nothing has changed. */
export function throwIfRefused({ status, error }: NftResult): void {
  if (status === 0) return;
  const words = [...new Set(error.match(COMPLAINT) ?? [])].slice(0, 3).join('; ');
  throw new Error(`nft refuses: ${words || error.slice(0, 200).trim() || `status ${status}`}`);
}
