import * as assert from 'uvu/assert';
import { wanClient } from '../lab/addresses.ts';
import { eventually } from '../lab/scenario.ts';
import { killServer, restartServer } from '../lab/servers.ts';
import { dialogue, order, patience, serverRow, shows, withTraffic } from './scene.ts';
import type { Scene, Step } from './scene.ts';

/** What somebody does with the status page, and with the part of it on LuCI's overview. */
export const statusSteps: readonly Step[] = [
  { name: 'services and servers with state, share, latency, and the packets that they really get', run: looks },
  { name: 'drain: asks first, keeps connections, tells how far the change is, and can be taken back', run: drains },
  { name: 'fail over: says what breaks, and moves clients; the other services may stay as they are', run: failsOver },
  { name: 'weight: tells the share that it makes, refuses what is none, and writes it down if told', run: weighs },
  { name: 'keyboard: Escape is no, and the focus comes back to the button', run: usesKeyboard },
  { name: 'where a client goes is what the daemon decides', run: simulates },
  { name: 'a server that dies by itself is told with the reason', run: dies },
  { name: 'what servers and programs say is text, whatever it looks like', run: quotes },
  { name: "the overview counts who is up, and names who isn't", run: overlooks },
];

async function looks({ page, site, lab, control }: Scene): Promise<void> {
  await site.open(page, 'status');
  for (const server of ['s1', 's2', 's3']) {
    await shows(page, 'web', server, 'state', 'up');
    await shows(page, 'web', server, 'share', 'weight 100');
    await shows(page, 'web', server, 'probe', /^[\d.]+ ms/);
  }
  await shows(page, 'dns', 's1', 'probe', 'not watched');
  assert.is(await serverRow(page, 'dns', 's3').count(), 0);
  const { share } = await control.server('web', 's1');
  assert.is(
    await serverRow(page, 'web', 's1').getByRole('meter', { name: 'Share of s1' }).getAttribute('aria-valuenow'),
    (share * 100).toFixed(1),
  );
  await withTraffic(lab, async () => {
    for (const server of ['s1', 's2', 's3']) await shows(page, 'web', server, 'traffic', /^[1-9]/);
    const line = serverRow(page, 'web', 's1').getByRole('img', { name: /^Packets per second of s1/ });
    assert.match((await line.locator('polyline').getAttribute('points')) ?? '', /^[\d.]+,[\d.]+/);
    await shows(page, 'dns', 's1', 'traffic', /^0 packets/);
  });
}

async function drains({ page, site, lab, control }: Scene): Promise<void> {
  await site.open(page, 'status');
  await withTraffic(lab, async (load) => {
    const open = load.openByServer().get('s2') ?? 0;
    assert.ok(open > 0);
    const asked = await order(page, 'web', 's2', 'Drain');
    assert.match(
      (await asked.textContent()) ?? '',
      'Open connections stay with the server that they have until they end',
    );
    await asked.getByRole('button', { name: 'Cancel' }).click();
    await dialogue(page).waitFor({ state: 'hidden', timeout: patience });
    assert.is((await control.server('web', 's2')).state, 'up');

    const again = await order(page, 'web', 's2', 'Drain');
    await again.getByLabel('Where').selectOption('web');
    await again.getByRole('button', { name: 'Drain', exact: true }).click();
    await shows(page, 'web', 's2', 'state', 'draining');
    await shows(page, 'dns', 's2', 'state', 'up');
    assert.is((await control.server('dns', 's2')).state, 'up');
    await shows(page, 'web', 's2', 'share', /^0\.0 %|weight/);
    const section = page.locator('[data-service="web"]');
    await section
      .getByText(/A change is under way: \d+ slots \(33\.\d %\) keep their old connections/)
      .waitFor({ timeout: patience });
    await section
      .getByText(/s2 had \S+ ?k? packets of old connections, the last \d s ago/)
      .waitFor({ timeout: patience });
    await page.getByRole('log').getByText('web/s2: draining').first().waitFor({ timeout: patience });
    assert.is(load.openByServer().get('s2'), open, 'its connections live on');
    assert.equal(load.breaks, []);
  });
  // Its connections have ended; `idle_timeout` later it has none.
  await shows(page, 'web', 's2', 'state', 'drained');
  await page.getByRole('log').getByText('no old connections are kept any more').first().waitFor({ timeout: patience });
  const back = await order(page, 'web', 's2', 'Back to automatic');
  await back.getByRole('button', { name: 'Back to automatic' }).click();
  await shows(page, 'web', 's2', 'state', /^up/);
  await shows(page, 'web', 's2', 'share', 'weight 100');
}

async function failsOver({ page, site, lab, control }: Scene): Promise<void> {
  await site.open(page, 'status');
  await withTraffic(lab, async (load) => {
    const open = load.openByServer().get('s1') ?? 0;
    const asked = await order(page, 'web', 's1', 'Fail over');
    const text = (await asked.textContent()) ?? '';
    assert.match(text, 'Its open connections break: the next packet of each reaches another server, which resets it.');
    assert.match(text, /Its clients, 33\.\d % of all, are spread evenly over the other servers/);
    await asked.getByRole('button', { name: 'Fail over', exact: true }).click();
    await shows(page, 'web', 's1', 'state', 'down');
    await shows(page, 'dns', 's1', 'state', 'down');
    await load.until('the broken connections', patience, () => load.breaks.length === open);
    assert.ok(load.breaks.every(({ server }) => server === 's1'));
  });
  const last = await order(page, 'dns', 's2', 'Fail over');
  assert.match(
    (await last.textContent()) ?? '',
    'No other server is up: packets go on to all servers as if they were up.',
  );
  await last.getByRole('button', { name: 'Cancel' }).click();
  const back = await order(page, 'web', 's1', 'Back to automatic');
  await back.getByRole('button', { name: 'Back to automatic' }).click();
  await shows(page, 'web', 's1', 'state', /^up/);
  await shows(page, 'dns', 's1', 'state', /^up/);
  assert.is((await control.server('web', 's1')).state, 'up');
}

async function weighs({ page, site, control }: Scene): Promise<void> {
  const before = site.configText();
  await site.open(page, 'status');
  const asked = await order(page, 'web', 's3', 'Weight');
  const weight = asked.getByLabel('Weight');
  await weight.fill('200');
  await asked.getByText('Its share becomes about 50.0 %.').waitFor({ timeout: patience });
  await weight.fill('1001');
  await asked.getByRole('button', { name: 'Set weight' }).click();
  await asked.getByRole('alert').getByText('A weight is a whole number from 0 to 1000.').waitFor({ timeout: patience });
  assert.is((await control.server('web', 's3')).weight, 100);
  await weight.fill('200');
  await asked.getByRole('button', { name: 'Set weight' }).click();
  await shows(page, 'web', 's3', 'share', 'weight 200');
  await serverRow(page, 'web', 's3').getByTitle('50.0 %').waitFor({ timeout: patience });
  assert.is((await control.server('web', 's3')).weight, 200);
  assert.is(site.configText(), before, 'nothing is written unless told');
  await page.getByRole('log').getByText('web/s3: weight 100 → 200').first().waitFor({ timeout: patience });

  const again = await order(page, 'web', 's3', 'Weight');
  await again.getByLabel('Weight').fill('100');
  await again.getByLabel(/Write it to the configuration/).check();
  await again.getByRole('button', { name: 'Set weight' }).click();
  await shows(page, 'web', 's3', 'share', 'weight 100');
  assert.match(site.configText(), /config server 's3'[^]*\toption weight '100'/);
}

async function usesKeyboard({ page, site, control }: Scene): Promise<void> {
  await site.open(page, 'status');
  const button = serverRow(page, 'web', 's1').getByRole('button', { name: 'Fail over: s1' });
  await button.focus();
  await page.keyboard.press('Enter');
  await dialogue(page).waitFor({ timeout: patience });
  assert.is(await page.evaluate('document.activeElement.textContent'), 'Cancel', 'the harmless answer has the focus');
  await page.keyboard.press('Escape');
  await dialogue(page).waitFor({ state: 'hidden', timeout: patience });
  assert.is(await page.evaluate('document.activeElement.getAttribute("aria-label")'), 'Fail over: s1');
  assert.is((await control.server('web', 's1')).state, 'up');
  // What has the focus keeps it while the page is brought up to date.
  const since = serverRow(page, 'web', 's1').locator('[data-name="state"]');
  const text = (await since.textContent()) ?? '';
  await eventually(
    'another look at the daemon',
    patience,
    async () => (await since.textContent()) !== text || undefined,
  );
  assert.is(await page.evaluate('document.activeElement.getAttribute("aria-label")'), 'Fail over: s1');
}

async function simulates({ page, site, control }: Scene): Promise<void> {
  await site.open(page, 'status');
  const field = page.getByLabel('Client', { exact: true });
  const answers = page.locator('dl');
  for (const client of [wanClient(4, 1), wanClient(4, 77_777), wanClient(6, 5)]) {
    const { services } = (await control.order('simulate', { client })) as unknown as {
      services: Record<string, { server: string; slot: number; why: string[] }>;
    };
    await field.fill(client);
    await field.press('Enter');
    for (const [service, { server, slot, why }] of Object.entries(services)) {
      await answers.getByText(`${service}: ${server} (slot ${slot})`).waitFor({ timeout: patience });
      for (const reason of why) await answers.getByText(reason).first().waitFor({ timeout: patience });
    }
  }
  await field.fill('192.0.2');
  await page.getByRole('button', { name: 'Ask' }).click();
  await page.getByText('This is no address of a client.').waitFor({ timeout: patience });
}

async function dies({ page, site, lab, control }: Scene): Promise<void> {
  await site.open(page, 'status');
  const programs = lab.programs[2];
  if (!programs) throw new Error('three servers are needed');
  await killServer(programs);
  try {
    await shows(page, 'web', 's3', 'state', 'down');
    const { reason } = await control.server('web', 's3');
    await shows(page, 'web', 's3', 'state', reason);
    await page
      .getByRole('log')
      .getByText(/web\/s3: down – ./)
      .first()
      .waitFor({ timeout: patience });
  } finally {
    await restartServer(programs);
  }
  await shows(page, 'web', 's3', 'state', /^up/);
}

async function quotes({ page, site, control }: Scene): Promise<void> {
  const reason = '<img src="/nowhere" onerror="document.title = `owned`"><b>';
  await site.open(page, 'status');
  await control.order('set_server', { server: 's1', state: 'down', reason });
  await shows(page, 'web', 's1', 'state', reason);
  await page.getByRole('log').getByText(reason).first().waitFor({ timeout: patience });
  assert.is(await page.locator('[data-server] img, [data-server] b, li img').count(), 0);
  assert.is.not(await page.title(), 'owned');
  await control.order('set_server', { server: 's1', state: 'auto' });
  await shows(page, 'web', 's1', 'state', /^up/);
}

async function overlooks({ page, site, control }: Scene): Promise<void> {
  await site.open(page, 'overview');
  const row = page.getByRole('row').filter({ hasText: 'web' });
  await row.getByText('3 of 3 up').waitFor({ timeout: patience });
  await control.order('set_server', { server: 's3', state: 'down', reason: 'test' });
  await row.getByText('2 of 3 up').waitFor({ timeout: patience });
  await row.getByText('s3').waitFor({ timeout: patience });
  await control.order('set_server', { server: 's3', state: 'auto' });
  await row.getByText('3 of 3 up').waitFor({ timeout: patience });
}
