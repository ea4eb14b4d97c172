import type { Listener } from '../config/environment.ts';
import { addressFromBytes } from '../net/address.ts';
import type { Address } from '../net/address.ts';

/** TCP_LISTEN; a UDP socket that is bound and not connected has TCP_CLOSE (include/net/tcp_states.h). */
const STATE = { tcp: 0x0a, udp: 0x07 } as const;

/**
 * Sockets that wait for clients, of the text of `/proc/net/tcp`, `tcp6`, `udp` or `udp6`. Addresses stand there in words of
 * 32 bits as the CPU stores them (`get_tcp4_sock` in net/ipv4/tcp_ipv4.c). Sockets on the unspecified address count for both
 * families: the text does not tell whether one on `::` takes IPv4 too.
 */
export function parseListeners(text: string, protocol: 'tcp' | 'udp', littleEndian: boolean): Listener[] {
  return text.split('\n').flatMap((line): Listener[] => {
    const [, hex, port, state] =
      /^\s*\d+: ([0-9A-F]+):([0-9A-F]{4}) [0-9A-F]+:[0-9A-F]{4} ([0-9A-F]{2}) /.exec(line) ?? [];
    if (hex === undefined || port === undefined || Number.parseInt(state ?? '', 16) !== STATE[protocol]) return [];
    return [{ protocol, address: localAddress(hex, littleEndian), port: Number.parseInt(port, 16) }];
  });
}

function localAddress(hex: string, littleEndian: boolean): Address | 'any' {
  const words = hex.match(/.{8}/g) ?? [];
  const bytes = words.flatMap((word) => {
    const inOrder = (word.match(/../g) ?? []).map((byte) => Number.parseInt(byte, 16));
    return littleEndian ? inOrder.reverse() : inOrder;
  });
  const isMapped = bytes.length === 16 && bytes.slice(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff;
  const address = addressFromBytes(isMapped ? bytes.slice(12) : bytes);
  return address.bytes.every((byte) => byte === 0) ? 'any' : address;
}
