import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { scratchFolder, sh } from './tree.ts';

const folder = scratchFolder();
const BUNDLE = 'build/lib/oneip/oneip.js';
const version = (JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }).version;
const top = `oneip-${version}`;

/** Makes the program of a tree of sources. */
function makeBundle(tree: string): void {
  sh(
    `ln -sfn "${process.cwd()}/node_modules" node_modules
    mkdir -p build/lib/oneip
    node src/build/bundle.mjs src/main.ts ${BUNDLE} ${version}`,
    tree,
  );
}

/** Makes the tarball, and returns its path. */
function makeTarball(tree: string, option = ''): string {
  sh(`src/build/dist.sh ${version} ${BUNDLE} dist.tar.gz ${option}`, tree);
  return join(tree, 'dist.tar.gz');
}

// A repository of its own, with files that do not belong to the sources, and what its tarball holds, at another depth.
const repository = join(folder, 'repository');
sh(
  `mkdir "${repository}"
  tar -cf - .npmrc .gitignore LICENSE Makefile README.md docs files openwrt-feed package*.json src test tsconfig.json |
    tar -C "${repository}" -xf -
  cd "${repository}"
  git init --quiet
  git add .
  git -c user.name=Test -c user.email=test@example.org commit --quiet --date=@1700000000 -m Release
  echo 'editor backup' >README.md~
  touch build.log`,
);
makeBundle(repository);
const tarball = makeTarball(repository);
const unpacked = join(folder, 'deep/er', top);
sh(`mkdir -p "${folder}/deep/er" && tar -C "${folder}/deep/er" -xzf "${tarball}"`);

test('the tarball is the same, byte for byte, wherever it is made', () => {
  makeBundle(unpacked);
  const again = makeTarball(unpacked);
  assert.ok(readFileSync(tarball).equals(readFileSync(again)));
});

test('it holds the sources and the bundle under one folder, of nobody, and not the feed', () => {
  const listed = sh(`tar --numeric-owner -tvzf "${tarball}"`).trim().split('\n');
  const paths = listed.map((line) => line.split(/\s+/)[5] ?? '');
  for (const line of listed) assert.match(line, /^(drwxr-xr-x|-rw-r--r--|-rwxr-xr-x) 0\/0 /);
  for (const path of paths) assert.ok(path.startsWith(`${top}/`), path);
  const bundle = ['bundle/oneip.js', 'bundle/oneip.js.map', 'bundle/packages'];
  for (const path of ['LICENSE', 'src/main.ts', 'src/native/main.c', ...bundle]) {
    assert.ok(paths.includes(`${top}/${path}`), path);
  }
  assert.equal(
    paths.filter((path) => /openwrt-feed|node_modules|\/build\/lib|build\.log|~$/.test(path)),
    [],
  );
});

test('the hash of the tarball is filled into the feed, and one of other sources is found out', () => {
  const feed = join(repository, 'openwrt-feed/oneip/Makefile');
  const before = readFileSync(feed, 'utf8');
  const hash = sh(`sha256sum <"${makeTarball(repository, '--fill')}"`).slice(0, 64);
  assert.is(readFileSync(feed, 'utf8'), before.replace(/^PKG_HASH:=.*$/m, `PKG_HASH:=${hash}`));
  makeTarball(repository, '--check');
  sh('echo "# changed" >>src/native/main.c', repository);
  assert.throws(() => makeTarball(repository, '--check'), /expects another tarball/);
});

test.run();
