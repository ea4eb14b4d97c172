import { Socket } from 'oneip:runtime';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DeviceSockets } from '../../src/host/probe/device-sockets.ts';
import { until } from './support/turns.ts';

const one = { name: 'one', ifindex: 1 };
const two = { name: 'two', ifindex: 2 };

/** Sockets that hear what is sent to them on this machine; `opened` has each, in order. */
function listening(take: (ifindex: number, packet: Uint8Array) => boolean, prepare?: (socket: Socket) => void) {
  const opened: Socket[] = [];
  const open = () => {
    const socket = new Socket('inet', 'dgram');
    opened.push(socket);
    return socket;
  };
  const bind = (socket: Socket) => socket.bind({ address: '127.0.0.1', port: 0 });
  return { opened, sockets: new DeviceSockets(open, prepare ?? bind, take) };
}

test('each device has a socket of its own, which tells by which device a packet came', async () => {
  const heard: [number, number[]][] = [];
  const { opened, sockets } = listening((ifindex, packet) => {
    heard.push([ifindex, [...packet]]);
    return true;
  });
  const [first, second] = [sockets.on(one), sockets.on(two)];
  assert.is(sockets.on(one), first);
  assert.is.not(first, second);
  const sender = new Socket('inet', 'dgram');
  sender.send(Uint8Array.of(2), second.localAddress());
  await until(() => heard.length === 1, 'one packet');
  sender.send(Uint8Array.of(1), first.localAddress());
  await until(() => heard.length === 2, 'two packets');
  assert.equal(heard, [
    [2, [2]],
    [1, [1]],
  ]);
  sender.close();
  sockets.close();
  sockets.close();
  assert.equal(
    opened.map(({ fd }) => fd),
    [-1, -1],
  );
});

test('a socket that could not be made one of its device is closed, and not kept', () => {
  let isGone = true;
  const { opened, sockets } = listening(
    () => true,
    () => {
      if (isGone) throw new Error('no such device');
    },
  );
  assert.throws(() => sockets.on(one), /no such device/);
  assert.is(opened[0]?.fd, -1);
  isGone = false;
  assert.is(sockets.on(one), opened[1]);
  sockets.close();
});

test('one that breaks is given up, and another is opened with the next question', async () => {
  const { opened, sockets } = listening(() => true);
  const closed = new Socket('inet', 'dgram');
  closed.bind({ address: '127.0.0.1', port: 0 });
  const nobody = closed.localAddress();
  closed.close();
  const socket = sockets.on(one);
  // The kernel's refusal comes as an error of the next receive(2).
  socket.connect(nobody);
  socket.send(Uint8Array.of(1));
  await until(() => socket.fd === -1, 'closed');
  assert.is(sockets.on(one), opened[1]);
  sockets.close();
});

test.run();
