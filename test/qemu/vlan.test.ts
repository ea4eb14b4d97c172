import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

// A virtual machine with Debian's stock kernel, software emulation: what needs a kernel with modules, such as VLANs, and the
// proof that the program runs on a kernel some years old.

const root = process.env.ONEIP_ROOT ?? '.';
const build = join(root, 'build');
/** Seconds; a boot takes about five, the rest is TypeScript on an emulated processor. */
const PATIENCE = 240;

function run(command: string, words: readonly string[]): Promise<{ status: number; text: string }> {
  return new Promise((resolve) => {
    const child = spawn(command, words, { stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    child.stdout.on('data', (data: Buffer) => (text += data.toString()));
    child.stderr.on('data', (data: Buffer) => (text += data.toString()));
    child.on('error', (error) => resolve({ status: 127, text: `${text}${error.message}` }));
    child.on('close', (status) => resolve({ status: status ?? 128, text }));
  });
}

// The kernel is that of Debian's amd64.
const suite = process.arch === 'x64' ? test : test.skip;

suite('clients on a VLAN, on a stock kernel', async () => {
  const output = join(build, 'qemu');
  const image = await run(join(root, 'test/qemu/image.sh'), [build, join(root, 'test/qemu/vlan.sh'), output]);
  assert.is(image.status, 0, image.text);
  const machine = '-machine pc,accel=tcg -cpu max -smp 1 -m 512 -no-reboot -nodefaults'.split(' ');
  const display = ['-display', 'none', '-serial', 'stdio'];
  const kernel = ['-kernel', join(output, 'vmlinuz'), '-initrd', join(output, 'initramfs')];
  const line = ['-append', 'console=ttyS0 quiet panic=-1 rdinit=/init'];
  const { text } = await run('timeout', [
    ...['-k', '5', String(PATIENCE), 'qemu-system-x86_64'],
    ...[...machine, ...display, ...kernel, ...line],
  ]);
  for (const found of text.matchAll(/guest: (.*)/g)) print(`# ${found[1] ?? ''}`);
  assert.ok(text.includes('guest: passed'), text.slice(-3000));
});

function print(text: string): void {
  process.stdout.write(`${text.trim()}\n`);
}

test.run();
