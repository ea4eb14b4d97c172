import { nft } from 'oneip:runtime';

const LIST = '{"nftables":[{"list":{"ruleset":{}}}]}';

/** All rules of the kernel as JSON, without elements of sets; `undefined` where nft cannot be had, or may not be asked. */
export function listRuleset(): string | undefined {
  if (!nft.available()) return undefined;
  const { status, json } = nft.run(LIST, true);
  return status === 0 ? json : undefined;
}
