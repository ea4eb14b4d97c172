/** Kernel modules by OpenWrt's package that has them (24.10, `include/netfilter.mk`), without those that they depend on. */
export const packagedModules: Readonly<Record<string, readonly string[]>> = {
  'kmod-nft-core': [
    ...[
      'nf_tables',
      'nft_ct',
      'nft_hash',
      'nft_limit',
      'nft_log',
      'nft_numgen',
      'nft_objref',
      'nft_quota',
      'nft_redir',
    ],
    ...['nft_reject', 'nft_reject_ipv4', 'nft_reject_ipv6', 'nft_reject_inet'],
  ],
  'kmod-nft-netdev': ['nf_dup_netdev', 'nft_dup_netdev', 'nft_fwd_netdev'],
  'kmod-nft-nat': ['nft_nat', 'nft_chain_nat', 'nft_masq'],
  'kmod-nf-conntrack-netlink': ['nf_conntrack_netlink'],
};

/** The modules that come with packages, in the order of `packagedModules`; those of `kmod-nft-core` with any of them. */
export function modulesOf(packages: readonly string[]): string[] {
  return Object.entries(packagedModules).flatMap(([name, modules]) =>
    name === 'kmod-nft-core' || packages.includes(name) ? modules : [],
  );
}

/** Names of the packages that a recipe of OpenWrt's feeds depends on by `+NAME`. */
export function dependencies(recipe: string, name: string): string[] {
  const section = new RegExp(`define Package/${name}\\n([^]*?)\\nendef`).exec(recipe)?.[1] ?? '';
  const line = /DEPENDS:=(.*)/.exec(section)?.[1] ?? '';
  return line
    .split(/\s+/)
    .filter((word) => word.startsWith('+'))
    .map((word) => word.slice(1));
}

/** Modules in `/proc/modules` that somebody uses: rules, or other modules. */
export function modulesInUse(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, , count]) => Number(count) > 0)
    .map(([name = '']) => name);
}
