import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BridgePorts } from '../../src/host/bridge-ports.ts';
import { decodeForwarding } from '../../src/netlink/forwarding.ts';
import type { ForwardingEntry } from '../../src/netlink/forwarding.ts';
import type { LinkOperation } from '../../src/netlink/link.ts';
import { PayloadWriter } from '../../src/netlink/message.ts';

const MAC = '02:00:00:00:00:09';
const works = { up: true, carrier: true };
const bridge: LinkOperation = { ifindex: 1, name: 'br', kind: 'bridge', ...works };
const vlan: LinkOperation = { ifindex: 2, name: 'br.7', kind: 'vlan', lowerIndex: 1, ...works };
const port: LinkOperation = { ifindex: 3, name: 'p3', masterIndex: 1, ...works };
const other: LinkOperation = { ifindex: 4, name: 'p4', masterIndex: 1, ...works };
// The other end of a veth has a number of another namespace, which is the bridge's here.
const veth: LinkOperation = { ifindex: 5, name: 'v5', kind: 'veth', lowerIndex: 1, ...works };
const behind = (number: number): ForwardingEntry => ({ bridge: 1, port: number, hardware: MAC, local: false });

let ports: BridgePorts;

test.before.each(() => {
  ports = new BridgePorts((hardware) => hardware === MAC);
  ports.reset([bridge, vlan, port, other, veth], [behind(3)]);
});

test('the device itself', () => {
  assert.is(ports.fault(bridge), undefined);
  ports.link({ ...bridge, carrier: false }, false);
  assert.is(ports.fault(bridge), 'br has no carrier');
  ports.link({ ...bridge, up: false, carrier: false }, false);
  assert.is(ports.fault(bridge, MAC), 'br is down');
  ports.link(bridge, true);
  assert.is(ports.fault(bridge, MAC), 'br is gone');
});

for (const device of [bridge, vlan]) {
  test(`a port of the bridge, seen by ${device.name}`, () => {
    ports.forwarding(behind(3), true);
    ports.link({ ...port, carrier: false }, false);
    assert.is(ports.fault(device, MAC), 'p3 has no carrier');
    assert.is(ports.fault(device, '02:00:00:00:00:08'), undefined, 'nobody knows where that host is');
    assert.is(ports.fault(device), undefined);
    ports.link({ ...port, up: false }, false);
    assert.is(ports.fault(device, MAC), 'p3 is down');
    ports.link(port, false);
    assert.is(ports.fault(device, MAC), undefined);
    const { masterIndex, ...left } = port;
    assert.is(masterIndex, 1);
    ports.link(left, false);
    assert.is(ports.fault(device, MAC), 'p3 has left br');
    ports.link(port, true);
    assert.is(ports.fault(device, MAC), 'p3 is gone');
    ports.forwarding(behind(4), false);
    assert.is(ports.fault(device, MAC), undefined, 'seen elsewhere');
  });
}

test('what says nothing about where a host is', () => {
  ports.forwarding({ ...behind(4), local: true }, false);
  ports.forwarding(behind(77), false);
  ports.link({ ...port, carrier: false }, false);
  assert.is(ports.fault(bridge, MAC), 'p3 has no carrier');
  assert.is(ports.fault(veth, MAC), undefined, 'no bridge lies below a veth');
});

test('a new dump knows better, but does not make forget', () => {
  const cut = { ...port, carrier: false };
  ports.reset([bridge, cut, other], []);
  assert.is(ports.fault(bridge, MAC), 'p3 has no carrier');
  ports.reset([bridge, cut, other], [behind(4)]);
  assert.is(ports.fault(bridge, MAC), undefined);
});

test('forwarding entries in both byte orders; what is of no bridge is none', () => {
  for (const littleEndian of [true, false]) {
    const message = (family: number, state: number, master?: number) => {
      const writer = new PayloadWriter(littleEndian).bytes([family, 0, 0, 0]).u32(3).u16(state).bytes([0, 0]);
      writer.attribute(2, [2, 0, 0, 0, 0, 9]);
      if (master !== undefined) writer.attributeU32(9, master);
      return { type: 28, flags: 0, sequence: 0, port: 0, payload: writer.finish() };
    };
    assert.equal(decodeForwarding(message(7, 2, 1), littleEndian), behind(3));
    assert.equal(decodeForwarding(message(7, 0x80, 1), littleEndian), { ...behind(3), local: true });
    assert.is(decodeForwarding(message(7, 2), littleEndian), undefined);
    assert.is(decodeForwarding(message(2, 2, 1), littleEndian), undefined);
    const cut = { ...message(7, 2, 1), payload: new Uint8Array(11) };
    assert.is(decodeForwarding(cut, littleEndian), undefined);
  }
});

test.run();
