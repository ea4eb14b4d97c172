import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Folder of the package. */
export const packageFolder = join(process.env['ONEIP_ROOT'] ?? '', 'openwrt-feed/luci-app-oneip');
export const resources = join(packageFolder, 'htdocs/luci-static/resources');

/** A module that another requires, by the name that it has in there. */
export interface Requirement {
  readonly module: string;
  readonly name: string;
}

/** What stands at the head of a module of LuCI: `'require dom';`, `'require oneip.values as values';`. */
export function requirements(source: string): Requirement[] {
  return [...source.matchAll(/^'require ([^' ]+)(?: as ([^']+))?';$/gm)].map(([, module = '', name]) => ({
    module,
    name: name ?? module.replaceAll(/[^a-z]/g, '_'),
  }));
}

/** What modules find besides what they require. */
export interface Surroundings {
  readonly E?: (...args: readonly unknown[]) => unknown;
  readonly L?: object;
}

/**
 * Runs a module of LuCI outside of a browser and returns what it returns: the members that it gives to `extend`. What it
 * requires comes from `modules`, where `baseclass` and `view` are there from the start.
 */
export function loadModule<T>(
  name: string,
  modules: Readonly<Record<string, unknown>> = {},
  { E = () => null, L = {} }: Surroundings = {},
): T {
  const source = readFileSync(join(resources, `${name.replaceAll('.', '/')}.js`), 'utf8');
  const members = { extend: (own: unknown) => own };
  const known: Readonly<Record<string, unknown>> = { baseclass: members, view: members, ...modules };
  const required = requirements(source);
  for (const { module } of required) if (!(module in known)) throw new Error(`${name} requires ${module}`);
  const run = new Function(...required.map((requirement) => requirement.name), 'E', 'L', '_', source);
  return run(...required.map(({ module }) => known[module]), E, L, (text: string) => text) as T;
}

/** LuCI's `'%s of %d'.format(…)`, as far as the modules use it. */
export function installFormat(): void {
  const format = function (this: string, ...values: readonly unknown[]): string {
    let next = 0;
    return this.replace(/%([%sd])/g, (_, kind: string) => (kind === '%' ? '%' : String(values[next++])));
  };
  Object.defineProperty(String.prototype, 'format', { value: format, configurable: true });
}
