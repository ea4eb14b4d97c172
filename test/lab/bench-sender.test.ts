import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Family } from '../../src/net/address.ts';
import { Capture, type Captured } from './capture.ts';
import { atExit } from './exit.ts';
import { addNamespaces, labPrefix, Namespace, removeLab } from './namespace.ts';
import { checksum, protocol, pseudoChecksum } from './packet.ts';
import { tool } from './paths.ts';
import type { LineProcess } from './process.ts';

// The benchmark's senders: what they send, and that it is the same whoever sends it.

const clients = 1000;
const clientStep = 617;
const mac = { upstream: '02:00:00:00:00:02', router: '02:00:00:00:00:01' };
const target = { 4: '192.0.2.80', 6: '2001:db8:80::80' } as const;
const first = { 4: '198.18.0.1', 6: '2001:db8:4000::1' } as const;
const last = { 4: '198.18.3.232', 6: '2001:db8:4000:3e7::1' } as const;

const prefix = labPrefix();
const upstream = new Namespace(`${prefix}-upstream`);
const router = new Namespace(`${prefix}-router`);
const tests = suite('bench-sender');

tests.before(async () => {
  atExit(() => removeLab(prefix));
  await addNamespaces([upstream.name, router.name]);
  await router.sysctl({ 'net.ipv4.ip_forward': 1, 'net.ipv6.conf.all.forwarding': 1 });
  await router.ip([
    `link add wan address ${mac.router} type veth peer name eth0 address ${mac.upstream} netns ${upstream.name}`,
    `link add out type veth peer name away netns ${upstream.name}`,
    'link set wan up',
    'link set out up',
    // Forwarding changes MACs and TTL in memory that comes back to the sender.
    ...Object.values(target).flatMap((address) => [
      `route add ${address} dev out`,
      `neigh add ${address} lladdr 02:00:00:00:00:03 dev out nud permanent`,
    ]),
  ]);
  await upstream.ip(['link set eth0 up', 'link set away up']);
});
tests.after(() => removeLab(prefix));

async function start(sender: string, family: Family, size = 64): Promise<LineProcess> {
  const [place, device] = sender === 'raw' ? [upstream, 'eth0'] : [router, 'wan'];
  const flows = [mac.upstream, mac.router, target[family], first[family], clients, 9000, clientStep];
  const started = place.start([tool('bench-sender'), sender, device, ...flows, 0, size].map(String));
  await started.waitFor((line) => line === 'ready' || undefined);
  return started;
}

async function sent(sender: LineProcess, command: string): Promise<number> {
  return sender.ask(command, (line) => {
    const packets = /^sent (\d+) [1-9]\d*$/.exec(line)?.[1];
    return packets === undefined ? undefined : Number(packets);
  });
}

async function end(sender: LineProcess): Promise<void> {
  sender.closeInput();
  assert.is(await sender.ended, 0);
}

/** With the end that has not been kept, and that should hold nothing. */
function wholeDatagram({ payload }: Captured): Buffer {
  return Buffer.concat([payload, Buffer.alloc(payload.readUInt16BE(4) - payload.length)]);
}

/** Bytes of the IP packet in a frame of so many, check sequence included. */
const packetLengths = [
  { family: 4, size: 64, length: 46 },
  { family: 4, size: 1400, length: 1382 },
  // The headers are longer than the shortest frame.
  { family: 6, size: 64, length: 48 },
  { family: 6, size: 1400, length: 1382 },
] as const;

for (const { family, size, length } of packetLengths) {
  tests(`IPv${family}, ${size} bytes: one pass is one packet of each client, the same from either sender`, async () => {
    const seen: string[][] = [];
    for (const name of ['raw', 'xdp']) {
      const sender = await start(name, family, size);
      const capture = await Capture.start(router, 'wan');
      assert.is(await sent(sender, 'pass'), clients);
      const packets = (await capture.take()).filter(({ destination }) => destination === target[family]);
      await capture.end();
      await end(sender);
      assert.is(packets.length, clients, name);
      assert.is(new Set(packets.map(({ source }) => source)).size, clients);
      assert.equal([packets[0]?.source, packets.at(-1)?.source], [first[family], last[family]]);
      for (const packet of packets) {
        assert.equal([packet.packetType, packet.destinationMac, packet.sourceMac], [0, mac.router, mac.upstream]);
        assert.equal([packet.ttl, packet.payload.readUInt16BE(2), packet.length], [64, 9000, length]);
        if (family === 4) assert.is(checksum(packet.bytes.subarray(0, 20)), 0);
        else assert.is(pseudoChecksum(packet, protocol.udp, wholeDatagram(packet)), 0);
      }
      seen.push(packets.map(({ bytes }) => bytes.toString('hex')));
    }
    assert.equal(seen[1], seen[0]);
  });
}

for (const family of [4, 6] as const) {
  tests(
    `IPv${family}: a run sends the packets of all clients in turn, however the router has changed the last ones`,
    async () => {
      const [ip, type, lifetime] = family === 4 ? ['ip', 'ipv4_addr', 'ttl'] : ['ip6', 'ipv6_addr', 'hoplimit'];
      for (const name of ['raw', 'xdp']) {
        await router.nft(`table netdev count${family} {
        set clients { type ${type}; flags dynamic; size ${clients * 2}; counter; }
        chain wan {
          type filter hook ingress device "wan" priority 0
          ether daddr ${mac.router} ${ip} ${lifetime} 64 ${ip} daddr ${target[family]} update @clients { ${ip} saddr }
        }
      }`);
        const sender = await start(name, family);
        const packets = await sent(sender, 'run 30');
        await end(sender);
        const counts = await packetsByClient(family);
        await router.run(['nft', 'delete', 'table', 'netdev', `count${family}`]);
        assert.is(counts.length, clients, name);
        assert.is(
          counts.reduce((sum, count) => sum + count, 0),
          packets,
          name,
        );
        assert.ok(Math.max(...counts) - Math.min(...counts) <= 1 && packets > 2 * clients, `${name}: ${packets}`);
      }
    },
  );
}

async function packetsByClient(family: Family): Promise<number[]> {
  const listing = JSON.parse(await router.run(['nft', '-j', 'list', 'set', 'netdev', `count${family}`, 'clients'])) as {
    nftables: readonly { set?: { elem?: readonly { elem: { counter: { packets: number } } }[] } }[];
  };
  return listing.nftables.flatMap(({ set }) => (set?.elem ?? []).map(({ elem }) => elem.counter.packets));
}

tests('a device that is not there is refused, and said to be', async () => {
  const flows = [mac.upstream, mac.router, target[4], first[4], clients, 9000, clientStep];
  for (const sender of ['raw', 'xdp']) {
    const outcome = await router.attempt([tool('bench-sender'), sender, 'nowhere', ...flows, 0, 64].map(String));
    assert.equal([outcome.status, outcome.stdout], [3, '']);
    assert.match(outcome.stderr, /nowhere: No such device/);
  }
});

tests.run();
