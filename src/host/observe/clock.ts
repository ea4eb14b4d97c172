import { Socket, randomBytes, realtime, setTimer } from 'oneip:runtime';
import { type Address, parseAddress } from '../../net/address.ts';
import type { DeviceReference } from '../../network/state.ts';
import { readPackets } from '../probe/packets.ts';
import { checksum } from './path-mtu.ts';

// ICMP timestamps (RFC 792): milliseconds since midnight UT.

const TIMESTAMP = 13;
const TIMESTAMP_REPLY = 14;
const DAY = 86_400_000;
/** Milliseconds that an answer has. Many give none. */
const PATIENCE = 300;

/** Milliseconds by which the clock of an IPv4 neighbour is ahead of ours; `undefined` where it does not tell. */
export function clockAhead(of: Address, device: DeviceReference): Promise<number | undefined> {
  const socket = new Socket('inet', 'raw', 1);
  const [high = 0, low = 0] = randomBytes(2);
  return new Promise((resolve) => {
    const timer = setTimer(() => end(undefined), PATIENCE);
    const end = (ahead: number | undefined) => {
      timer.cancel();
      socket.close();
      resolve(ahead);
    };
    try {
      socket.setOption('SO_BINDTODEVICE', device.name);
      readPackets(
        socket,
        ({ data, from }) => {
          const sender = from && 'address' in from ? parseAddress(from.address) : undefined;
          const message = data.subarray(((data[0] ?? 0) & 0xf) * 4);
          const isOurs = message[0] === TIMESTAMP_REPLY && message[4] === high && message[5] === low;
          if (sender?.text !== of.text || !isOurs || message.length < 20) return true;
          const theirs = new DataView(message.buffer, message.byteOffset).getUint32(12);
          // The highest bit says that it is something else than what was asked for.
          end(theirs > DAY ? undefined : difference(theirs, realtime() % DAY));
          return false;
        },
        () => end(undefined),
      );
      const message = new Uint8Array(20);
      message.set([TIMESTAMP, 0, 0, 0, high, low]);
      message.set(checksum(message), 2);
      socket.send(message, { address: of.text, port: 0 });
    } catch {
      end(undefined);
    }
  });
}

/** The shorter way round midnight. */
function difference(theirs: number, ours: number): number {
  const ahead = (theirs - ours + DAY) % DAY;
  return ahead > DAY / 2 ? ahead - DAY : ahead;
}
