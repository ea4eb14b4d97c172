import type { Shell } from '../qemu/console.ts';
import type { Section } from './sections.ts';

/** What a guest may have of OpenWrt, and what steps need of it. */
export const PARTS = ['packages', 'uci', 'ubus', 'procd', 'fw4', 'http', 'luci', 'sysupgrade'] as const;
export type Part = (typeof PARTS)[number];

const LOOK: Readonly<Record<Part, string>> = {
  packages: 'command -v opkg || command -v apk',
  uci: 'command -v uci',
  ubus: 'command -v ubus',
  procd: '[ -x /sbin/procd ]',
  fw4: 'command -v fw4',
  http: 'command -v uhttpd',
  luci: '[ -e /www/cgi-bin/luci ]',
  sysupgrade: 'command -v sysupgrade',
};

/** The parts that a guest has. */
export async function partsOf(shell: Shell): Promise<Set<Part>> {
  const found = new Set<Part>();
  for (const part of PARTS) if ((await shell.attempt(LOOK[part])).status === 0) found.add(part);
  return found;
}

/** What the steps do to a guest that depends on how much of OpenWrt it is. */
export interface Guest {
  readonly shell: Shell;
  /** WAN and LAN have the lab's addresses; resolves once they are set. */
  setUpNetwork(): Promise<void>;
  /** Installs the packages, which lie in a folder of the guest. */
  install(folder: string): Promise<void>;
  /** Makes these the sections of the service's configuration, all others being gone, and the daemon follow; resolves when it has. */
  configure(sections: readonly Section[]): Promise<void>;
  /** Ends the service and takes everything away that `install` has brought, and the configuration. */
  remove(): Promise<void>;
}
