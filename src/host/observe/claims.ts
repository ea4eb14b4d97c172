import { Socket, setTimer } from 'oneip:runtime';
import { type Address, addressFromBytes } from '../../net/address.ts';
import { LOAD_BYTE, LOAD_HALF, keepWhere } from '../../netlink/bpf.ts';
import { hardwareText } from '../../netlink/text.ts';
import type { DeviceReference } from '../../network/state.ts';
import { OwnAddresses } from '../probe/own-address.ts';
import { readPackets } from '../probe/packets.ts';

// Who has this address? All who answer are wanted, not only the first (RFC 826, RFC 5227 §2.1.1; RFC 4861 §7.2).

/** Questions, and milliseconds from one to the next. */
const QUESTIONS = 2;
const PACE = 200;
const ETH_P_ARP = 0x0806;
const REPLY = 2;
const BROADCAST = Uint8Array.of(255, 255, 255, 255, 255, 255);
const ICMPV6 = 58;
const SOLICITATION = 135;
const ADVERTISEMENT = 136;
const HOP_LIMIT = 255;
const TARGET = 8;
const OPTION = TARGET + 16;
const TARGET_LINK_LAYER_ADDRESS = 2;

/** MAC addresses of all who answer for an address on a device with Ethernet addresses. */
export async function whoHas(address: Address, device: DeviceReference): Promise<string[]> {
  const own = new OwnAddresses().hardware(device);
  if (own.length === 0) return [];
  const found = new Set<string>();
  const question = address.family === 4 ? askByArp(address, device, own, found) : askByNd(address, device, own, found);
  try {
    for (let asked = 0; asked < QUESTIONS; asked++) {
      question.ask();
      await new Promise<void>((resolve) => setTimer(resolve, PACE));
    }
  } finally {
    question.close();
  }
  return [...found].sort();
}

interface Question {
  ask(): void;
  close(): void;
}

function askByArp({ bytes }: Address, { ifindex }: DeviceReference, own: Uint8Array, found: Set<string>): Question {
  const socket = new Socket('packet', 'dgram', 0);
  socket.setFilter(keepWhere([[LOAD_HALF, 6, REPLY]]));
  socket.bind({ ifindex, protocol: ETH_P_ARP });
  const take = (reply: Uint8Array) => {
    if (isEqual(reply.subarray(14, 18), bytes)) found.add(hardwareText(reply.subarray(8, 14)));
    return true;
  };
  readPackets(
    socket,
    ({ data }) => take(data),
    () => socket.close(),
  );
  // From no address, so that nobody learns anything of it.
  const request = Uint8Array.of(0, 1, 8, 0, 6, 4, 0, 1, ...own, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ...bytes);
  return {
    ask: () => void socket.send(request, { ifindex, protocol: ETH_P_ARP, hardware: BROADCAST }),
    close: () => socket.close(),
  };
}

function askByNd(
  { bytes }: Address,
  { name, ifindex }: DeviceReference,
  own: Uint8Array,
  found: Set<string>,
): Question {
  const socket = new Socket('inet6', 'raw', ICMPV6);
  socket.setFilter(keepWhere([[LOAD_BYTE, 0, ADVERTISEMENT]]));
  socket.setOption('SO_BINDTODEVICE', name);
  socket.setOption('IPV6_MULTICAST_HOPS', HOP_LIMIT);
  socket.setOption('IPV6_MULTICAST_LOOP', 0);
  const take = (answer: Uint8Array) => {
    const isOption = answer[OPTION] === TARGET_LINK_LAYER_ADDRESS && answer[OPTION + 1] === 1;
    if (isOption && isEqual(answer.subarray(TARGET, OPTION), bytes)) {
      found.add(hardwareText(answer.subarray(OPTION + 2, OPTION + 8)));
    }
    return true;
  };
  readPackets(
    socket,
    ({ data }) => take(data),
    () => socket.close(),
  );
  const message = Uint8Array.of(SOLICITATION, 0, 0, 0, 0, 0, 0, 0, ...bytes, 1, 1, ...own);
  const group = addressFromBytes([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, ...bytes.subarray(13)]);
  return {
    ask: () => void socket.send(message, { address: group.text, port: 0, scopeId: ifindex }),
    close: () => socket.close(),
  };
}

function isEqual(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
}
