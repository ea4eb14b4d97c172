import { Socket, decodeUtf8, encodeUtf8, interfaceIndex, littleEndian, pid } from 'oneip:runtime';
import type { Received, SocketDomain } from 'oneip:runtime';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { removeScratch, scratchPath } from './support/script.ts';
import { failsWith, refusesAllBut } from './support/throws.ts';
import { until } from './support/turns.ts';

const ETH_P_IP = 0x0800;
const NETLINK_ROUTE = 0;

async function receive(socket: Socket, size = 2048): Promise<Received> {
  let received: Received | null = null;
  await until(() => (received = socket.receive(size)) !== null, 'received');
  return received as unknown as Received;
}

function bound(domain: 'inet' | 'inet6'): Socket {
  const socket = new Socket(domain, 'dgram');
  socket.bind({ address: domain === 'inet' ? '127.0.0.1' : '::1', port: 0 });
  return socket;
}

const refused = (call: () => unknown, type: new () => Error): void => {
  assert.throws(call, (error: unknown) => error instanceof type);
};

test('datagrams keep their bounds, and tell their sender', async () => {
  for (const domain of ['inet', 'inet6'] as const) {
    const [one, two] = [bound(domain), bound(domain)];
    assert.is(one.send(encodeUtf8('hello'), two.localAddress()), 5);
    assert.is(one.send(new Uint8Array(0), two.localAddress()), 0);
    const first = await receive(two);
    assert.is(decodeUtf8(first.data), 'hello');
    assert.equal(first.from, one.localAddress());
    assert.is(first.truncated, false);
    assert.is((await receive(two)).data.length, 0);
    assert.is(two.receive(10), null);
    one.close();
    two.close();
  }
});

test('a datagram longer than asked for is cut, and that is told', async () => {
  const [one, two] = [bound('inet'), bound('inet')];
  one.send(new Uint8Array(6000), two.localAddress());
  one.send(new Uint8Array(6000), two.localAddress());
  const small = await receive(two, 100);
  assert.is(small.data.length, 100);
  assert.is(small.truncated, true);
  const large = await receive(two, 5000);
  assert.is(large.data.length, 5000);
  assert.is(large.truncated, true);
  one.close();
  two.close();
});

test('an answer from nobody is an error of the next call', async () => {
  const gone = bound('inet');
  const address = gone.localAddress();
  gone.close();
  const socket = new Socket('inet', 'dgram');
  assert.is(socket.connect(address), true);
  socket.send(encodeUtf8('x'));
  await new Promise<void>((done) => socket.onReadable(done));
  failsWith('ECONNREFUSED', () => socket.receive(10));
  socket.close();
});

test('unix datagrams, with and without a name, and to nobody', async () => {
  const server = new Socket('unix', 'dgram');
  server.bind({ path: scratchPath() });
  const client = new Socket('unix', 'dgram');
  client.send(encodeUtf8('anonymous'), server.localAddress());
  const first = await receive(server);
  assert.is(decodeUtf8(first.data), 'anonymous');
  assert.is(first.from, undefined);
  const path = `${scratchPath()}.c`;
  client.bind({ path });
  client.send(encodeUtf8('named'), server.localAddress());
  assert.equal((await receive(server)).from, { path });
  server.close();
  failsWith('ECONNREFUSED', () => client.send(encodeUtf8('x'), { path: scratchPath().replace(/\d+$/, '1') }));
  client.close();
});

test('raw ICMP echo, answered by the loopback', async () => {
  const socket = new Socket('inet', 'raw', 1);
  const echo = Uint8Array.of(8, 0, 0, 0, pid & 255, (pid >> 8) & 255, 0, 1);
  const sum = (((pid & 255) << 8) | ((pid >> 8) & 255)) + 0x0800 + 1;
  const checksum = ~((sum & 0xffff) + (sum >> 16)) & 0xffff;
  echo[2] = checksum >> 8;
  echo[3] = checksum & 255;
  socket.send(echo, { address: '127.0.0.1', port: 0 });
  let reply: Received;
  do reply = await receive(socket);
  while (reply.data[20] !== 0);
  assert.equal(reply.data.subarray(24, 28), echo.subarray(4));
  assert.is((reply.from as { address: string }).address, '127.0.0.1');
  socket.close();
});

test('raw ICMPv6 echo, its checksum made by the kernel', async () => {
  const socket = new Socket('inet6', 'raw', 58);
  // ICMP6_FILTER: a set bit blocks; let echo replies (129) through alone.
  const filter = new Uint8Array(32).fill(255);
  new DataView(filter.buffer).setUint32(16, ~(1 << (129 & 31)), littleEndian);
  socket.setOption('ICMP6_FILTER', filter);
  socket.send(Uint8Array.of(128, 0, 0, 0, 1, 2, 0, 1), { address: '::1', port: 0 });
  const reply = await receive(socket);
  assert.is(reply.data[0], 129);
  assert.equal(reply.data.subarray(4), Uint8Array.of(1, 2, 0, 1));
  socket.close();
});

test('a packet socket sees what goes over the loopback, through a filter', async () => {
  const packets = new Socket('packet', 'raw', ETH_P_IP);
  packets.bind({ ifindex: interfaceIndex('lo'), protocol: ETH_P_IP });
  const [one, two] = [bound('inet'), bound('inet')];
  const port = (two.localAddress() as { port: number }).port;
  // UDP to our port: ldh [12] == IP, ldb [23] == 17, ldh [36] == port (no IP options on this path).
  packets.setFilter([
    [0x28, 0, 0, 12],
    [0x15, 0, 5, ETH_P_IP],
    [0x30, 0, 0, 23],
    [0x15, 0, 3, 17],
    [0x28, 0, 0, 36],
    [0x15, 0, 1, port],
    [0x06, 0, 0, 0xffff],
    [0x06, 0, 0, 0],
  ]);
  while (packets.receive(2048) !== null);
  one.send(encodeUtf8('not this'), one.localAddress());
  one.send(encodeUtf8('this'), two.localAddress());
  const received = await receive(packets);
  assert.is(decodeUtf8(received.data.subarray(42)), 'this');
  const from = received.from as { ifindex: number; protocol: number; hardware: Uint8Array; packetType: number };
  assert.is(from.ifindex, interfaceIndex('lo'));
  assert.is(from.protocol, ETH_P_IP);
  assert.equal(from.hardware, new Uint8Array(6));
  packets.setFilter([]);
  packets.setFilter([]);
  for (const socket of [packets, one, two]) socket.close();
});

test('a packet can be sent to a hardware address', async () => {
  const lo = interfaceIndex('lo');
  const receiver = new Socket('packet', 'dgram', 0x88b5);
  receiver.bind({ ifindex: lo, protocol: 0x88b5 });
  const sender = new Socket('packet', 'dgram', 0);
  sender.setOption('PACKET_IGNORE_OUTGOING', 1);
  sender.send(encodeUtf8('frame'), { ifindex: lo, protocol: 0x88b5, hardware: Uint8Array.of(2, 0, 0, 0, 0, 1) });
  assert.is(decodeUtf8((await receive(receiver)).data.subarray(0, 5)), 'frame');
  refused(() => sender.send(encodeUtf8('x'), { ifindex: lo, protocol: 1, hardware: new Uint8Array(9) }), RangeError);
  sender.close();
  receiver.close();
});

test('netlink answers, and says which port it gave us', async () => {
  const socket = new Socket('netlink', 'raw', NETLINK_ROUTE);
  socket.bind({ nlPid: 0, nlGroups: 0 });
  assert.ok((socket.localAddress() as { nlPid: number }).nlPid > 0);
  socket.setOption('NETLINK_EXT_ACK', 1);
  const request = new DataView(new ArrayBuffer(32));
  request.setUint32(0, 32, littleEndian);
  request.setUint16(4, 18, littleEndian); // RTM_GETLINK
  request.setUint16(6, 1, littleEndian); // NLM_F_REQUEST
  request.setUint32(8, 77, littleEndian);
  request.setInt32(20, interfaceIndex('lo'), littleEndian);
  socket.send(new Uint8Array(request.buffer), { nlPid: 0, nlGroups: 0 });
  const { data, from } = await receive(socket, 8192);
  const view = new DataView(data.buffer);
  assert.is(view.getUint16(4, littleEndian), 16); // RTM_NEWLINK
  assert.is(view.getUint32(8, littleEndian), 77);
  assert.is(view.getInt32(20, littleEndian), interfaceIndex('lo'));
  assert.equal(from, { nlPid: 0, nlGroups: 0 });
  socket.close();
});

test('options are set and read back', () => {
  const socket = new Socket('inet', 'dgram');
  for (const [name, value] of [
    ['SO_MARK', 0xfedcba98],
    ['SO_PRIORITY', 6],
    ['SO_BROADCAST', 1],
    ['IP_TTL', 255],
    ['IP_FREEBIND', 1],
    ['IP_TRANSPARENT', 1],
    ['IP_MULTICAST_TTL', 255],
    ['IP_MULTICAST_LOOP', 0],
  ] as const) {
    socket.setOption(name, value);
    assert.is(socket.getOption(name), value, name);
  }
  socket.setOption('SO_BINDTODEVICE', 'lo');
  socket.setOption('SO_BINDTODEVICE', '');
  failsWith('ENODEV', () => socket.setOption('SO_BINDTODEVICE', 'nonexistent'));
  failsWith('EINVAL', () => socket.setOption('IP_TTL', 256));
  // Bound to an address that is not ours.
  socket.bind({ address: '192.0.2.1', port: 0 });
  socket.close();

  const six = new Socket('inet6', 'dgram');
  six.setOption('IPV6_V6ONLY', 1);
  assert.is(six.getOption('IPV6_V6ONLY'), 1);
  six.setOption('IPV6_FREEBIND', 1);
  six.setOption('IPV6_UNICAST_HOPS', 255);
  assert.is(six.getOption('IPV6_UNICAST_HOPS'), 255);
  six.setOption('IPV6_TRANSPARENT', Uint8Array.of(1, 1, 1, 1));
  six.close();
});

test('a multicast group is joined', async () => {
  const lo = interfaceIndex('lo');
  for (const [domain, group] of [
    ['inet', '239.1.2.3'],
    ['inet6', 'ff01::1:2:3'],
  ] as const) {
    const socket = new Socket(domain, 'dgram');
    socket.bind({ address: domain === 'inet' ? '0.0.0.0' : '::', port: 0 });
    socket.joinGroup(group, lo);
    failsWith('EADDRINUSE', () => socket.joinGroup(group, lo));
    refused(() => socket.joinGroup('nonsense', lo), TypeError);
    if (domain === 'inet') {
      // struct ip_mreqn: no group, no address, the device.
      const device = new DataView(new ArrayBuffer(12));
      device.setInt32(8, lo, littleEndian);
      socket.setOption('IP_MULTICAST_IF', new Uint8Array(device.buffer));
      const port = (socket.localAddress() as { port: number }).port;
      socket.send(encodeUtf8('all'), { address: group, port });
      assert.is(decodeUtf8((await receive(socket)).data), 'all');
    }
    socket.close();
  }
});

test('wrong arguments', () => {
  refusesAllBut([], (value) => new Socket(value, 'dgram'));
  refusesAllBut([], (value) => new Socket('inet', value));
  refusesAllBut(['undefined', 'number'], (value) => new Socket('inet', 'dgram', value).close());
  refused(() => (Socket as unknown as () => unknown)(), TypeError);
  refused(() => new Socket('inet', 'dgram', 65_536), RangeError);
  failsWith('ESOCKTNOSUPPORT', () => new Socket('inet', 'seqpacket'));

  const socket = new Socket('inet', 'dgram');
  refusesAllBut([], (value) => socket.bind(value));
  refusesAllBut([], (value) => socket.connect(value));
  refusesAllBut(['text'], (value) => socket.bind({ address: value, port: 0 } as never));
  refused(() => socket.bind({ address: 'text', port: 0 }), TypeError);
  refused(() => socket.bind({ address: '::1', port: 0 }), TypeError);
  refusesAllBut(['number'], (value) => socket.bind({ address: '127.0.0.1', port: value }));
  refused(() => socket.bind({ address: '127.0.0.1', port: 65_536 }), RangeError);
  refusesAllBut(['bytes'], (value) => socket.send(value));
  refusesAllBut(['number'], (value) => socket.receive(value));
  for (const size of [0, -1, 1.5, 2 ** 31]) refused(() => socket.receive(size), RangeError);
  refusesAllBut(['number', 'undefined'], (value) => {
    socket.listen(value);
  });
  refusesAllBut([], (value) => socket.shutdown(value));
  refusesAllBut(['function', 'null'], (value) => socket.onReadable(value));
  refusesAllBut(['function', 'null'], (value) => socket.onWritable(value));
  socket.onReadable(null);
  socket.onWritable(null);
  refusesAllBut([], (value) => socket.setOption(value, 1));
  refusesAllBut(['number', 'bytes'], (value) => socket.setOption('SO_REUSEADDR', value));
  refusesAllBut(['text', 'bytes'], (value) => socket.setOption('SO_BINDTODEVICE', value));
  refusesAllBut([], (value) => socket.getOption(value));
  refusesAllBut([], (value) => socket.joinGroup(value, 1));
  refusesAllBut(['number'], (value) => socket.joinGroup('239.0.0.1', value));
  refusesAllBut(['array'], (value) => socket.setFilter(value));
  refusesAllBut([], (value) => socket.setFilter([value]));
  refusesAllBut(['number'], (value) => socket.setFilter([[value, 0, 0, 0]]));
  refused(() => socket.setFilter([[0x06, 0, 0, 2 ** 32]]), RangeError);
  failsWith('EINVAL', () => socket.setFilter([[0xffff, 0, 0, 0]]));

  const { send } = socket;
  refusesAllBut([], (value) => send.call(value, new Uint8Array(1)));
  refusesAllBut([], (value) => socket.close.call(value));
  socket.close();

  const addresses: [SocketDomain, object][] = [
    ['unix', {}],
    ['inet', { path: '/x' }],
    ['inet6', { address: '127.0.0.1', port: 1 }],
    ['inet6', { address: '::1', port: 1, scopeId: 'lo' }],
    ['netlink', { nlPid: 0 }],
    ['netlink', { nlPid: '0', nlGroups: 0 }],
    ['packet', { ifindex: 1 }],
    ['packet', { ifindex: 1, protocol: 1, hardware: 'text' }],
  ];
  for (const [domain, address] of addresses) {
    const each = new Socket(domain, domain === 'netlink' ? 'raw' : 'dgram');
    refused(() => each.bind(address as never), TypeError);
    each.close();
  }
});

test.after(removeScratch);
test.run();
