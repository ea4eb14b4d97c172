import type { LinkState } from '../config/environment.ts';
import { isFlooded, serverAddress } from '../config/model.ts';
import type { Service } from '../config/model.ts';
import { floodLeader, serviceGroup } from '../deployment/flood.ts';
import type { Address, Family } from '../net/address.ts';
import { EMPTY_NETWORK, addressKey } from '../network/state.ts';
import type { AddressEntry, NetworkState, SysctlEntry } from '../network/state.ts';
import type { Identity } from './identity.ts';
import type { Attachment, LinkSettings, Machine, Setting } from './machine.ts';

/** Device of the ghosts: packets to them are taken whichever device they come by, and nobody is told of them on any. */
const LOOPBACK = 'lo';

/** `arp_ignore`: only addresses of the device itself are answered for (1, 2), or none (8). ip-sysctl in the kernel's documentation. */
const SILENT = [1, 2, 8];
/** `arp_announce`: requests name an address of the device itself, never the source of the packet that waits. */
const OWN_ADDRESS = 2;
const STRICT = 1;
const LOOSE = 2;

/**
 * What a server shall have beside the filter: its ghosts on `lo`, membership in the groups that packets are sent to, and on the
 * devices by which it gets them the few settings without which it takes the ghost away from the others, or gets nothing.
 * Nothing while it has none of its own addresses: on which device to be silent is not known then.
 */
export function wantedServer(identity: Identity, machine: Machine, attachment: Attachment): NetworkState {
  const { links } = machine.environment;
  const loopback = links.get(LOOPBACK);
  if (!loopback || Object.keys(attachment).length === 0) return EMPTY_NETWORK;
  const ghosts = ghostsOf(identity);
  const families = ([4, 6] as const).filter((family) => ghosts.some((ghost) => ghost.family === family));
  const entries = [
    ...ghosts.map((address) => addressEntry(address, loopback, 'ghost')),
    ...families.flatMap((family) => {
      const link = attachment[family];
      return link ? groupsOf(identity, family).map((group) => addressEntry(group, link, 'group')) : [];
    }),
  ];
  return {
    ...EMPTY_NETWORK,
    addresses: [...new Map(entries.map((entry) => [addressKey(entry), entry])).values()],
    sysctls: families.flatMap((family) => {
      const link = attachment[family];
      if (!link) return [];
      const settings = machine.settingsOf(link.name);
      return family === 4 ? silence(link, settings, machine.defaultDevice) : acceptFlooded6(identity, link, settings);
    }),
  };
}

/** Ghosts that the server carries: those of its services in families in which it has an address of its own. */
export function ghostsOf({ server, services }: Identity): Address[] {
  const ghosts = services.flatMap((service) => service.ghosts.filter(({ family }) => serverAddress(server, family)));
  return [...new Map(ghosts.map((ghost) => [ghost.text, ghost])).values()];
}

/** Other devices of the machine that have a ghost as an address, too: there it is answered for, which takes it from all others. */
export function misplacedGhosts(identity: Identity, { environment }: Machine): { ghost: Address; device: string }[] {
  const ghosts = new Set(ghostsOf(identity).map(({ text }) => text));
  return environment.addresses
    .filter(({ address, device }) => ghosts.has(address.text) && device !== LOOPBACK)
    .map(({ address, device }) => ({ ghost: address, device }));
}

/** Groups to which the router sends what is for the ghosts of a family; frames to everybody need no membership. */
export function groupsOf({ server, services }: Identity, family: Family): Address[] {
  const flooded = services.filter((service) => isFlooded(service) && serverAddress(server, family));
  const leaders = flooded.flatMap((service) =>
    service.ghosts.filter((ghost) => ghost.family === family).flatMap((ghost) => floodLeader(services, ghost) ?? []),
  );
  const groups = leaders
    .filter(({ dispatch }) => dispatch === 'multicast')
    .map((leader) => serviceGroup(leader, family));
  return [...new Map(groups.map((group) => [group.text, group])).values()];
}

function addressEntry(address: Address, { name, ifindex }: LinkState, kind: AddressEntry['kind']): AddressEntry {
  const prefixLength = address.bytes.length * 8;
  return { family: address.family, address, prefixLength, device: { name, ifindex }, kind };
}

/**
 * IPv4 answers for every address of the machine on every device; IPv6 only for those of the device itself (`ndisc_recv_ns`).
 * Strict reverse path filtering stands in the way only where answers leave by another device than questions come by.
 */
function silence(link: LinkState, settings: LinkSettings, defaultDevice: number | undefined): SysctlEntry[] {
  const key = (name: string) => `net/ipv4/conf/${link.name}/${name}`;
  const sysctls: SysctlEntry[] = [];
  if (!SILENT.includes(inForce(settings.arpIgnore))) sysctls.push({ key: key('arp_ignore'), value: '1' });
  if (inForce(settings.arpAnnounce) < OWN_ADDRESS) {
    sysctls.push({ key: key('arp_announce'), value: String(OWN_ADDRESS) });
  }
  if (inForce(settings.reversePath) === STRICT && defaultDevice !== link.ifindex) {
    sysctls.push({ key: key('rp_filter'), value: String(LOOSE) });
  }
  return sysctls;
}

/** For IPv4 the filter makes such packets ordinary ones before they are asked for; for IPv6 this comes first (`ip6_rcv_core`). */
function acceptFlooded6({ services }: Identity, { name }: LinkState, { dropsFlooded6 }: LinkSettings): SysctlEntry[] {
  const isNeeded = dropsFlooded6 && services.some(hasFlooded6);
  return isNeeded ? [{ key: `net/ipv6/conf/${name}/drop_unicast_in_l2_multicast`, value: '0' }] : [];
}

/** True where IPv6 packets of the service come in frames to a group. */
export function hasFlooded6(service: Service): boolean {
  return isFlooded(service) && service.ghosts.some(({ family }) => family === 6);
}

/** The kernel takes the larger one (`IN_DEV_MAXCONF`). */
function inForce({ all, own }: Setting): number {
  return Math.max(all, own);
}
