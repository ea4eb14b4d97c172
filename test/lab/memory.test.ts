import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Daemon } from './daemon.ts';
import { forgetPeak, memoryOf, type Memory } from './memory.ts';
import { eventually, figure } from './scenario.ts';
import { buildTopology, type Topology } from './topology.ts';
import { webService } from './web-service.ts';

function print(what: string, { anonymous, resident, peak }: Memory): void {
  figure(`memory ${what}: ${anonymous} KiB anonymous, ${resident} KiB resident, ${peak} KiB at the peak`);
}

async function withDaemon(body: (daemon: Daemon, topology: Topology) => Promise<void>): Promise<void> {
  const topology = await buildTopology({ servers: 16 });
  try {
    await body(new Daemon(topology.router, join(topology.folder, 'router')), topology);
  } finally {
    await topology.remove();
  }
}

/** Loads and reloads need more for a moment, see docs/operating.md; libnftables has most of it. */
const limits = { peakOfLoad: 16 * 1024, peakOfReload: 24 * 1024, growth: 256 };
const limitsOfLoaded = { anonymous: 4096, resident: 8192 };
/** Once something has changed the heap has holes of half a megabyte, which later changes fill again. */
const limitsOfChanged = { anonymous: 4352, resident: 8704 };
/** While a change is under way, which needs rules and histories of its own. */
const limitOfChange = 6144;

test('a service with 16 servers takes 4 MB, and many reloads make it no more than a little', () =>
  withDaemon(async (daemon, topology) => {
    const service = { idle_timeout: '1s' };
    const all = webService(topology, { service });
    const fewer = webService(topology, { service, servers: topology.servers.slice(1) });
    await daemon.start(all);
    const { pid } = daemon.process;
    // What the load has taken is given back behind the line that tells of it.
    const settled = async (limits: typeof limitsOfLoaded) => {
      const { result } = await eventually('as little memory as wanted', 2_000, () => {
        const memory = memoryOf(pid);
        const isLittle = memory.anonymous <= limits.anonymous && memory.resident <= limits.resident;
        return Promise.resolve(isLittle ? memory : undefined);
      });
      return result;
    };
    const loaded = await settled(limitsOfLoaded);
    print('after a full load, 16 servers', loaded);
    assert.ok(loaded.peak <= limits.peakOfLoad, `${loaded.peak} KiB`);

    const anonymous: number[] = [];
    for (let count = 1; count <= 12; count++) {
      forgetPeak(pid);
      const ended = daemon.process.waitFor((line) => /no old connection is kept/.test(line) || undefined);
      await daemon.reload(count % 2 === 0 ? all : fewer);
      const { result: changing } = await eventually('less memory during the change', 2_000, () => {
        const memory = memoryOf(pid);
        return Promise.resolve(memory.anonymous <= limitOfChange ? memory : undefined);
      });
      assert.ok(changing.peak <= limits.peakOfReload, `${changing.peak} KiB`);
      await ended;
      const after = await settled(limitsOfChanged);
      if (count === 5) print('while a change is under way', changing);
      anonymous.push(after.anonymous);
    }
    print('after 12 reloads that changed something', memoryOf(pid));
    const [early, late] = [anonymous.slice(3, 6), anonymous.slice(-3)].map((part) => Math.min(...part));
    assert.ok(early !== undefined && late !== undefined && late - early <= limits.growth, anonymous.join(' '));
    assert.is(await daemon.stop(), 0);
  }));

test.run();
