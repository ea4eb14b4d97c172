import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { withControl } from './control-client.ts';
import { withLab } from './lab.ts';
import { webService } from './web-service.ts';

test('a weight that was written to the file is the file’s from then on', () =>
  withLab({ servers: 2 }, async (lab) => {
    await withControl(lab, webService(lab), async (control) => {
      const weight = async () => (await control.server('web', 's1')).weight;
      const text = () => readFileSync(lab.daemon.configFile, 'utf8');
      await control.order('set_weight', { server: 's1', weight: 30 });
      assert.not.match(text(), "option weight '30'");
      await control.order('set_weight', { server: 's1', weight: 50, persist: true });
      assert.is(await weight(), 50);
      assert.match(text(), /config server 's1'[^]*\toption weight '50'[^]*config server 's2'/);
      await lab.daemon.reload(text().replace("weight '50'", "weight '70'"));
      assert.is(await weight(), 70);
    });
    assert.is(await lab.daemon.stop(), 0);
  }));

test('an order for the weight that the file has takes orders back: the file counts again', () =>
  withLab({ servers: 2 }, async (lab) => {
    await withControl(lab, webService(lab), async (control) => {
      const weight = async () => (await control.server('web', 's1')).weight;
      await control.order('set_weight', { server: 's1', weight: 30 });
      assert.is(await weight(), 30);
      await control.order('set_weight', { server: 's1', weight: 100 });
      const text = readFileSync(lab.daemon.configFile, 'utf8');
      await lab.daemon.reload(text.replace("config server 's1'", "config server 's1'\n\toption weight '70'"));
      assert.is(await weight(), 70);
    });
  }));

test.run();
