import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { LabBus } from './bus.ts';
import { ControlClient } from './control-client.ts';
import { withLab } from './lab.ts';
import { webService } from './web-service.ts';

test('whoever finds the daemon on the bus finds its services in force', () =>
  withLab({ servers: 2 }, async (lab) => {
    const bus = await LabBus.start(lab.daemon.ubusSocket, {});
    try {
      const started = lab.daemon.start(webService(lab));
      // A start that fails is told below; here it shall not end the process.
      started.catch(() => undefined);
      const control = await ControlClient.join(bus, 20_000);
      const { services } = await control.status();
      control.close();
      assert.equal(Object.keys(services), ['web']);
      assert.is(services.web?.running, true);
      await started;
      assert.is(await lab.daemon.stop(), 0);
    } finally {
      await bus.stop();
    }
  }));

test.run();
