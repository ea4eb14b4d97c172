import { Socket, randomBytes, setTimer } from 'oneip:runtime';
import { type Address, parseAddress } from '../../net/address.ts';
import { LOAD_BYTE, LOAD_HALF, keepWhere } from '../../netlink/bpf.ts';
import type { DeviceReference } from '../../network/state.ts';
import { readPackets } from '../probe/packets.ts';

const ICMPV6 = 58;
const ECHO_REQUEST = 128;
const ECHO_REPLY = 129;
/** All routers of the link (RFC 4291 §2.7.1). */
const ALL_ROUTERS = 'ff02::2';
/** Milliseconds that they have. */
const PATIENCE = 400;

/** Routers of a link that answer an echo request to all of them: their link-local addresses. */
export function askRouters({ name, ifindex }: DeviceReference): Promise<Address[]> {
  const socket = new Socket('inet6', 'raw', ICMPV6);
  const identifier = randomBytes(2);
  const found = new Map<string, Address>();
  return new Promise((resolve) => {
    const timer = setTimer(() => end(), PATIENCE);
    const end = () => {
      timer.cancel();
      socket.close();
      resolve([...found.values()]);
    };
    try {
      socket.setOption('SO_BINDTODEVICE', name);
      socket.setOption('IPV6_MULTICAST_LOOP', 0);
      socket.setFilter(
        keepWhere([
          [LOAD_BYTE, 0, ECHO_REPLY],
          [LOAD_HALF, 4, ((identifier[0] ?? 0) << 8) | (identifier[1] ?? 0)],
        ]),
      );
      const take = (text: string) => {
        const address = parseAddress(text.replace(/%.*/, ''));
        if (address) found.set(address.text, address);
        return true;
      };
      readPackets(socket, ({ from }) => (from && 'address' in from ? take(from.address) : true), end);
      socket.send(Uint8Array.of(ECHO_REQUEST, 0, 0, 0, ...identifier, 0, 1), {
        address: ALL_ROUTERS,
        port: 0,
        scopeId: ifindex,
      });
    } catch {
      // A device without IPv6 has no routers of it.
      end();
    }
  });
}
