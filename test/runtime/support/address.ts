import { parseAddress, parsePrefix } from '../../../src/net/address.ts';
import type { Address, Prefix } from '../../../src/net/address.ts';

export function addressOf(text: string): Address {
  const address = parseAddress(text);
  if (!address) throw new Error(`${text} is no address`);
  return address;
}

export function prefixOf(text: string): Prefix {
  const prefix = parsePrefix(text);
  if (!prefix) throw new Error(`${text} is no prefix`);
  return prefix;
}
