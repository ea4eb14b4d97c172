import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadConfiguration } from '../../../src/config/validate.ts';
import { ghostPlaces, wanClient } from '../../lab/addresses.ts';
import { httpGet, url } from '../../lab/http.ts';
import type { Lab } from '../../lab/lab.ts';
import { oneipProgram } from '../../lab/paths.ts';
import { ServerScript } from '../../lab/server-programs.ts';
import { setupAddress as own, untouched, withRouter } from '../../lab/setup-router.ts';
import type { TopologyOptions } from '../../lab/topology.ts';
import { Bridge, origin } from '../bridge.ts';
import { openTab, screens, startBrowser } from '../browser.ts';
import { patience } from '../scene.ts';

// The page that sets a service up, in headless Chromium, with rpcd's plugin, the program and the daemon behind it.

interface Scene {
  readonly page: Page;
  readonly lab: Lab;
  readonly bridge: Bridge;
  /** The configuration file as it is. */
  written(): string;
  open(): Promise<void>;
}

const test = suite('setup');
const firewall = { mark: 0x6f690000, mask: 0xffff0000 };
const plugin = join(process.env['ONEIP_ROOT'] ?? '', 'files/usr/libexec/rpcd/oneip.setup');
let browser: Browser | undefined;

test.before(async () => {
  browser = await startBrowser();
});
test.after(() => browser?.close());

/** What rpcd does with a call: it starts the plugin as root of the router, and reads what that prints. */
function callPlugin({ router, folder, daemon }: Lab): (method: string, args: object) => Promise<unknown> {
  const { configFile, stateFolder, ubusSocket } = daemon;
  const bin = join(folder, 'bin');
  const places = `--config ${configFile} --state ${stateFolder} --ubus ${ubusSocket}`;
  mkdirSync(bin);
  writeFileSync(join(bin, 'oneip'), `#!/bin/sh\nexec ${oneipProgram} "$@" ${places}\n`);
  chmodSync(join(bin, 'oneip'), 0o755);
  return async (method, args) => {
    const command = ['env', `PATH=${bin}:${process.env['PATH'] ?? ''}`, plugin, 'call', method];
    const { stdout, stderr } = await router.attempt(command, JSON.stringify({ ...args, ubus_rpc_session: '0' }));
    assert.is(stderr, '', method);
    return JSON.parse(stdout);
  };
}

/** Somebody with a tab of their own, which must have had no errors when `body` has ended. */
async function visit(
  body: (scene: Scene) => Promise<void>,
  options: TopologyOptions = { firewall },
  config = untouched,
  screen: keyof typeof screens = 'desk',
): Promise<void> {
  await withRouter(options, config, async (lab, bus) => {
    if (!browser) throw new Error('there is no browser');
    const { configFile } = lab.daemon;
    const written = () => readFileSync(configFile, 'utf8');
    const client = bus.client();
    const bridge = new Bridge({
      ...{ bus: client, configFile, applied: () => lab.daemon.reload(written()), plugin: callPlugin(lab) },
    });
    const { page, errors } = await openTab(browser, bridge, screen);
    const open = async () => {
      await page.goto(`${origin}/setup`);
      await page.getByRole('heading', { name: 'Set up a service' }).waitFor({ timeout: patience });
    };
    try {
      await open();
      await body({ page, lab, bridge, written, open });
      assert.equal(errors, []);
    } catch (error) {
      if (error instanceof Error && errors.length > 0) error.message += `\nErrors of scripts: ${errors.join('; ')}`;
      throw error;
    } finally {
      await page.context().close();
      client.close();
    }
  });
}

/** Waits for a part of the dialogue, to whose head the focus has gone. */
async function arrives(page: Page, title: string): Promise<void> {
  await page.getByRole('heading', { name: title }).waitFor({ timeout: patience });
  await page.waitForFunction(`document.activeElement.textContent === ${JSON.stringify(title)}`, undefined, {
    timeout: patience,
  });
}

const press = (page: Page, name: string) => page.getByRole('button', { name, exact: true }).click();

const titles = [
  '2. Which are the servers?',
  '3. What do clients connect to?',
  '4. How do packets get to the servers?',
  'To be written',
] as const;

/** Takes what is proposed from one of the questions, 2 to 4, up to another, or to the proposal. */
async function advance(page: Page, from: number, to: number): Promise<void> {
  for (let question = from; question < to; question++) {
    await press(page, 'Next');
    await arrives(page, titles[question - 1] ?? '');
  }
}

/** Goes by what is proposed as far as the servers that were found. */
async function findServers(page: Page): Promise<void> {
  await press(page, 'Find servers');
  await page.getByText('These accept connections on port 80:').waitFor({ timeout: patience });
  await arrives(page, '2. Which are the servers?');
}

/** What the proposal says would be written. */
async function proposal(page: Page): Promise<string> {
  await arrives(page, 'To be written');
  return page.getByLabel('Sections of the configuration').inputValue();
}

test('whoever goes by what is proposed has a service by translation, and sees a page arrive', () =>
  visit(async ({ page, lab, written }) => {
    assert.is(await page.getByLabel('Port', { exact: true }).inputValue(), '80');
    assert.is(await page.getByLabel('Where the servers live').inputValue(), 'lan');
    await findServers(page);
    for (const { address } of lab.servers) assert.ok(await page.getByLabel(address[4]).isChecked());
    await advance(page, 2, 3);
    assert.is(await page.getByLabel('Address of the service').inputValue(), 'wan');
    await advance(page, 3, 4);
    assert.ok(await page.getByLabel('Translated (nat)').isChecked());
    await advance(page, 4, 5);
    const shown = await proposal(page);
    assert.is(written(), untouched);
    await press(page, 'Write it, and put it into force');
    await arrives(page, 'It works');
    assert.is(written(), `${untouched}\n${shown}\n`);
    await page.getByText(`${own}:80: status 200`).waitFor({ timeout: patience });
    await page.getByText('Nothing is wrong.').waitFor({ timeout: patience });
    const [web] = loadConfiguration(written(), 'oneip').model.services;
    assert.equal([web?.dispatch, web?.ghostInterfaces, web?.sources], ['nat', ['wan'], ['wan', 'lan']]);
    const servers = new Set<string>();
    for (let number = 0; number < 16; number++)
      servers.add((await httpGet(lab.wan, wanClient(4, number * 37), url(own))).server);
    assert.equal([...servers].sort(), ['s1', 's2']);
    await press(page, 'Test again');
    await page.getByText('A request is sent').waitFor({ timeout: patience });
    await arrives(page, 'It works');
    await page.route('**/admin/**', (route) => route.fulfill({ contentType: 'text/html', body: 'there' }));
    await press(page, 'Status');
    await page.waitForURL(`${origin}/admin/services/oneip/status`);
  }));

test('direct return: each script is copied, run on its server, and clients are answered directly', () =>
  visit(async ({ page, lab, written }) => {
    const routed = ghostPlaces.elsewhere[4];
    await findServers(page);
    await advance(page, 2, 3);
    await page.getByLabel('Address of the service').selectOption({ label: 'an address…' });
    await page.getByLabel('Addresses').fill('nonsense');
    await press(page, 'Next');
    const complaint = "'nonsense' is neither an interface of this router that is up nor an address.";
    await page.getByRole('alert').getByText(complaint).waitFor({ timeout: patience });
    assert.is(await page.getByLabel('Addresses').getAttribute('aria-invalid'), 'true');
    await page.getByLabel('Addresses').fill(routed);
    await page.keyboard.press('Enter');
    await page.getByLabel('Direct return (route)').check();
    await press(page, 'Next');
    const shown = await proposal(page);
    assert.match(shown, "option dispatch 'route'");
    assert.is(written(), untouched);
    await press(page, 'Write it, and put it into force');
    await arrives(page, 'Set up the servers');
    const [web] = loadConfiguration(written(), 'oneip').model.services;
    for (const { name = '', address } of web?.servers ?? []) {
      await page.getByRole('button', { name: `Copy the script for ${name}` }).click();
      await page.getByText('Copied.').first().waitFor({ timeout: patience });
      const text = await page.getByLabel(`Script for ${name}`, { exact: true }).inputValue();
      await page.evaluate(`document.body.append(Object.assign(document.createElement('textarea'), { id: 'pasted' }))`);
      await page.locator('#pasted').focus();
      await page.keyboard.press('Control+V');
      assert.is(await page.locator('#pasted').inputValue(), text);
      await page.evaluate(`document.getElementById('pasted').remove()`);
      await page.getByText(`oneip server-script ${name} | ssh root@${address?.text ?? ''} sh -s start`).waitFor();
      const server = lab.servers.find((each) => each.address[4] === address?.text);
      if (!server) throw new Error(`${name} is none of the lab's`);
      await ServerScript.of(lab, server, text, ['sh']).done('start');
    }
    await press(page, 'That is done: test it');
    await arrives(page, 'It works');
    for (const { name } of web?.servers ?? [])
      await page.getByText(`${routed}:80 → ${name}: status 200`).waitFor({ timeout: patience });
    const answer = await httpGet(lab.wan, wanClient(4, 91), url(routed));
    assert.equal([answer.status, answer.client], [200, wanClient(4, 91)]);
  }));

test('direct return to servers that nobody has set up: what fails is said, and can be tested again', () =>
  visit(async ({ page }) => {
    await findServers(page);
    await advance(page, 2, 4);
    await page.getByLabel('Direct return (route)').check();
    await advance(page, 4, 5);
    await press(page, 'Write it, and put it into force');
    await arrives(page, 'Set up the servers');
    await press(page, 'That is done: test it');
    await arrives(page, 'It does not work yet');
    await page.getByText(/→ server_11: failed, /).waitFor({ timeout: patience });
    await page.getByText('but something is wrong').waitFor({ timeout: patience });
  }));

test('no server is found: it says so, and takes addresses', () =>
  visit(async ({ page, lab, written }) => {
    await page.getByLabel('Port', { exact: true }).fill('99999');
    await press(page, 'Find servers');
    await page.getByRole('alert').getByText("'99999' is no port; accepted: ").waitFor({ timeout: patience });
    await page.getByLabel('Port', { exact: true }).fill('53/udp');
    await press(page, 'Find servers');
    await page.getByText('Who serves UDP cannot be seen.').waitFor({ timeout: patience });
    await page.getByText('Other hosts: 3').waitFor({ timeout: patience });
    await press(page, 'Back');
    await page.getByLabel('Port', { exact: true }).fill('81');
    await press(page, 'Find servers');
    await page.getByText('On lan no host accepts connections on port 81 (3 looked at).').waitFor({ timeout: patience });
    await press(page, 'Next');
    await page.getByRole('alert').getByText('There has to be a server').waitFor({ timeout: patience });
    const [first, second] = lab.servers;
    await page.getByText('Other hosts: 3').click();
    await page.getByLabel(first?.address[4] ?? '').check();
    await page.getByLabel('Others').fill(`shelf=${second?.address[4] ?? ''}`);
    await advance(page, 2, 5);
    const shown = await proposal(page);
    assert.match(shown, /config server 'server_11'/);
    assert.match(shown, /config server 'shelf'\n\tlist service 'port_81'\n\toption address '192\.168\.1\.12'/);
    await press(page, 'Write it, and put it into force');
    await arrives(page, 'It does not work yet');
    assert.match(written(), "config server 'shelf'");
    await page.getByText(`${own}:81: failed, `).waitFor({ timeout: patience });
  }));

test('cancelled at any point, or gone back: nothing is changed', () =>
  visit(async ({ page, lab, written, bridge }) => {
    // A large network, which takes several calls.
    await lab.router.ip(['address add 10.9.0.1/22 dev br-lan']);
    await press(page, 'Find servers');
    await page.getByText(/Looking for hosts on lan… [2-8]0 %/).waitFor({ timeout: patience });
    await press(page, 'Cancel');
    await page.getByText('Cancelled. Nothing has been changed.').waitFor({ timeout: patience });
    assert.ok(bridge.calls.filter((call) => call === 'oneip.setup find').length < 5);
    await lab.router.ip(['address del 10.9.0.1/22 dev br-lan']);
    await findServers(page);
    await advance(page, 2, 5);
    for (const title of [titles[2], titles[1]]) {
      await press(page, 'Back');
      await arrives(page, title);
    }
    await press(page, 'Cancel');
    await arrives(page, '1. What is served?');
    assert.is(written(), untouched);
    assert.not.ok(bridge.calls.includes('oneip.setup write'));
  }));

test('a search that fails after it was cancelled is not heard of any more', () =>
  visit(async ({ page }) => {
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    await page.route('**/ubus/**', async (route) => {
      if (!(route.request().postData() ?? '').includes('"find"')) return route.fallback();
      await held;
      return route.fulfill({ contentType: 'application/json', body: '{"jsonrpc":"2.0","id":1,"result":[7]}' });
    });
    const answered = page.waitForResponse((response) => (response.request().postData() ?? '').includes('"find"'));
    await press(page, 'Find servers');
    await press(page, 'Cancel');
    const notice = page.getByText('Cancelled. Nothing has been changed.');
    await notice.waitFor({ timeout: patience });
    release();
    await (await answered).finished();
    // Whatever the page makes of the answer is made before it has drawn twice.
    await page.evaluate('new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))');
    assert.is(await notice.count(), 1);
  }));

test('a service that is there is replaced only if somebody says so, and what changes meanwhile is not overwritten', () =>
  visit(
    async ({ page, lab, written }) => {
      const before = written();
      await findServers(page);
      await advance(page, 2, 5);
      await page.getByText('The daemon would refuse this configuration').waitFor({ timeout: patience });
      assert.is(await page.getByRole('button', { name: 'Write it, and put it into force' }).count(), 0);
      await page.getByLabel('Replace the service web, which is there already').check();
      await page.getByRole('button', { name: 'Write it, and put it into force' }).waitFor({ timeout: patience });
      assert.match(await proposal(page), "config service 'web'\n");
      assert.is(written(), before);
      // Somebody else takes a name that was shown.
      const changed = `${before}\nconfig watchdog 'alive'\n\toption type 'ping'\n\tlist service 'other'\n`;
      writeFileSync(lab.daemon.configFile, changed);
      await press(page, 'Write it, and put it into force');
      await arrives(page, 'Nothing was written');
      await page.getByText('The proposal has become another since it was shown.').waitFor({ timeout: patience });
      assert.is(written(), changed);
      await press(page, 'Begin anew');
      await page.getByLabel('Port', { exact: true }).waitFor({ timeout: patience });
    },
    {},
    `${untouched}
config service 'web'
	list ghost_interface 'wan'
	list port '80'
	list source 'wan'
	list source 'lan'
	option device 'lan'
	option dispatch 'nat'

config server 'old'
	list service 'web'
	option address '192.168.1.11'
`,
  ));

test('who may only look is told so, is offered nothing, and is refused', () =>
  visit(async ({ page, bridge, open }) => {
    bridge.readonly = true;
    await open();
    await page
      .getByText('Your session may look at the configuration, but not change it.')
      .waitFor({ timeout: patience });
    assert.is(await page.locator('#view :is(button, input)').count(), 0);
    for (const method of ['propose', 'find', 'draft', 'write', 'scripts', 'prove']) {
      const refused = await page.evaluate(`fetch('/ubus/', { method: 'POST', body: JSON.stringify({
        jsonrpc: '2.0', id: 1, method: 'call', params: ['', 'oneip.setup', '${method}', {}],
      }) }).then((reply) => reply.json())`);
      assert.is((refused as { error?: { code: number } }).error?.code, -32002, method);
    }
  }));

test('without oneip-tools the page names the package', () =>
  visit(async ({ page, bridge, open }) => {
    bridge.withoutPlugin = true;
    await open();
    await page
      .getByRole('alert')
      .getByText(/The package oneip-tools, which has this assistant, is not installed/)
      .waitFor({ timeout: patience });
    await page.getByRole('link', { name: 'Configuration' }).waitFor({ timeout: patience });
  }));

test('no daemon runs: the file is written, and it is said what is missing', () =>
  visit(async ({ page, lab, written }) => {
    assert.is(await lab.daemon.stop(), 0);
    await findServers(page);
    await advance(page, 2, 5);
    const shown = await proposal(page);
    await press(page, 'Write it, and put it into force');
    await arrives(page, 'Not in force');
    await page.getByText(/ is written, but no daemon runs/).waitFor({ timeout: patience });
    assert.is(written(), `${untouched}\n${shown}\n`);
  }));

test('the status page leads here while there is no service', () =>
  visit(async ({ page }) => {
    await page.goto(`${origin}/status`);
    const link = page.getByRole('link', { name: 'Set up a service' });
    await link.waitFor({ timeout: patience });
    assert.is(await link.getAttribute('href'), '/admin/services/oneip/setup');
  }));

test('by keyboard alone, on a phone: nothing is wider than the screen, and all has a name', () =>
  visit(
    async ({ page }) => {
      const judge = async (what: string) => {
        assert.is(await page.evaluate('document.documentElement.scrollWidth'), screens.phone.width, what);
        const nameless = await page.evaluate(`[...document.querySelectorAll('button, input, select, textarea')]
          .filter((node) => !(node.getAttribute('aria-label') || node.textContent.trim() || node.labels?.length))
          .map((node) => node.outerHTML)`);
        assert.equal(nameless, [], what);
      };
      await page.getByLabel('Port', { exact: true }).focus();
      await judge('port');
      await page.keyboard.press('Enter');
      await page.getByText('These accept connections on port 80:').waitFor({ timeout: patience });
      await judge('servers');
      for (const [label, title] of [
        ['Others', titles[1]],
        ['Address of the service', titles[2]],
        ['Translated (nat)', titles[3]],
      ] as const) {
        await page.getByLabel(label).focus();
        if (label === 'Address of the service') await page.getByRole('button', { name: 'Next' }).focus();
        await page.keyboard.press('Enter');
        await arrives(page, title);
        await judge(title);
      }
      await page.getByRole('button', { name: 'Write it, and put it into force' }).focus();
      await page.keyboard.press('Enter');
      await arrives(page, 'It works');
      await judge('result');
    },
    { firewall },
    untouched,
    'phone',
  ));

test.run();
