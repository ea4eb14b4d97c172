import type { Locator, Page } from 'playwright-core';
import * as assert from 'uvu/assert';
import { eventually } from '../lab/scenario.ts';
import { dialogue, patience } from './scene.ts';
import type { Scene, Step } from './scene.ts';

/** What somebody does with the configuration page. */
export const configSteps: readonly Step[] = [
  { name: 'all sections are there, and the daemon has nothing to say against them', run: looks },
  { name: 'a weight: refused while it is none, then saved, applied and in force', run: edits },
  { name: 'what does not go together: the words of the daemon, and nothing is applied', run: contradicts },
  { name: 'a new server: its name is checked, and it serves', run: adds },
];

function grid(page: Page, type: string): Locator {
  return page.locator(`#cbi-oneip-${type}`);
}

async function openSection(page: Page, type: string, name: string): Promise<Locator> {
  await grid(page, type).locator(`[data-sid="${name}"]`).getByRole('button', { name: 'Edit' }).click();
  const opened = dialogue(page);
  await opened.getByRole('button', { name: 'Save' }).waitFor({ timeout: patience });
  return opened;
}

async function closeBySaving(page: Page): Promise<void> {
  await dialogue(page).getByRole('button', { name: 'Save' }).click();
  await dialogue(page).waitFor({ state: 'hidden', timeout: patience });
}

async function apply({ page }: Scene): Promise<void> {
  await page.locator('.cbi-page-actions').getByText('Save & Apply').click();
}

/** What the daemon has to say about what is in the forms. */
function verdict(page: Page): Locator {
  return page.getByRole('status', { name: 'Verdict of the daemon' }).first();
}

/** Waits until the daemon has a server's weight, and the page has come back from applying. */
async function inForce({ page, site, control }: Scene, server: string, weight: number): Promise<void> {
  const has = async () => {
    const { services } = await control.status('web');
    return services['web']?.servers[server]?.weight === weight || undefined;
  };
  await eventually(`weight ${weight} of ${server} in force`, 30_000, has);
  await page.getByText(/Configuration changes applied/).waitFor({ timeout: patience });
  await site.open(page, 'config');
}

async function looks({ page, site }: Scene): Promise<void> {
  await site.open(page, 'config');
  const rows = async (type: string) => {
    const found = grid(page, type).locator('.cbi-section-table-row');
    await found.first().waitFor({ timeout: patience });
    return Promise.all((await found.all()).map((row) => row.getAttribute('data-sid')));
  };
  assert.equal(await rows('service'), ['web', 'dns']);
  assert.equal(await rows('server'), ['s1', 's2', 's3']);
  assert.equal(await rows('watchdog'), ['alive']);
  assert.match((await grid(page, 'server').locator('[data-sid="s1"]').textContent()) ?? '', '192.168.1.11');
  assert.is(((await verdict(page).textContent()) ?? '').trim(), '');
  const opened = await openSection(page, 'service', 'web');
  await opened.getByText('Where the servers live').waitFor({ timeout: patience });
  assert.is(await opened.getByLabel('Protocol').inputValue(), 'tcp');
  await opened.getByRole('button', { name: 'Dismiss' }).click();
}

async function edits(scene: Scene): Promise<void> {
  const { page, site, control } = scene;
  await site.open(page, 'config');
  const opened = await openSection(page, 'server', 's3');
  const weight = opened.getByLabel('Weight');
  await weight.fill('1001');
  await weight.blur();
  await opened.locator('.cbi-input-invalid').waitFor({ timeout: patience });
  await opened.getByRole('button', { name: 'Save' }).click();
  await weight.waitFor({ timeout: patience });
  assert.is(await weight.inputValue(), '1001', 'the dialogue stays');
  await weight.fill('50');
  await weight.blur();
  await closeBySaving(page);
  await grid(page, 'server')
    .locator('[data-sid="s3"] [data-name="weight"]')
    .filter({ hasText: '50' })
    .waitFor({ timeout: patience });
  assert.is((await control.server('web', 's3')).weight, 100, 'nothing is in force before it is applied');
  await apply(scene);
  await inForce(scene, 's3', 50);
  assert.match(site.configText(), /config server 's3'[^]*\toption weight '50'/);

  const again = await openSection(page, 'server', 's3');
  await again.getByLabel('Weight').fill('100');
  await closeBySaving(page);
  await apply(scene);
  await inForce(scene, 's3', 100);
}

async function contradicts(scene: Scene): Promise<void> {
  const { page, site, lab, control } = scene;
  const before = site.configText();
  await site.open(page, 'config');
  const opened = await openSection(page, 'server', 's3');
  const [ghost = ''] = lab.ghosts;
  const own = lab.servers[2]?.address[4] ?? '';
  await opened.getByLabel('IPv4 address').fill(ghost);
  await closeBySaving(page);

  const text = before.replace(`'${own}'`, `'${ghost}'`);
  const reply = await control.order('check', { config: text });
  const problems = reply['problems'] as unknown as { severity: string; message: string }[];
  assert.ok(problems.some(({ severity }) => severity === 'error'));
  for (const { message } of problems) await verdict(page).getByText(message).first().waitFor({ timeout: patience });
  await verdict(page).getByText('The daemon would refuse this configuration').waitFor({ timeout: patience });

  await apply(scene);
  await dialogue(page).getByRole('heading', { name: 'Not applied' }).waitFor({ timeout: patience });
  await dialogue(page).getByRole('button', { name: 'Back' }).click();
  assert.is(site.configText(), before);

  const again = await openSection(page, 'server', 's3');
  await again.getByLabel('IPv4 address').fill(own);
  await closeBySaving(page);
  await eventually(
    'silence of the daemon',
    patience,
    async () => ((await verdict(page).textContent()) ?? '').trim() === '' || undefined,
  );
}

async function adds(scene: Scene): Promise<void> {
  const { page, site, control } = scene;
  await site.open(page, 'config');
  const servers = grid(page, 'server');
  const name = servers.getByLabel('Name of a new server');
  for (const wrong of ['Web', 'web', 'a-b', 'x'.repeat(33)]) {
    await name.fill(wrong);
    await name.press('End');
    await servers.locator('.cbi-section-create-name.cbi-input-invalid').waitFor({ timeout: patience });
  }
  await name.fill('s9');
  await name.press('End');
  await servers.getByRole('button', { name: 'Add' }).click();
  const opened = dialogue(page);
  await opened.getByLabel('IPv4 address').fill('192.168.1.99');
  await closeBySaving(page);
  await servers.locator('[data-sid="s9"]').waitFor({ timeout: patience });
  await verdict(page)
    .getByText(/no service/)
    .first()
    .waitFor({ timeout: patience });
  await servers.locator('[data-sid="s9"]').getByRole('button', { name: 'Delete' }).click();
  await servers.locator('[data-sid="s9"]').waitFor({ state: 'detached', timeout: patience });
  assert.equal(Object.keys((await control.service('web')).servers), ['s1', 's2', 's3']);
}
