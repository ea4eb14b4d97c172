import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeBridgeLink, decodePortState } from '../../src/netlink/bridge.ts';
import { decodeForwarding } from '../../src/netlink/forwarding.ts';
import { RTM_DELLINK, RTM_NEWLINK } from '../../src/netlink/link.ts';
import { PayloadWriter } from '../../src/netlink/message.ts';
import type { NetlinkMessage } from '../../src/netlink/message.ts';
import * as recorded from './netlink-recordings.ts';
import { firstMessage } from './support/netlink.ts';

const LITTLE_ENDIAN = true;
const [AF_UNSPEC, AF_BRIDGE] = [0, 7];

/** A message about device number 4, switched on and with carrier, and with these attributes. */
function link(type: number, family: number, write: (writer: PayloadWriter) => void): NetlinkMessage {
  const writer = new PayloadWriter(LITTLE_ENDIAN).bytes([family, 0, 1, 0]).u32(4).u32(0x10001).u32(0);
  write(writer);
  return { type, flags: 0, sequence: 0, port: 0, payload: writer.finish() };
}

test('a port of a bridge as it was recorded: it forwards', () => {
  assert.equal(decodeBridgeLink(firstMessage(recorded.LINK_VETH_IN_BRIDGE), LITTLE_ENDIAN), {
    ...{ ifindex: 4, name: 'v0', up: true, carrier: true, kind: 'veth', masterIndex: 2, lowerIndex: 3 },
    ...{ mtu: 1492, filtersVlans: false, forwards: true },
  });
});

for (const filtering of [0, 1]) {
  test(`a bridge whose vlan_filtering is ${filtering}`, () => {
    const message = link(RTM_NEWLINK, AF_UNSPEC, (writer) =>
      writer
        .attributeText(3, 'br-lan')
        .attributeU32(4, 1500)
        .nest(18, (info) => info.attributeText(1, 'bridge').nest(2, (data) => data.attributeU8(7, filtering))),
    );
    const decoded = decodeBridgeLink(message, LITTLE_ENDIAN);
    assert.equal([decoded?.kind, decoded?.filtersVlans, decoded?.forwards], ['bridge', filtering === 1, false]);
  });
}

test('a device in a bond has no state of a bridge’s port, whatever number stands in its place', () => {
  const message = link(RTM_NEWLINK, AF_UNSPEC, (writer) =>
    writer
      .attributeText(3, 'eth0')
      .nest(18, (info) => info.attributeText(4, 'bond').nest(5, (data) => data.attributeU8(1, 3))),
  );
  assert.is(decodeBridgeLink(message, LITTLE_ENDIAN)?.forwards, false);
});

for (const state of [0, 1, 2, 3, 4]) {
  test(`a bridge tells that its port has state ${state}`, () => {
    const message = link(RTM_NEWLINK, AF_BRIDGE, (writer) =>
      writer.attributeU32(10, 2).nest(12, (port) => port.attributeU8(1, state)),
    );
    assert.equal(decodePortState(message, LITTLE_ENDIAN), { ifindex: 4, bridge: 2, forwards: state === 3 });
    assert.is(decodeBridgeLink(message, LITTLE_ENDIAN), undefined);
  });
}

test('a port that has left its bridge, as recorded', () => {
  const message = firstMessage(recorded.LINK_LEFT_BRIDGE);
  assert.is(message.type, RTM_DELLINK);
  const { ifindex = 0, bridge, forwards } = decodePortState(message, LITTLE_ENDIAN) ?? {};
  assert.ok(ifindex > 0);
  assert.equal([bridge === ifindex, forwards], [false, false]);
});

test('what a bridge tells of itself, and a network card of its own switch, is about no port', () => {
  const itself = link(RTM_NEWLINK, AF_BRIDGE, (writer) =>
    writer.attributeU32(10, 4).nest(12, (port) => port.attributeU8(1, 3)),
  );
  const card = link(RTM_NEWLINK, AF_BRIDGE, (writer) =>
    writer.attributeU32(10, 2).nest(12, (port) => port.attributeU8(2, 0)),
  );
  for (const message of [itself, card]) assert.is(decodePortState(message, LITTLE_ENDIAN), undefined);
  assert.is(decodePortState(firstMessage(recorded.LINK_VETH_IN_BRIDGE), LITTLE_ENDIAN), undefined);
});

test('a place in a VLAN', () => {
  const entry = (write: (writer: PayloadWriter) => void) => {
    const writer = new PayloadWriter(LITTLE_ENDIAN).bytes([AF_BRIDGE, 0, 0, 0]).u32(3).u16(2).bytes([0, 0]);
    writer.attribute(2, [2, 0, 0, 0, 0, 9]).attributeU32(9, 1);
    write(writer);
    return decodeForwarding({ type: 28, flags: 0, sequence: 0, port: 0, payload: writer.finish() }, LITTLE_ENDIAN);
  };
  const place = { bridge: 1, port: 3, hardware: '02:00:00:00:00:09', local: false };
  assert.equal(
    entry(() => undefined),
    place,
  );
  assert.equal(
    entry((writer) => writer.attribute(5, [7, 0])),
    { ...place, vlan: 7 },
  );
});

test.run();
