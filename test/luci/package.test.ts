import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { gzipSync } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { packageFolder, requirements, resources } from './module.ts';

// What a router gets: that its parts fit together, ask for no more than they need, and stay small.

interface Grants {
  readonly ubus?: Readonly<Record<string, readonly string[]>>;
  readonly uci?: readonly string[];
}
type Groups = Readonly<Record<string, { readonly read?: Grants; readonly write?: Grants }>>;

const root = process.env['ONEIP_ROOT'] ?? '';
const readJson = (path: string) => JSON.parse(readFileSync(path, 'utf8')) as unknown;
const own = readJson(join(packageFolder, 'root/usr/share/rpcd/acl.d/luci-app-oneip.json')) as Groups;
const daemons = readJson(join(root, 'files/usr/share/rpcd/acl.d/oneip.json')) as Groups;
const menu = readJson(join(packageFolder, 'root/usr/share/luci/menu.d/luci-app-oneip.json')) as Record<
  string,
  { action: { type: string; path: string }; depends?: { acl: string[] } }
>;

const scripts = readdirSync(resources, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.js'))
  .map((name) => ({ name, text: readFileSync(join(resources, name), 'utf8') }));

/** Calls that the scripts declare: `object method`. */
const calls = scripts.flatMap(({ text }) =>
  [...text.matchAll(/rpc\.declare\(\{\s*object: '([^']+)',\s*method: '([^']+)'/g)].map(
    ([, object, method]) => `${object} ${method}`,
  ),
);

function granted(groups: Groups, side: 'read' | 'write'): string[] {
  return Object.values(groups).flatMap((group) =>
    Object.entries(group[side]?.ubus ?? {}).flatMap(([object, methods]) =>
      methods.map((method) => `${object} ${method}`),
    ),
  );
}

test('every call of the pages is granted, orders to those only who may write', () => {
  const reading = [...granted(own, 'read'), ...granted(daemons, 'read')];
  const writing = [...granted(own, 'write'), ...granted(daemons, 'write')];
  const orders = ['oneip set_server', 'oneip set_weight', ...calls.filter((call) => call.startsWith('oneip.setup '))];
  assert.ok(calls.length >= 13);
  assert.equal(
    calls.filter((call) => !reading.includes(call) && !orders.includes(call)),
    [],
  );
  for (const order of orders) {
    assert.ok(calls.includes(order) && writing.includes(order), order);
    assert.not.ok(reading.includes(order), order);
  }
});

test('the group of the pages grants what they call and the group of the daemon does not, and nothing else', () => {
  assert.equal(granted(own, 'read').sort(), calls.filter((call) => !/^oneip[. ]/.test(call)).sort());
  assert.equal(granted(own, 'write'), []);
  assert.equal(Object.keys(own), ['luci-app-oneip']);
});

test('what rpcd is told of its plugin is what the pages call, with the same arguments, and what may be granted', () => {
  const plugin = join(root, 'files/usr/libexec/rpcd/oneip.setup');
  const listed = JSON.parse(execFileSync('busybox', ['ash', plugin, 'list'], { encoding: 'utf8' })) as object;
  const script = scripts.find(({ name }) => name === 'view/oneip/setup.js')?.text ?? '';
  const words = (text: string | undefined) => [...(text ?? '').matchAll(/'(\w+)'/g)].map(([, word = '']) => word);
  const answers = words(/const ANSWERS = \[(.*)\];/.exec(script)?.[1]);
  const declared = [
    ...script.matchAll(
      /rpc\.declare\(\{ object: 'oneip\.setup', method: '(\w+)'(?:, params: (ANSWERS|\[.*?\]))?, reject/g,
    ),
  ].map(([, method = '', given = '']): [string, string[]] => [
    method,
    [...(given.includes('ANSWERS') ? answers : []), ...words(given)],
  ]);
  assert.is(answers.length, 7);
  assert.equal(
    Object.entries(listed).map(([method, args]) => [method, Object.keys(args as object)]),
    declared,
  );
  const grants = Object.values(daemons).flatMap(({ write }) => write?.ubus?.['oneip.setup'] ?? []);
  assert.equal(grants, Object.keys(listed));
});

test('menu entries need both groups, and lead to what is there', () => {
  assert.equal(
    [...(menu['admin/services/oneip']?.depends?.acl ?? [])].sort(),
    [...Object.keys(own), ...Object.keys(daemons)].sort(),
  );
  for (const { action } of Object.values(menu)) {
    if (action.type === 'view') assert.ok(existsSync(join(resources, 'view', `${action.path}.js`)), action.path);
    else assert.ok(action.path in menu, action.path);
  }
});

test('scripts are as those of LuCI: strict, indented by tabs, without HTML made of text', () => {
  for (const { name, text } of scripts) {
    assert.match(text, /^\/\/ SPDX-License-Identifier: GPL-2\.0-or-later\n'use strict';\n/, name);
    assert.not.match(text, /innerHTML|outerHTML|insertAdjacentHTML|document\.write/, name);
    assert.not.match(text, /^ +\S(?<!^ \*)/m, `${name}: indented by blanks`);
    assert.not.match(text, /[ \t]$/m, `${name}: blanks at the end of a line`);
    // LuCI's minifier, which OpenWrt's images are built with, takes the slash for a division there.
    assert.not.match(text, /(=>|return|typeof) *\/[^/*]/, `${name}: a regular expression without parentheses`);
    for (const { module, name: as } of requirements(text)) {
      const used = new RegExp(`\\b${as}[.[]`).test(text.replaceAll(/^'require .*$/gm, ''));
      assert.ok(used, `${name} requires ${module} and does not use it`);
    }
  }
});

test('the package has the version of the program, and at most 25 KB', () => {
  const makefile = readFileSync(join(packageFolder, 'Makefile'), 'utf8');
  const { version } = readJson(join(root, 'package.json')) as { version: string };
  assert.match(makefile, `PKG_VERSION:=${version}\n`);
  const archive = execFileSync('tar', ['c', '--sort=name', '--mtime=@0', '--owner=0', '--group=0', 'htdocs', 'root'], {
    cwd: packageFolder,
  });
  const size = gzipSync(archive, { level: 9 }).length;
  console.log(`# ${relative(root, packageFolder)}: ${(size / 1024).toFixed(1)} KB compressed`);
  assert.ok(size <= 25 * 1024);
});

test.run();
