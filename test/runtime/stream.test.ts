import { Socket, decodeUtf8, encodeUtf8, memory, readDirectory } from 'oneip:runtime';
import type { SocketAddress } from 'oneip:runtime';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { removeScratch, runScript, scratchPath } from './support/script.ts';
import { failsWith } from './support/throws.ts';
import { sleep, until } from './support/turns.ts';

const loopback = { address: '127.0.0.1', port: 0 };

function listener(domain: 'unix' | 'inet' | 'inet6', address: SocketAddress): Socket {
  const socket = new Socket(domain, 'stream');
  socket.bind(address);
  socket.listen(16);
  return socket;
}

async function accepted(server: Socket): Promise<Socket> {
  let socket: Socket | null = null;
  await until(() => (socket = server.accept()) !== null, 'accepted');
  return socket as unknown as Socket;
}

/** Two ends of a connection. */
async function pair(domain: 'unix' | 'inet' = 'unix'): Promise<[Socket, Socket]> {
  const server = listener(domain, domain === 'unix' ? { path: scratchPath() } : loopback);
  const client = new Socket(domain, 'stream');
  client.connect(server.localAddress());
  const peer = await accepted(server);
  server.close();
  return [client, peer];
}

/** Sends all of it, waiting as needed. */
function sendAll(socket: Socket, data: Uint8Array): Promise<number> {
  return new Promise((done) => {
    let sent = 0;
    let turns = 0;
    socket.onWritable(() => {
      turns++;
      const count = socket.send(data.subarray(sent));
      if (count > 0) sent += count;
      if (sent < data.length) return;
      socket.onWritable(null);
      done(turns);
    });
  });
}

function receiveAll(socket: Socket, length: number): Promise<Uint8Array> {
  return new Promise((done) => {
    const data = new Uint8Array(length);
    let received = 0;
    socket.onReadable(() => {
      const part = socket.receive(65_536);
      if (part === null) return;
      data.set(part.data, received);
      received += part.data.length;
      if (received < length && part.data.length > 0) return;
      socket.onReadable(null);
      done(data.subarray(0, received));
    });
  });
}

test('messages of one megabyte cross a unix stream, both ways at once, in parts', async () => {
  const [client, server] = await pair();
  const there = new Uint8Array(1 << 20).map((_, i) => i * 31);
  const back = new Uint8Array(1 << 20).map((_, i) => i * 17 + 1);
  const [turns, , atServer, atClient] = await Promise.all([
    sendAll(client, there),
    sendAll(server, back),
    receiveAll(server, there.length),
    receiveAll(client, back.length),
  ]);
  assert.ok(turns > 1, 'a megabyte does not fit at once');
  assert.equal(atServer, there);
  assert.equal(atClient, back);
  client.close();
  server.close();
});

test('send() takes what fits, and says -1 when nothing does', async () => {
  const [client, server] = await pair();
  const data = new Uint8Array(1 << 20);
  const first = client.send(data);
  assert.ok(first > 0 && first < data.length, `${first} bytes at once`);
  while (client.send(data) !== -1);
  let received = 0;
  for (let part = server.receive(1 << 20); part; part = server.receive(1 << 20)) received += part.data.length;
  assert.ok(received >= first);
  assert.ok(client.send(data) > 0);
  client.close();
  server.close();
});

test('a connection over IPv4 and IPv6, with both names', async () => {
  for (const [domain, address] of [
    ['inet', '127.0.0.1'],
    ['inet6', '::1'],
  ] as const) {
    const server = listener(domain, { address, port: 0 });
    const at = server.localAddress() as { address: string; port: number };
    assert.is(at.address, address);
    assert.ok(at.port > 0);
    assert.is(server.accept(), null);
    const client = new Socket(domain, 'stream');
    if (!client.connect(at)) await new Promise<void>((done) => client.onWritable(done));
    assert.is(client.getOption('SO_ERROR'), 0);
    client.onWritable(null);
    const peer = await accepted(server);
    assert.equal(peer.peerAddress(), client.localAddress());
    assert.equal(client.peerAddress(), server.localAddress());
    assert.is(client.receive(10), null, 'nothing waits');
    assert.is(client.send(encodeUtf8('hello')), 5);
    await until(() => {
      const received = peer.receive(10);
      if (!received) return false;
      assert.is(decodeUtf8(received.data), 'hello');
      assert.is(received.from, undefined);
      assert.is(received.truncated, false);
      return true;
    }, 'received');
    for (const socket of [server, client, peer]) socket.close();
  }
});

test('a connection that is refused', async () => {
  const closed = listener('inet', loopback);
  const address = closed.localAddress();
  closed.close();
  const client = new Socket('inet', 'stream');
  try {
    assert.is(client.connect(address), false);
    await new Promise<void>((done) => client.onWritable(done));
    assert.is(client.getOption('SO_ERROR'), 111);
  } catch (error) {
    assert.is((error as { code?: string }).code, 'ECONNREFUSED');
  }
  client.close();
  const missing = new Socket('unix', 'stream');
  failsWith('ENOENT', () => missing.connect({ path: '/nonexistent/socket' }));
  missing.close();
});

test('a peer that closes is an empty read, again and again, and then a broken pipe', async () => {
  const [client, server] = await pair();
  server.close();
  await new Promise<void>((done) => client.onReadable(done));
  assert.is(client.receive(10)?.data.length, 0);
  assert.is(client.receive(10)?.data.length, 0);
  failsWith('EPIPE', () => client.send(encodeUtf8('x')));
  client.close();
});

test('a peer that vanishes with data unread is a reset', async () => {
  const [client, server] = await pair('inet');
  client.send(encodeUtf8('never read'));
  await sleep(20);
  server.close();
  await new Promise<void>((done) => client.onReadable(done));
  failsWith('ECONNRESET', () => client.receive(10));
  client.close();
});

test('a half-closed connection still carries the other half', async () => {
  const [client, server] = await pair('inet');
  client.shutdown('write');
  await new Promise<void>((done) => server.onReadable(done));
  assert.is(server.receive(10)?.data.length, 0);
  server.onReadable(null);
  server.send(encodeUtf8('reply'));
  assert.equal(await receiveAll(client, 5), encodeUtf8('reply'));
  failsWith('EPIPE', () => client.send(encodeUtf8('x')));
  client.close();
  server.close();
});

test('a callback is called as long as something waits, and no longer than it is set', async () => {
  const [client, server] = await pair();
  let count = 0;
  server.onReadable(() => {
    count++;
    if (count === 3) server.receive(10);
  });
  client.send(encodeUtf8('x'));
  await sleep(30);
  assert.is(count, 3);
  client.send(encodeUtf8('x'));
  server.onReadable(null);
  await sleep(10);
  assert.is(count, 3);
  client.close();
  server.close();
});

test('a callback may close its own socket, and the other that is ready with it', async () => {
  const pairs = [await pair(), await pair()];
  let count = 0;
  for (const [, server] of pairs) {
    server.onReadable(() => {
      count++;
      for (const [, each] of pairs) each.close();
    });
    server.onWritable(null);
  }
  for (const [client] of pairs) client.send(encodeUtf8('x'));
  await sleep(30);
  assert.is(count, 1);
  for (const [client] of pairs) client.close();
});

test('closed in onReadable, onWritable is not called any more', async () => {
  const [client, server] = await pair();
  let written = 0;
  client.send(encodeUtf8('x'));
  await sleep(5);
  server.onWritable(() => written++);
  server.onReadable(() => server.close());
  await sleep(20);
  assert.is(server.fd, -1);
  assert.is(written, 0);
  client.close();
});

test('a closed socket throws EBADF, and may be closed again', () => {
  const socket = new Socket('inet', 'stream');
  assert.ok(socket.fd > 2);
  socket.close();
  socket.close();
  assert.is(socket.fd, -1);
  const calls: (() => unknown)[] = [
    () => socket.bind(loopback),
    () => socket.connect(loopback),
    () => socket.listen(),
    () => socket.accept(),
    () => socket.send(new Uint8Array(1)),
    () => socket.receive(1),
    () => socket.shutdown('both'),
    () => socket.setOption('SO_REUSEADDR', 1),
    () => socket.getOption('SO_ERROR'),
    () => socket.joinGroup('224.0.0.1', 1),
    () => socket.setFilter([]),
    () => socket.localAddress(),
    () => socket.peerAddress(),
    () => socket.onReadable(() => undefined),
    () => socket.onWritable(null),
  ];
  for (const call of calls) failsWith('EBADF', call);
});

test('a getter that closes the socket in the middle of a call does no harm', () => {
  const socket = new Socket('inet', 'dgram');
  const closing = {
    get address(): string {
      socket.close();
      return '127.0.0.1';
    },
    port: 9,
  };
  failsWith('EBADF', () => socket.send(new Uint8Array(1), closing));
});

test('a socket that nobody holds is closed when it is collected', () => {
  memory.trim();
  const before = readDirectory('/proc/self/fd').length;
  const hold = (): void => {
    for (let i = 0; i < 10; i++) {
      const socket: { self?: unknown } & Socket = new Socket('inet', 'dgram');
      socket.self = socket;
      // A callback that has been taken away does not hold it either.
      socket.onReadable(() => socket.close());
      socket.onReadable(null);
    }
  };
  hold();
  memory.trim();
  assert.is(readDirectory('/proc/self/fd').length, before);
});

test('a socket with a callback lives on', async () => {
  const path = scratchPath();
  let connected = false;
  const listen = (): void => {
    const server = listener('unix', { path });
    server.onReadable(() => {
      connected = true;
      server.close();
    });
  };
  listen();
  memory.trim();
  const client = new Socket('unix', 'stream');
  client.connect({ path });
  await until(() => connected, 'the collected server would not have accepted');
  client.close();
});

test('a callback keeps the process alive, an idle socket does not', async () => {
  const idle = await runScript(`const s = new r.Socket('inet', 'dgram'); s.bind({ address: '127.0.0.1', port: 0 });`);
  assert.is(idle.status, 0);
  const waiting = await runScript(
    `const s = new r.Socket('inet', 'dgram'); s.bind({ address: '127.0.0.1', port: 0 });
    s.onReadable(() => {});`,
    { timeout: 200 },
  );
  assert.is(waiting.timedOut, true);
});

test('abstract names, and paths that are too long', async () => {
  const server = listener('unix', { path: '\0oneip-test' });
  assert.equal(server.localAddress(), { path: '\0oneip-test' });
  const client = new Socket('unix', 'stream');
  assert.is(client.connect({ path: '\0oneip-test' }), true);
  assert.equal(client.localAddress(), { path: '' });
  (await accepted(server)).close();
  client.close();
  server.close();
  const socket = new Socket('unix', 'stream');
  failsWith('ENAMETOOLONG', () => socket.bind({ path: `/tmp/${'x'.repeat(108)}` }));
  assert.throws(
    () => socket.bind({ path: 'a\0b' }),
    (error: unknown) => error instanceof TypeError,
  );
  socket.close();
});

test('a thousand connections, each closed by its peer', async () => {
  const server = listener('unix', { path: scratchPath() });
  let served = 0;
  server.onReadable(() => {
    const peer = server.accept();
    peer?.send(encodeUtf8('x'));
    peer?.close();
  });
  for (let i = 0; i < 1000; i++) {
    const client = new Socket('unix', 'stream');
    client.connect(server.localAddress());
    client.onReadable(() => {
      const received = client.receive(10);
      if (received?.data.length === 1) served++;
      if (received?.data.length === 0) client.close();
    });
    if (i % 10 === 9) await until(() => served > i - 5, 'served');
  }
  await until(() => served === 1000, 'all served');
  server.close();
});

test.after(removeScratch);
test.run();
