import type { Service } from '../config/model.ts';
import type { Ghost } from '../deployment/deployment.ts';
import type { Family } from '../net/address.ts';
import type { Json } from './expression.ts';
import { match, range, raw } from './expression.ts';
import { icmpProtocol, PROTOCOL_NUMBER, takesAll, transports } from './traffic.ts';
import type { Traffic } from './traffic.ts';

/** Fragment header of IPv6 (RFC 8200 §4.5), and its bits. */
export const FRAGMENT_HEADER = 44;
const FRAGMENT_HEADER_BITS = 64;

/** Type of an echo reply (RFC 792, RFC 4443 §4.2). */
const ECHO_REPLY: Readonly<Record<Family, number>> = { 4: 0, 6: 129 };

/** Offsets in bits, behind the start of an ICMP error's header, of the packet that it carries. */
export interface InnerLayout {
  readonly source: number;
  readonly destination: number;
  /** Protocol of the transport header; in IPv6 the next header that names it. */
  readonly protocol: number;
  /** Transport header. */
  readonly transport: number;
}

/** What ICMP errors of the family carry, without IPv4 options or further extension headers. */
export const PLAIN: Readonly<Record<Family, InnerLayout>> = {
  4: { protocol: 136, source: 160, destination: 192, transport: 224 },
  6: { protocol: 112, source: 128, destination: 256, transport: 384 },
};

/** The same of the first fragment of an IPv6 packet: a server sends large datagrams so, and routers cannot cut them smaller. */
export const FRAGMENT: InnerLayout = {
  ...PLAIN[6],
  protocol: PLAIN[6].transport,
  transport: PLAIN[6].transport + FRAGMENT_HEADER_BITS,
};

/** A class of packets that a service sends, as ICMP errors about them carry it. */
export interface InnerMatch {
  readonly traffic: Traffic;
  readonly layout: InnerLayout;
  readonly matches: readonly Json[];
}

/**
 * Matches ICMP errors about packets which the ghost sent as part of the service, by class of the inner packet. What is
 * checked is the inner packet, for on the router's own address errors about other packets are the router's.
 */
export function innerMatches(service: Service, ghost: Ghost, family: Family): InnerMatch[] {
  const plain = matchesOf(service, ghost, family, PLAIN[family], []);
  if (family === 4) return plain;
  const { protocol, transport } = PLAIN[6];
  const offset: Json = { '&': [raw('th', transport + 16, 16), 0xfff8] };
  const isFirst = [match(raw('th', protocol, 8), FRAGMENT_HEADER), match(offset, 0)];
  return [...matchesOf(service, ghost, family, FRAGMENT, isFirst), ...plain];
}

function matchesOf(
  service: Service,
  ghost: Ghost,
  family: Family,
  layout: InnerLayout,
  first: readonly Json[],
): InnerMatch[] {
  const fromGhost = [match(raw('th', layout.source, bitsOf(family)), hexAddress(ghost)), ...first];
  const isProtocol = (name: keyof typeof PROTOCOL_NUMBER) =>
    match(raw('th', layout.protocol, 8), PROTOCOL_NUMBER[name]);
  const byTransport = transports(service).flatMap((traffic) => {
    const matches = [...fromGhost, isProtocol(traffic)];
    if (service.ports.length === 0) return [{ traffic, layout, matches }];
    return service.ports.map(({ first: from, last }) => ({
      traffic,
      layout,
      matches: [...matches, match(raw('th', layout.transport, 16), from === last ? from : range(from, last))],
    }));
  });
  if (takesAll(service)) return [...byTransport, { traffic: 'other', layout, matches: fromGhost }];
  // On its own address the router answers echo requests itself.
  if (ghost.ownedBy !== undefined) return byTransport;
  const isReply = match(raw('th', layout.transport, 8), ECHO_REPLY[family]);
  return [
    ...byTransport,
    { traffic: 'echo', layout, matches: [...fromGhost, isProtocol(icmpProtocol(family)), isReply] },
  ];
}

/** Matches an ICMP message about a packet *to* the ghost, such as a redirect: by the address at the given bit. */
export function aboutGhost(ghost: Ghost, family: Family, offset: number): Json {
  return match(raw('th', offset, bitsOf(family)), hexAddress(ghost));
}

function bitsOf(family: Family): number {
  return family === 4 ? 32 : 128;
}

function hexAddress({ address }: Ghost): string {
  return `0x${[...address.bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}
