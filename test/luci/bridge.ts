import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, normalize } from 'node:path';
import { parseUci } from '../../src/config/uci.ts';
import type { WritableTable } from '../../src/ubus/blobmsg.ts';
import type { UbusClient } from '../../src/ubus/client.ts';
import { UbusError } from '../../src/ubus/status.ts';
import { resources } from './module.ts';

/** Where pages think they are; every request to it is answered by a `Bridge`. */
export const origin = 'http://router.test';

export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

/** A section as rpcd's `uci get` tells it. */
export type Section = Readonly<Record<string, string | readonly string[] | number | boolean>>;

interface Grants {
  readonly ubus?: Readonly<Record<string, readonly string[]>>;
}

export interface BridgeOptions {
  readonly bus: UbusClient;
  /** File that `uci` reads and writes. */
  readonly configFile: string;
  /** Called when staged changes have been written; resolves when the daemon has them. */
  readonly applied: () => Promise<void>;
  /** What an executable plugin of rpcd answers; absent where there is none. */
  readonly plugin?: (method: string, args: object) => Promise<unknown>;
}

const root = process.env['ONEIP_ROOT'] ?? '';
/** The object that oneip-tools adds to rpcd. */
const PLUGIN = 'oneip.setup';
const standin = join(root, 'test/luci/standin');
/** Groups that a session has: what the daemon's package and that of the pages grant. */
const groups = [
  join(root, 'files/usr/share/rpcd/acl.d/oneip.json'),
  join(root, 'openwrt-feed/luci-app-oneip/root/usr/share/rpcd/acl.d/luci-app-oneip.json'),
].flatMap((file) =>
  Object.values(JSON.parse(readFileSync(file, 'utf8')) as Record<string, { read?: Grants; write?: Grants }>),
);
/** What LuCI's own groups grant to everybody who may log in. */
const common = ['uci get', 'session access'];
const commonToWriters = ['uci stage', 'uci apply'];

/**
 * What uhttpd, rpcd and LuCI's dispatcher are to the pages: their files, and calls as JSON-RPC that go to the bus as far as
 * the session may make them. `uci` is rpcd's in small: changes are staged until they are applied.
 */
export class Bridge {
  /** A session that may look only. */
  readonly = false;
  /** rpcd has no executable plugins. */
  withoutPlugin = false;
  /** Calls so far, as `object method`. */
  readonly calls: string[] = [];
  readonly #options: BridgeOptions;
  #staged: readonly Section[] | undefined;

  constructor(options: BridgeOptions) {
    this.#options = options;
  }

  /** True while changes wait to be applied. */
  get hasChanges(): boolean {
    return this.#staged !== undefined;
  }

  /** Drops them. */
  revert(): void {
    this.#staged = undefined;
  }

  async answer(url: URL, body: string): Promise<Answer> {
    const [, folder = '', ...rest] = url.pathname.split('/');
    if (folder === 'ubus') return json(await this.#call(JSON.parse(body) as { id: number; params: unknown[] }));
    if (folder === 'standin') return file(standin, rest.join('/'));
    if (folder === 'resources') return file(resources, rest.join('/'));
    if (['status', 'config', 'overview', 'setup'].includes(folder))
      return { status: 200, type: 'text/html', body: this.#page(folder) };
    return { status: 404, type: 'text/plain', body: '' };
  }

  #page(name: string): string {
    return `<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>oneip</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">
<link rel="stylesheet" href="/standin/theme.css"></head>
<body data-page="${name}" data-readonly="${this.readonly}"><main id="view"></main>
<script type="module" src="/standin/main.js"></script></body></html>`;
  }

  async #call({ id, params }: { id: number; params: unknown[] }): Promise<object> {
    const [, object, method, args] = params as [string, string, string, WritableTable];
    this.calls.push(`${object} ${method}`);
    const failed = (code: number, message: string) => ({ jsonrpc: '2.0', id, error: { code, message } });
    if (!this.#mayCall(object, method)) return failed(-32002, 'Access denied');
    try {
      return { jsonrpc: '2.0', id, result: [0, await this.#invoke(object, method, args)] };
    } catch (error) {
      if (!(error instanceof UbusError)) throw error;
      const isThere = await this.#options.bus.lookup(object).then(
        () => true,
        () => false,
      );
      return isThere ? { jsonrpc: '2.0', id, result: [error.status] } : failed(-32000, 'Object not found');
    }
  }

  #mayCall(object: string, method: string): boolean {
    const isGranted = (grants: Grants | undefined) => grants?.ubus?.[object]?.includes(method) ?? false;
    const call = `${object} ${method}`;
    if (common.includes(call) || groups.some(({ read }) => isGranted(read))) return true;
    return !this.readonly && (commonToWriters.includes(call) || groups.some(({ write }) => isGranted(write)));
  }

  async #invoke(object: string, method: string, args: WritableTable): Promise<unknown> {
    switch (`${object} ${method}`) {
      case 'session access':
        return { access: !this.readonly };
      case 'luci-rpc getNetworkDevices':
        return { lo: {}, 'br-lan': {}, wan: {} };
      case 'uci get':
        return { values: Object.fromEntries(this.#sections().map((section) => [section['.name'], section])) };
      case 'uci stage':
        this.#staged = args['sections'] as unknown as readonly Section[];
        return {};
      case 'uci apply':
        if (this.#staged) writeFileSync(this.#options.configFile, configurationText(this.#staged));
        this.#staged = undefined;
        await this.#options.applied();
        return {};
    }
    const { bus, plugin } = this.#options;
    if (object === PLUGIN && plugin && !this.withoutPlugin) return plugin(method, args);
    return bus.call(object, method, args);
  }

  #sections(): readonly Section[] {
    const { configFile } = this.#options;
    if (this.#staged) return this.#staged.map((section, index) => ({ ...section, '.index': index }));
    return parseUci(readFileSync(configFile, 'utf8'), configFile).sections.map(({ type, name, options }, index) => ({
      ...{ '.type': type, '.name': name ?? `cfg${index}`, '.anonymous': name === undefined, '.index': index },
      ...Object.fromEntries(
        [...options].map(([option, { list, values }]) => {
          const texts = values.map(({ text }) => text);
          return [option, list ? texts : (texts[0] ?? '')];
        }),
      ),
    }));
  }
}

/** What libuci writes for sections; values must not hold single quotes. */
function configurationText(sections: readonly Section[]): string {
  return sections
    .map((section) => {
      const lines = Object.entries(section)
        .filter(([name]) => !name.startsWith('.'))
        .flatMap(([name, value]) =>
          Array.isArray(value)
            ? value.map((item) => `\tlist ${name} '${item}'\n`)
            : [`\toption ${name} '${String(value)}'\n`],
        );
      const name = section['.anonymous'] ? '' : ` '${String(section['.name'])}'`;
      return `\nconfig ${String(section['.type'])}${name}\n${lines.join('')}`;
    })
    .join('');
}

function json(value: object): Answer {
  // A browser takes 64-bit integers for numbers, too.
  const body = JSON.stringify(value, (_, item: unknown) => (typeof item === 'bigint' ? Number(item) : item));
  return { status: 200, type: 'application/json', body };
}

function file(folder: string, name: string): Answer {
  const path = normalize(join(folder, name));
  if (!path.startsWith(folder) || !existsSync(path)) return { status: 404, type: 'text/plain', body: '' };
  const type = path.endsWith('.css') ? 'text/css' : 'text/javascript';
  return { status: 200, type, body: readFileSync(path, 'utf8') };
}
