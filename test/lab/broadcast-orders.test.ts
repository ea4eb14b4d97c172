import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { LabBus } from './bus.ts';
import { withLab } from './lab.ts';
import { webService } from './web-service.ts';

const secondGhost = '192.168.1.240';

interface Counted {
  readonly packets?: number | null;
  readonly bytes?: number | null;
}

test('where all servers get all packets: no server may have the second ghost address, and nobody counts packets', () =>
  withLab({ servers: 2 }, async (lab) => {
    const { daemon } = lab;
    const bus = await LabBus.start(daemon.ubusSocket, {});
    try {
      await daemon.start(webService(lab, { service: { dispatch: 'broadcast', ghost2: secondGhost } }));
      const command = (...words: string[]) =>
        daemon.command([...words, '--state', daemon.stateFolder, '--ubus', daemon.ubusSocket]);

      const refused = await command('add', 's9', '--service', 'web', '--address', secondGhost);
      assert.is(refused.status, 1, refused.stderr);
      assert.ok(daemon.log.some((line) => line.includes(`'${secondGhost}' is a ghost address of service 'web'`)));
      const status = await command('status', '--json');
      const { services } = JSON.parse(status.stdout) as {
        services: { web: { servers: Readonly<Record<string, Counted>> } };
      };
      const { servers } = services.web;
      assert.equal(Object.keys(servers), ['s1', 's2'], 's9 was not added');
      for (const { packets, bytes } of Object.values(servers)) assert.equal([packets, bytes], [null, null]);
      const metrics = await command('metrics');
      assert.match(metrics.stdout, 'oneip_server_slots{service="web",server="s1"}');
      assert.not.match(metrics.stdout, /^oneip_server_packets_total\{/m);

      const taken = await command('add', 's9', '--service', 'web', '--address', '192.168.1.241');
      assert.is(taken.status, 0, taken.stderr);
    } finally {
      await bus.stop();
    }
  }));

test.run();
