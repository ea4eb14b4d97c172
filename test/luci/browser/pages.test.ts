import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ControlClient } from '../../lab/control-client.ts';
import { LabBus } from '../../lab/bus.ts';
import { withLab, type Lab } from '../../lab/lab.ts';
import { Bridge, origin } from '../bridge.ts';
import { openTab, screens, startBrowser } from '../browser.ts';
import { configSteps } from '../config-steps.ts';
import { luciConfiguration, patience, serverRow, shows, type Scene, type Site } from '../scene.ts';
import { statusSteps } from '../status-steps.ts';

// The pages in headless Chromium, on a stand-in for LuCI, with the real daemon behind them.

/** What all tests share. */
interface Stage {
  readonly lab: Lab;
  readonly bus: LabBus;
  readonly bridge: Bridge;
  readonly control: ControlClient;
  readonly site: Site;
  /** Somebody with a tab of their own, which must have had no errors when `body` has ended. */
  visit(screen: keyof typeof screens, body: (scene: Scene) => Promise<void>): Promise<void>;
}

const test = suite('pages');
let stage: Stage | undefined;
let finish: () => void = () => undefined;
let ended: Promise<void> = Promise.resolve();

function onStage(): Stage {
  if (!stage) throw new Error('the lab could not be built');
  return stage;
}

async function play(lab: Lab, begun: () => void): Promise<void> {
  const bus = await LabBus.start(lab.daemon.ubusSocket, { wan: 'wan', lan: 'br-lan' });
  const browser = await startBrowser();
  const client = bus.client();
  try {
    await lab.daemon.start(luciConfiguration(lab));
    const control = await ControlClient.join(bus);
    const { configFile } = lab.daemon;
    const configText = () => readFileSync(configFile, 'utf8');
    const bridge = new Bridge({ bus: client, configFile, applied: () => lab.daemon.reload(configText()) });
    const site: Site = {
      configText,
      open: async (page, name) => {
        await page.goto(`${origin}/${name}`);
        await page.locator('#view :is(h2, h3)').first().waitFor({ timeout: patience });
      },
    };
    const visit: Stage['visit'] = async (screen, body) => {
      const { page, errors } = await openTab(browser, bridge, screen);
      await body({ page, site, lab, control }).catch((error: unknown) => {
        if (error instanceof Error && errors.length > 0) error.message += `\nErrors of scripts: ${errors.join('; ')}`;
        throw error;
      });
      assert.equal(errors, []);
      await page.context().close();
    };
    stage = { lab, bus, bridge, control, site, visit };
    const finished = new Promise<void>((done) => (finish = done));
    begun();
    await finished;
    control.close();
  } finally {
    client.close();
    await browser.close();
    await bus.stop();
  }
}

test.before(
  () =>
    new Promise<void>((begun, failed) => {
      ended = withLab({ servers: 3 }, (lab) => play(lab, begun));
      ended.catch(failed);
    }),
);

test.after(async () => {
  finish();
  await ended;
});

for (const { name, run } of statusSteps) test(`status: ${name}`, () => onStage().visit('desk', run));
for (const { name, run } of configSteps) test(`configuration: ${name}`, () => onStage().visit('desk', run));

test('no daemon: the page says so, and goes on when there is one', async () => {
  const { lab, control, visit } = onStage();
  await visit('desk', async ({ page, site }) => {
    await site.open(page, 'status');
    await shows(page, 'web', 's1', 'state', 'up');
    assert.is(await lab.daemon.stop(), 0);
    await page.getByRole('alert').getByText('The daemon is not running.').waitFor({ timeout: patience });
    await site.open(page, 'config');
    await page
      .getByText(/The daemon is not running\. So what belongs together is not checked here/)
      .waitFor({ timeout: patience });
    await site.open(page, 'overview');
    await page.getByText('The daemon is not running.').waitFor({ timeout: patience });
    await site.open(page, 'status');
    await page.getByRole('alert').getByText('The daemon is not running.').waitFor({ timeout: patience });
    await lab.daemon.start(luciConfiguration(lab));
    await shows(page, 'web', 's1', 'state', 'up');
    await page.getByText('The daemon is not running.').waitFor({ state: 'detached', timeout: patience });
    await page.getByRole('log').getByText('The daemon has started.').first().waitFor({ timeout: patience });
  });
  assert.is((await control.service('web')).running, true);
});

test('who may only look is offered nothing else, and an order of theirs is refused', async () => {
  const { bridge, visit } = onStage();
  bridge.readonly = true;
  try {
    await visit('desk', async ({ page, site }) => {
      await site.open(page, 'status');
      await shows(page, 'web', 's1', 'state', 'up');
      assert.is(await page.locator('[data-server] button').count(), 0);
      await site.open(page, 'config');
      const buttons = page.locator('.cbi-section-create button, .cbi-button-remove, .cbi-page-actions button');
      await buttons.first().waitFor({ timeout: patience });
      for (const button of await buttons.all()) assert.ok(await button.isDisabled());
      const refused = await page.evaluate(`fetch('/ubus/', { method: 'POST', body: JSON.stringify({
        jsonrpc: '2.0', id: 1, method: 'call', params: ['', 'oneip', 'set_server', { server: 's1', state: 'down' }],
      }) }).then((reply) => reply.json())`);
      assert.is((refused as { error?: { code: number } }).error?.code, -32002);
    });
  } finally {
    bridge.readonly = false;
  }
});

test('on a phone nothing is wider than the screen, and everything that can be touched has a name', async () => {
  const { visit } = onStage();
  await visit('phone', async ({ page, site }) => {
    const judge = async (what: string) => {
      assert.is(await page.evaluate('document.documentElement.scrollWidth'), screens.phone.width, what);
      const nameless = await page.evaluate(`[...document.querySelectorAll('button, input, select')]
        .filter((node) => node.checkVisibility())
        .filter((node) => !(node.getAttribute('aria-label') || node.textContent.trim() || node.labels?.length))
        .map((node) => node.outerHTML)`);
      // Fields of lists but the last are the stand-in's own, as they are LuCI's there.
      assert.equal(
        (nameless as string[]).filter((html) => !html.includes('cbi-input-text')),
        [],
        what,
      );
    };
    await site.open(page, 'status');
    await shows(page, 'web', 's1', 'state', 'up');
    await judge('status');
    await serverRow(page, 'web', 's1').getByRole('button', { name: 'Weight: s1' }).tap();
    await page.getByRole('button', { name: 'Set weight' }).waitFor({ timeout: patience });
    await judge('dialogue');
    await site.open(page, 'overview');
    await page.getByText('3 of 3 up').waitFor({ timeout: patience });
    await judge('overview');
  });
});

test.run();
