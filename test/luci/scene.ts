import type { Locator, Page } from 'playwright-core';
import { wanClient } from '../lab/addresses.ts';
import type { ControlClient } from '../lab/control-client.ts';
import type { Lab } from '../lab/lab.ts';
import { configuration } from '../lab/scenario.ts';
import { TrafficLoad } from '../lab/traffic-load.ts';

/** Longest time in milliseconds until a page shows what has happened: two of its looks, and what a busy machine takes. */
export const patience = 15_000;

/** Where the pages are served: by the stand-in, or by LuCI. */
export interface Site {
  /** Opens a page; resolves when it shows something. */
  open(page: Page, name: 'status' | 'config' | 'overview' | 'setup'): Promise<void>;
  /** The configuration file, as the daemon reads it. */
  configText(): string;
}

/** Somebody before a page, and the daemon behind it. */
export interface Scene {
  readonly page: Page;
  readonly site: Site;
  readonly lab: Lab;
  readonly control: ControlClient;
}

/** Something that somebody does with a page. Each begins and ends with all servers up, by the configuration of `luciConfiguration`. */
export interface Step {
  readonly name: string;
  run(scene: Scene): Promise<void>;
}

/** Two services on one ghost: `web` with three servers, which are watched, and `dns` with two of them. */
export function luciConfiguration(lab: Lab): string {
  const changes = { source: ['wan'], idle_timeout: '2s', learn_time: '0s' };
  const services = configuration(lab, {
    web: { servers: ['s1', 's2', 's3'], options: { ...changes, proto: 'tcp', port: [80, 7000] } },
    dns: { servers: ['s1', 's2'], options: { ...changes, proto: 'udp', port: [7000] } },
  });
  return `${services}config watchdog 'alive'\n\toption type 'tcp'\n\tlist service 'web'\n\toption interval '500ms'\n`;
}

/** The row of a server on the status page. */
export function serverRow(page: Page, service: string, server: string): Locator {
  return page.locator(`[data-service="${service}"] [data-server="${server}"]`);
}

/** A dialogue that is open. */
export function dialogue(page: Page): Locator {
  return page.locator('.modal-overlay-active .modal');
}

/** Clicks the button of an order in a server's row; resolves with the dialogue that asks. */
export async function order(page: Page, service: string, server: string, label: string): Promise<Locator> {
  await serverRow(page, service, server)
    .getByRole('button', { name: `${label}: ${server}` })
    .click();
  const asked = dialogue(page);
  await asked.getByRole('heading', { name: `${label}: ${server}` }).waitFor({ timeout: patience });
  return asked;
}

/** Resolves when a server's row shows a text in one of its cells. */
export async function shows(
  page: Page,
  service: string,
  server: string,
  cell: string,
  text: string | RegExp,
): Promise<void> {
  const found = serverRow(page, service, server).locator(`[data-name="${cell}"]`).filter({ hasText: text });
  await found.waitFor({ timeout: patience });
}

/** Runs a body while connections to `web` are open and talk: two to each of its servers at least. */
export async function withTraffic(lab: Lab, body: (load: TrafficLoad) => Promise<void>): Promise<void> {
  const load = new TrafficLoad(lab.wan);
  try {
    for (let number = 0; number < 24; number += 1) {
      const source = wanClient(4, number * 4099);
      load.hold({ protocol: 'tcp', source, destination: lab.ghosts[0] ?? '', port: 7000, period: 200 });
    }
    await load.allOpen(patience);
    await body(load);
  } finally {
    await load.end();
  }
}
