import { spawnSync } from 'node:child_process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { loadConfiguration } from '../../src/config/validate.ts';
import { dependencies, modulesInUse, modulesOf } from '../qemu/modules.ts';
import { sectionsOf } from './scene.ts';
import { asBatch, asText } from './sections.ts';
import { architectureOf, imageMachine, targetOf } from './target.ts';

test('images are told apart by the names that OpenWrt gives them', () => {
  const images = [
    'openwrt-24.10.4-x86-64-generic-squashfs-combined.img',
    '/tmp/malta-be/openwrt-25.12.0-armsr-armv8-generic-ext4-combined-efi.img',
    'openwrt-24.10.4-malta-be-vmlinux-initramfs.elf',
    '/x86-64/openwrt-24.10.4-malta-le-vmlinux-initramfs.elf',
  ];
  assert.equal(images.map(targetOf), ['x86-64', 'armsr-armv8', 'malta-be', undefined]);
  assert.is(architectureOf('malta-be'), 'mips_24kc');
  const command = imageMachine('malta-be', '/tmp/kernel', [{ tap: 'tap-lan', mac: '02:00:00:00:00:01' }]).join(' ');
  assert.match(
    command,
    /^qemu-system-mips .*-kernel \/tmp\/kernel .*ifname=tap-lan.*-device pcnet,netdev=net0,mac=02:/,
  );
  assert.not.match(command, /kvm/);
});

test('what is typed into uci is what a file would say, and the program takes it without a word', () => {
  const servers = [{ name: 's1', address: { 4: '192.168.1.11', 6: 'fd00:1::11' } }];
  const sections = sectionsOf({ servers });
  assert.equal(loadConfiguration(asText(sections), 'lab').problems, []);
  const lines = asBatch('oneip', sections).split('\n');
  assert.equal(
    lines.filter((line) => line.includes('oneip.s1')),
    [
      "set oneip.s1='server'",
      "add_list oneip.s1.service='web'",
      "set oneip.s1.address='192.168.1.11'",
      "set oneip.s1.address6='fd00:1::11'",
    ],
  );
  assert.equal(lines.slice(-2), ['commit oneip', '']);
});

test('modules of packages, and those in use', () => {
  const recipe = 'define Package/a\n  DEPENDS:=+b +kmod-nft-netdev\nendef\ndefine Package/ab\n  DEPENDS:=+c\nendef\n';
  assert.equal(dependencies(recipe, 'a'), ['b', 'kmod-nft-netdev']);
  const modules = modulesOf(['kmod-nft-netdev']);
  assert.ok(modules.includes('nft_fwd_netdev') && modules.includes('nft_hash') && !modules.includes('nft_nat'));
  assert.equal(modulesInUse('nft_hash 16384 4 - Live 0x0\nnft_log 16384 0 - Live 0x0\n'), ['nft_hash']);
});

test('make says loudly that it has skipped, and does not succeed', () => {
  const { status, stdout, stderr } = spawnSync('make', ['test-openwrt', 'OPENWRT_IMAGE='], {
    encoding: 'utf8',
    // Those of a make that runs this are none of its business.
    env: { ...process.env, MAKEFLAGS: '', MAKELEVEL: '' },
  });
  assert.is(status, 2);
  assert.match(stdout, /^SKIPPED: .*has tested nothing/m);
  assert.match(stderr, /Error 77/);
});

test.run();
