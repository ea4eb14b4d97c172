import { spawnSync } from 'node:child_process';
import { readFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { listTree, scratchFolder, sh } from './tree.ts';

const full = (globalThis as { ONEIP_FULL?: boolean }).ONEIP_FULL === true;
const version = (JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }).version;
const folder = scratchFolder();

/** Bytes that a package may have: routers with 64 MB of memory have 8 to 16 MB of flash. */
const LIMITS = {
  'oneip-runtime': 450_000,
  oneip: 128_500,
  'oneip-channel': 9_600,
  'oneip-tools': 34_000,
  'oneip-server': 15_000,
  'luci-app-oneip': 25_600,
  'prometheus-node-exporter-lua-oneip': 3_000,
  'prometheus-node-exporter-ucode-oneip': 3_000,
};

/** Those that the program is in. */
const PROGRAM = ['oneip', 'oneip-channel', 'oneip-server', 'oneip-tools'] as const;
const COLLECTORS = ['prometheus-node-exporter-lua-oneip', 'prometheus-node-exporter-ucode-oneip'] as const;

interface Package {
  readonly name: keyof typeof LIMITS;
  readonly architecture: string;
  /** Compressed. */
  readonly size: number;
  readonly fields: ReadonlyMap<string, string>;
  /** Folders of what was in it, taken out by BusyBox's tar, which has not written it. */
  readonly control: string;
  readonly root: string;
}

/** Reads a package as opkg does: a gzipped tar of two more, and a version of that form. */
function readPackage(path: string): Package {
  const file = path.split('/').pop() ?? '';
  const [name = '', , architecture = ''] = file.replace(/\.ipk$/, '').split('_');
  const into = join(folder, file);
  sh(
    `mkdir -p "${into}/root" "${into}/control"
    busybox tar -C "${into}" -xzf "${path}"
    busybox tar -C "${into}/root" -xzf "${into}/data.tar.gz"
    busybox tar -C "${into}/control" -xzf "${into}/control.tar.gz"`,
  );
  assert.equal(sh(`tar -tzf "${path}"`).trim().split('\n'), ['./debian-binary', './data.tar.gz', './control.tar.gz']);
  assert.is(readFileSync(join(into, 'debian-binary'), 'utf8'), '2.0\n');
  const lines = readFileSync(join(into, 'control/control'), 'utf8').split('\n');
  const fields = lines.filter((line) => /^\S/.test(line)).map((line) => line.split(/: (.*)/, 2) as [string, string]);
  return {
    name: name as Package['name'],
    architecture: file.split(`_${version}-r1_`)[1]?.replace('.ipk', '') ?? architecture,
    size: readFileSync(path).length,
    fields: new Map(fields),
    control: join(into, 'control'),
    root: join(into, 'root'),
  };
}

/** Packs what needs no compiler; in the long form, all has been packed before. */
function packages(): Package[] {
  let from = 'build/ipk';
  if (!full) {
    sh(
      `src/build/dist.sh ${version} build/lib/oneip/oneip.js "${folder}/oneip.tar.gz"
      mkdir "${folder}/build"
      src/build/openwrt/build.sh "${folder}/oneip.tar.gz" "${folder}/build"`,
    );
    from = join(folder, 'build/ipk');
  }
  return sh(`ls "${from}"/*.ipk`).trim().split('\n').map(readPackage);
}

const all = packages();
const named = (name: Package['name']): Package => {
  const found = all.find((each) => each.name === name);
  if (!found) throw new Error(`there is no package ${name}`);
  return found;
};

test('there are the packages that there should be, and they are small', () => {
  const runtimes = full ? ['oneip-runtime aarch64_generic', 'oneip-runtime x86_64'] : [];
  assert.equal(
    all.map(({ name, architecture }) => `${name} ${architecture}`),
    [
      'luci-app-oneip all',
      'oneip-channel all',
      ...runtimes,
      'oneip-server all',
      'oneip-tools all',
      'oneip all',
      ...COLLECTORS.map((name) => `${name} all`),
    ],
  );
  for (const { name, architecture, size } of all) {
    console.log(`# ${name} (${architecture}): ${size} bytes`);
    assert.ok(size <= LIMITS[name], `${name}: ${size} bytes`);
  }
});

test('their fields say what opkg wants to know', () => {
  for (const { name, architecture, fields, root } of all) {
    assert.is(fields.get('Package'), name);
    assert.is(fields.get('Version'), `${version}-r1`);
    assert.is(fields.get('Architecture'), architecture);
    assert.is(fields.get('SourceName'), name);
    for (const field of ['Depends', 'License', 'Maintainer', 'Section', 'Description']) {
      assert.ok((fields.get(field) ?? '') !== '', `${name}: ${field}`);
    }
    const size = sh(`find "${root}" -type f -printf '%s\\n'`)
      .trim()
      .split('\n')
      .reduce((sum, each) => sum + Number(each), 0);
    const installed = Number(fields.get('Installed-Size'));
    assert.ok(installed >= size && installed < size + 64_000, `${name}: ${installed} for ${size}`);
  }
  const kernel = 'kmod-nft-netdev, kmod-nft-nat, kmod-nf-conntrack-netlink';
  assert.is(named('oneip').fields.get('Depends'), `libc, oneip-runtime, nftables-json, ${kernel}`);
  const same = `(=${version}-r1)`;
  assert.is(named('oneip-channel').fields.get('Depends'), `oneip ${same}, libc, oneip`);
  assert.is(
    named('oneip-tools').fields.get('Depends'),
    `oneip ${same}, oneip-channel ${same}, libc, oneip, oneip-channel`,
  );
  assert.is(
    named('oneip-server').fields.get('Depends'),
    `oneip ${same}, oneip-channel ${same}, oneip-tools ${same}, libc, oneip, oneip-channel, oneip-tools`,
  );
  assert.is(named('luci-app-oneip').fields.get('Depends'), 'libc, luci-base, oneip');
  for (const name of COLLECTORS) {
    assert.is(named(name).fields.get('Depends'), `libc, ${name.replace('-oneip', '')}, oneip`);
  }
});

/** A root folder with packages of the program, and with the runtime of this machine. */
function installed(into: string, names: readonly (typeof PROGRAM)[number][]): string {
  const root = join(folder, into);
  sh(`mkdir -p "${root}/usr/bin" && ln -s "$PWD/build/bin/oneip-runtime" "${root}/usr/bin/oneip-runtime"`);
  for (const name of names) sh(`cp -a "${named(name).root}/." "${root}"`);
  return root;
}

test('they have, each file once, all of files/ and the program, as `make install` puts them', () => {
  const whole = join(folder, 'installed');
  sh(`make --silent install-program DESTDIR="${whole}"`);
  const filesOf = (root: string) => listTree(root).filter((line) => line.split(' ')[1] !== 'd');
  assert.equal(PROGRAM.flatMap((name) => filesOf(named(name).root)).sort(), filesOf(whole).sort());
  for (const line of filesOf('files')) assert.ok(existsSync(join(whole, line.split(' ')[0] ?? '')), line);
  const { root, control } = named('oneip');
  assert.match(listTree(root).join('\n'), /^etc\/config\/oneip f 600 /m);
  assert.match(listTree(root).join('\n'), /^etc\/init\.d\/oneip f 755 /m);
  assert.is(readFileSync(join(control, 'conffiles'), 'utf8'), '/etc/config/oneip\n');
  const server = named('oneip-server');
  assert.match(listTree(server.root).join('\n'), /^etc\/init\.d\/oneip-server f 755 /m);
  assert.is(readFileSync(join(server.control, 'conffiles'), 'utf8'), '/etc/config/oneip-server\n');
});

test('a command whose package is not there names it, with an exit status of its own; the others work', () => {
  const alone = installed('alone', ['oneip']);
  const tools = installed('with-tools', ['oneip', 'oneip-channel', 'oneip-tools']);
  const all = installed('with-all', PROGRAM);
  const words = ` --ubus "${folder}/none" --state "${folder}/none"`;
  const run = (root: string, command: string): [number, string] => {
    const bin = join(root, 'usr/bin');
    const { status, stderr } = spawnSync('sh', ['-c', `"${bin}/oneip-runtime" "${bin}/oneip" ${command}${words}`], {
      encoding: 'utf8',
    });
    return [status ?? -1, stderr];
  };
  const missing = (command: string, name: string) => [
    4,
    `oneip: '${command}' is in the package ${name}, which is not installed\n`,
  ];
  for (const [command, name] of [
    ['doctor', 'oneip-tools'],
    ['metrics', 'oneip-tools'],
    ['setup', 'oneip-tools'],
    ['server-script', 'oneip-tools'],
    ['server', 'oneip-server'],
  ] as const) {
    assert.equal(run(alone, command === 'server-script' ? 'server-script web1' : command), missing(command, name));
  }
  assert.equal(run(alone, 'server --status'), missing('server', 'oneip-server'));
  assert.equal(run(tools, 'server --status'), missing('server', 'oneip-server'));
  assert.is(run(alone, 'status')[0], 3);
  assert.is(run(alone, 'check files/etc/config/oneip')[0], 0);
  assert.is(run(alone, '--help')[0], 0);
  assert.equal(run(tools, 'metrics'), [0, '']);
  assert.is(run(all, 'server --status')[0], 3);
});

test('a configuration that is there stays as it is', () => {
  const root = join(folder, 'configured');
  sh(`mkdir -p "${root}/etc/config" && echo mine >"${root}/etc/config/oneip"`);
  sh(`make --silent install-program DESTDIR="${root}"`);
  assert.is(readFileSync(join(root, 'etc/config/oneip'), 'utf8'), 'mine\n');
});

test('the web interface is where LuCI looks for it', () => {
  const listed = listTree(named('luci-app-oneip').root).join('\n');
  assert.match(listed, /^www\/luci-static\/resources\/view\/oneip\/\S+\.js f 644 /m);
  assert.match(listed, /^usr\/share\/luci\/menu\.d\/luci-app-oneip\.json f 644 /m);
});

test('what rpcd is to offer for set-up is where it looks for programs', () => {
  assert.match(listTree(named('oneip-tools').root).join('\n'), /^usr\/libexec\/rpcd\/oneip\.setup f 755 /m);
  assert.match(readFileSync(join(named('oneip-tools').control, 'postinst-pkg'), 'utf8'), /killall -HUP rpcd/);
});

test('the collectors are where the node exporters look for them', () => {
  const files = COLLECTORS.map((name) => listTree(named(name).root).filter((line) => line.split(' ')[1] === 'f'));
  const [lua = [], ucode = []] = files;
  assert.match(lua.join('\n'), /^usr\/lib\/lua\/prometheus-collectors\/oneip\.lua f 644 \d+$/);
  assert.match(ucode.join('\n'), /^usr\/share\/ucode\/node-exporter\/lib\/oneip\.uc f 644 \d+$/);
});

test('no two packages own the same file', () => {
  const others = all.filter(({ name }) => name !== 'oneip-runtime');
  const paths = others.flatMap(({ root }) =>
    listTree(root).flatMap((line) => (line.split(' ')[1] === 'd' ? [] : (line.split(' ')[0] ?? ''))),
  );
  assert.equal(
    paths.filter((path, at) => paths.indexOf(path) !== at),
    [],
  );
});

test('scripts are ones that ash can read, and the maintainer’s do nothing in an image that is being built', () => {
  for (const { control, root } of all) {
    const scripts = sh(`grep -rlE '^#! ?/bin/sh' "${control}" "${root}" || true`).trim().split('\n').filter(Boolean);
    assert.ok(scripts.some((path) => path.endsWith('/postinst')));
    for (const path of scripts) {
      sh(`busybox ash -n "${path}"`);
      if (full) sh(`shellcheck -s dash -e SC1090,SC1091 "${path}"`);
    }
    for (const script of ['postinst', 'postinst-pkg', 'prerm']) {
      const path = join(control, script);
      if (existsSync(path)) assert.is(sh(`IPKG_INSTROOT="${root}" busybox ash "${path}"`), '');
    }
  }
});

test('a daemon that runs takes the channel when its package comes, one that does not is left alone', () => {
  const init = join(folder, 'init');
  const script = join(folder, 'channel-postinst');
  sh(
    `sed 's#/etc/init.d/oneip#${init}#g' "${named('oneip-channel').control}/postinst-pkg" >"${script}"
    printf '#!/bin/sh\\necho "$1" >>"%s.calls"\\ntest "$1" != running -o -e "%s.runs"\\n' "${init}" "${init}" >"${init}"
    chmod 755 "${init}"`,
  );
  const asked = (): string => {
    sh(`rm -f "${init}.calls"; IPKG_INSTROOT= busybox ash "${script}"`);
    return readFileSync(`${init}.calls`, 'utf8');
  };
  assert.is(asked(), 'running\n');
  sh(`: >"${init}.runs"`);
  assert.is(asked(), 'running\nreload\n');
});

test('the feed’s own tests of the packages pass', () => {
  const bin = join(folder, 'bin');
  sh(
    `mkdir "${bin}"
    ln -s "$PWD/build/bin/oneip-runtime" "${bin}/oneip-runtime"
    printf '#!/bin/sh\\nexec oneip-runtime "%s" "$@"\\n' "${installed('for-feed', PROGRAM)}/usr/bin/oneip" >"${bin}/oneip"
    chmod 755 "${bin}/oneip"`,
  );
  // That of oneip-channel looks where the package puts its files.
  for (const name of ['oneip-runtime', 'oneip', 'oneip-tools', 'oneip-server']) {
    for (const script of ['test.sh', 'test-version.sh']) {
      sh(`PATH="${bin}:$PATH" busybox ash openwrt-feed/oneip/${script} ${name} ${version}`);
    }
    assert.throws(() => sh(`PATH="${bin}:$PATH" busybox ash openwrt-feed/oneip/test-version.sh ${name} 99.9.9`));
  }
  assert.throws(() => sh(`PATH="${bin}:$PATH" busybox ash openwrt-feed/oneip/test.sh nothing ${version}`));
});

test('all that says a version says the same', () => {
  for (const name of ['oneip', 'luci-app-oneip', 'prometheus-node-exporter-oneip']) {
    assert.match(readFileSync(`openwrt-feed/${name}/Makefile`, 'utf8'), `PKG_VERSION:=${version}\n`);
  }
  const engine = /^WANTED=(.*)$/m.exec(readFileSync('src/build/quickjs.sh', 'utf8'))?.[1] ?? '';
  assert.match(engine, /^\d+\.\d+$/);
  assert.match(readFileSync('openwrt-feed/oneip/Makefile', 'utf8'), `QUICKJS_VERSION:=${engine}.`);
});

if (full) {
  test('a runtime is linked with musl alone, as a router has it', () => {
    for (const { name, architecture, root } of all.filter((each) => each.name === 'oneip-runtime')) {
      const processor = architecture.replace('_generic', '');
      const headers = sh(`readelf -ld "${root}/usr/bin/oneip-runtime"`);
      assert.match(headers, `interpreter: /lib/ld-musl-${processor}.so.1]`);
      assert.equal(
        [...headers.matchAll(/\(NEEDED\) .*\[(.*)\]/g)].map(([, library]) => library),
        ['libc.so'],
      );
      const told = sh(`build/target/${processor}/run "${root}/usr/bin/oneip-runtime" --version`);
      assert.match(told, `${name} ${version} (QuickJS-ng `);
    }
  });
}

if (full) {
  test('a runtime loads the libnftables of its target', () => {
    for (const processor of ['x86_64', 'aarch64']) {
      const target = join(process.cwd(), 'build/target', processor);
      const libraries = join(folder, processor);
      const names = ['ctx_new', 'ctx_free', 'ctx_output_set_flags', 'ctx_buffer_output', 'ctx_get_output_buffer'];
      names.push('ctx_buffer_error', 'ctx_get_error_buffer', 'run_cmd_from_buffer');
      sh(
        `mkdir "${libraries}"
        for name in ${names.join(' ')}; do echo "void *nft_$name(void) { return 0; }"; done >"${libraries}/stand-in.c"
        "${target}/cc" -shared -fPIC -o "${libraries}/libnftables.so.1" "${libraries}/stand-in.c"
        echo 'import { nft } from "oneip:runtime"; console.log(nft.available());' >"${libraries}/script.js"`,
      );
      const runtime = join(
        all.find((each) => each.architecture.startsWith(processor))?.root ?? '',
        'usr/bin/oneip-runtime',
      );
      const command = `"${target}/run" "${runtime}" "${libraries}/script.js"`;
      assert.is(sh(`LIBRARIES="${libraries}" ${command}`), 'true\n', processor);
      assert.is(sh(command), 'false\n', processor);
    }
  });
}

test.run();
