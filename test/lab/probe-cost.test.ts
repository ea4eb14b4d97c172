import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { serverAddress } from './addresses.ts';
import { Daemon } from './daemon.ts';
import { elapse } from './hitless-clients.ts';
import type { Namespace } from './namespace.ts';
import { tool } from './paths.ts';
import { configuration, figure } from './scenario.ts';
import { echoPort } from './servers.ts';
import { buildTopology } from './topology.ts';
import { clock } from './traffic-load.ts';
import { uciSection, type UciOptions } from './uci.ts';

const serverCount = 64;
const interval = 100;
/** Milliseconds that are measured together, and how often: the least counts, since what others do on this machine adds to it. */
const duration = 1000;
const rounds = 5;

/** Watchdogs, packets that each of their probes takes to the server, and shares of one processor. */
const limits: readonly (readonly [UciOptions, number, number])[] = [
  [{ type: 'ping' }, 1, 0.05],
  [{ type: 'arp' }, 1, 0.05],
  // SYN, ACK, RST.
  [{ type: 'tcp', port: echoPort }, 3, 0.1],
];

/** Milliseconds of a processor that a process has used: the first number of its `schedstat`, in nanoseconds. */
function processorTime(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6;
}

/** Packets that a host has got. */
async function packetsAt(host: Namespace): Promise<number> {
  const [link] = JSON.parse(await host.run(['ip', '-s', '-j', 'link', 'show', 'eth0'])) as [
    { stats64: { rx: { packets: number } } },
  ];
  return link.stats64.rx.packets;
}

// The daemon as it is, with all that it does besides. The servers' kernel answers on its account, too: in a lab a packet is
// delivered by whoever has sent it.
test(`${serverCount} servers every ${interval} ms`, async () => {
  // One host has the addresses of all of them, so that packets are the only cost.
  const topology = await buildTopology({ servers: 1 });
  try {
    const [host] = topology.servers;
    assert.ok(host);
    const servers = Array.from({ length: serverCount }, (_, index) => ({
      ...host,
      name: `s${index + 1}`,
      number: index + 1,
      address: { 4: serverAddress(4, index + 1), 6: serverAddress(6, index + 1) },
    }));
    await host.namespace.ip(servers.slice(1).map(({ address }) => `address add ${address[4]}/24 dev eth0`));
    const echo = host.namespace.start([tool('echo-server'), 'all', String(echoPort)]);
    await echo.waitFor((line) => line === 'ready' || undefined);
    const ghost = topology.ghosts.filter((text) => !text.includes(':'));
    const services = configuration({ ...topology, servers }, { web: { ghost, options: { port: echoPort } } });
    const daemon = new Daemon(topology.router, join(topology.folder, 'router'));
    await daemon.start(services);
    for (const [check, each, limit] of limits) {
      const rhythm = { interval: `${interval}ms`, timeout: `${interval}ms` };
      await daemon.reload(services + uciSection('watchdog', 'alive', { ...rhythm, ...check }));
      // The first second opens sockets and learns addresses.
      await elapse(1000);
      const costs: { readonly share: number; readonly each: number }[] = [];
      for (let round = 0; round < rounds; round++) {
        const begin = {
          time: clock(),
          used: processorTime(daemon.process.pid),
          packets: await packetsAt(host.namespace),
        };
        await elapse(duration);
        const used = processorTime(daemon.process.pid) - begin.used;
        const time = clock() - begin.time;
        const packets = (await packetsAt(host.namespace)) - begin.packets;
        const probes = (serverCount * time) / interval;
        // A daemon that others keep from running leaves turns out.
        if (packets > 0.95 * each * probes) costs.push({ share: used / time, each: (used * 1000) / probes });
      }
      costs.sort((one, other) => one.share - other.share);
      const [least, worst] = [costs[0], costs.at(-1)];
      assert.ok(least && worst, 'a second in which all servers were asked');
      const told = `${percent(least.share)} of a core (${percent(worst.share)} at most), ${least.each.toFixed(0)} µs a probe`;
      figure(`${serverCount} servers every ${interval} ms by ${check['type']}: ${told}`);
      assert.ok(least.share <= limit, `${check['type']}: ${told}`);
    }
    assert.equal(
      daemon.log.filter((line) => / down /.test(line)),
      [],
    );
    assert.is(await daemon.stop(), 0);
    await echo.stop();
  } finally {
    await topology.remove();
  }
});

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

test.run();
