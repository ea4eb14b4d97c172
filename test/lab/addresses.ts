import type { Family } from '../../src/net/address.ts';

/** An address of each family. */
export type Pair = Readonly<Record<Family, string>>;

export const families: readonly Family[] = [4, 6];

/** Which family an address's text belongs to. */
export function familyOf(address: string): Family {
  return address.includes(':') ? 6 : 4;
}

/** Where a ghost address can lie: routed to the router, in the link subnet of its WAN or LAN, or being the router's own. */
export const ghostPlaces = {
  elsewhere: { 4: '192.0.2.80', 6: '2001:db8:80::80' },
  wan: { 4: '203.0.113.80', 6: '2001:db8::80' },
  lan: { 4: '192.168.1.180', 6: 'fd00:1::180' },
  router: { 4: '203.0.113.1', 6: '2001:db8::1' },
} as const satisfies Readonly<Record<string, Pair>>;

/** The router's own addresses; in the one-armed lab `wan`, `lan` and `guest` are the gateway's. */
export const routerAddresses = {
  wan: { 4: '203.0.113.1', 6: '2001:db8::1' },
  lan: { 4: '192.168.1.1', 6: 'fd00:1::1' },
  guest: { 4: '192.168.2.1', 6: 'fd00:2::1' },
  tun: { 4: '198.51.100.1', 6: '2001:db8:51::1' },
  /** The one-armed dispatcher's only one. */
  arm: { 4: '192.168.1.2', 6: 'fd00:1::2' },
} as const satisfies Readonly<Record<string, Pair>>;

/** The neighbour on the router's WAN link, which also owns all of `wanClient`. */
export const wanHost: Pair = { 4: '203.0.113.2', 6: '2001:db8::2' };
/** The LAN client in the servers' subnet. */
export const lanHost: Pair = { 4: '192.168.1.50', 6: 'fd00:1::50' };
/** The LAN client in another subnet of the router. */
export const guestHost: Pair = { 4: '192.168.2.50', 6: 'fd00:2::50' };
/** The neighbour on the link without Ethernet headers, which also owns all of `tunClient`. */
export const tunHost: Pair = { 4: '198.51.100.2', 6: '2001:db8:51::2' };

/** Everything in these belongs to the namespace `wan`: 131 072 IPv4 clients, and as many /64 households. */
export const wanClients: Pair = { 4: '198.18.0.0/15', 6: '2001:db8:4000::/47' };
/** Everything in these belongs to the namespace `tun`. */
export const tunClients: Pair = { 4: '100.64.0.0/15', 6: '2001:db8:6000::/47' };

/** Client number 0–131071 of `wan`; each IPv6 client has a /64 of its own. */
export function wanClient(family: Family, number: number): string {
  return family === 4 ? countedAddress(198, 18, number) : household('2001:db8:400', number);
}

/** Clients of `wan` of whom neighbours by number are far apart; from 131072 on they are the same again. */
export function scatteredClient(family: Family, number: number): string {
  return wanClient(family, (number * 521) % 131_072);
}

/** Client number 0–131071 of `tun`. */
export function tunClient(family: Family, number: number): string {
  return family === 4 ? countedAddress(100, 64, number) : household('2001:db8:600', number);
}

function countedAddress(first: number, second: number, number: number): string {
  return `${first}.${second + (number >> 16)}.${(number >> 8) & 255}.${number & 255}`;
}

function household(start: string, number: number): string {
  return `${start}${number >> 16}:${(number & 0xffff).toString(16)}::1`;
}

/** Server 1–99's own address on the LAN. */
export function serverAddress(family: Family, number: number): string {
  return family === 4 ? `192.168.1.${10 + number}` : `fd00:1::${10 + number}`;
}

/** Hardware addresses, so that captures can be read. */
export const macs = {
  routerWan: '02:00:00:00:00:01',
  routerLan: '02:00:00:00:00:02',
  routerGuest: '02:00:00:00:00:03',
  gatewayLan: '02:00:00:00:00:04',
  wan: '02:00:00:00:01:01',
  lan: '02:00:00:00:01:02',
  guest: '02:00:00:00:01:03',
} as const;

/** Server 1–99's hardware address. */
export function serverMac(number: number): string {
  return `02:00:00:00:02:${number.toString(16).padStart(2, '0')}`;
}
