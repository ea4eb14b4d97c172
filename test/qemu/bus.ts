import * as assert from 'uvu/assert';
import { join } from 'node:path';
import { url } from '../lab/http.ts';
import { run } from '../lab/process.ts';
import type { MachineLab } from './machine-lab.ts';

const root = process.env['ONEIP_ROOT'] ?? '.';

/** Starts what does ubusd's work in the guest, which fetches it from the first server. */
export async function startBus({ shell, programs }: MachineLab): Promise<void> {
  const [first] = programs;
  assert.ok(first);
  const esbuild = join(root, 'node_modules/.bin/esbuild');
  const options = ['--bundle', '--format=esm', '--platform=neutral', '--external:oneip:runtime', '--log-level=warning'];
  const outfile = `--outfile=${join(first.root, 'bus.mjs')}`;
  await run([esbuild, join(root, 'test/qemu/guest-bus.ts'), ...options, outfile]);
  await shell.run(`wget -q -O /tmp/bus.mjs ${url(first.server.address[4], '/bus.mjs')}`);
  await shell.run(
    'mkfifo /tmp/bus; oneip-runtime /tmp/bus.mjs >/tmp/bus & read -r line </tmp/bus; [ "$line" = "bus: ready" ]',
  );
}
