import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import type playwright from 'playwright-core';
import { buildFolder } from '../lab/paths.ts';
import { origin, type Bridge } from './bridge.ts';

// It loads parts of itself by name, which a bundle does not have.
const { chromium } = createRequire(join(process.env['ONEIP_ROOT'] ?? '', 'package.json'))(
  'playwright-core',
) as typeof playwright;

const program = process.env['CHROMIUM'] ?? '/usr/bin/chromium';

/** A desk, and the width of a phone. */
export const screens = {
  desk: { width: 1200, height: 900 },
  phone: { width: 390, height: 844 },
} as const;

/** Starts a headless Chromium in a network namespace of its own, in which there is nobody. */
export async function startBrowser(): Promise<Browser> {
  const folder = join(buildFolder, 'test/bin');
  mkdirSync(folder, { recursive: true });
  const alone = join(folder, 'chromium-alone');
  writeFileSync(alone, `#!/bin/sh\nexec unshare --net ${program} "$@"\n`);
  chmodSync(alone, 0o755);
  return chromium.launch({ executablePath: alone, args: ['--no-sandbox', '--disable-gpu'] });
}

/** A tab in which every request is answered by the bridge. Errors of scripts are in `errors`. */
export async function openTab(
  browser: Browser,
  bridge: Bridge,
  screen: keyof typeof screens = 'desk',
): Promise<{ page: Page; errors: string[] }> {
  const isPhone = screen === 'phone';
  const context = await browser.newContext({ viewport: screens[screen], isMobile: isPhone, hasTouch: isPhone });
  const page = await context.newPage();
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text());
  });
  await page.route(`${origin}/**`, async (route) => {
    const request = route.request();
    const { status, type, body } = await bridge.answer(new URL(request.url()), request.postData() ?? '');
    await route.fulfill({ status, contentType: type, body });
  });
  return { page, errors };
}
