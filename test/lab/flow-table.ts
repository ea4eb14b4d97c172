import type { Family } from '../../src/net/address.ts';
import type { Namespace } from './namespace.ts';

/** A connection that the router remembers. */
export interface RememberedFlow {
  /** IP protocol: 6 or 17. */
  readonly protocol: string;
  readonly client: string;
  readonly port: number;
  readonly mark: number;
  /** Seconds. */
  readonly expires: number;
}

/** What the kernel remembers of a service whose connections are placed one by one. */
export async function rememberedFlows(router: Namespace, service: string, family: Family): Promise<RememberedFlow[]> {
  const text = await router.run(['nft', '-j', 'list', 'map', 'netdev', 'oneip', `${service}/flow${family}`]);
  const { nftables } = JSON.parse(text) as { nftables: { map?: { elem?: [Listed, number][] } }[] };
  return nftables.flatMap(({ map }) =>
    (map?.elem ?? []).map(([{ elem }, mark]) => {
      const [protocol, client, port] = elem.val.concat;
      return { protocol, client, port, mark, expires: elem.expires };
    }),
  );
}

interface Listed {
  readonly elem: {
    readonly val: { readonly concat: [string, string, number, string, number] };
    readonly expires: number;
  };
}
