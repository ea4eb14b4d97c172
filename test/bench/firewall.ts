import type { Namespace } from '../lab/namespace.ts';

/** What every firewall that follows connections has, fw4 among them. */
export function followConnections({ router }: { readonly router: Pick<Namespace, 'nft'> }): Promise<void> {
  return router.nft(`table inet firewall {
    chain forward {
      type filter hook forward priority filter
      ct state established,related accept
    }
  }`);
}
