import { join } from 'node:path';
import { run } from '../lab/process.ts';

const root = process.env['ONEIP_ROOT'] ?? '.';
const build = join(root, 'build');

/** A kernel and an initial file system, by their paths. */
export interface Image {
  readonly kernel: string;
  readonly initramfs: string;
}

/** What goes into a guest beside the shell, `ip`, `nft` and our program. */
export interface Guest {
  /** Folder of `build/qemu` for it, which nobody else makes at the same time. */
  readonly name: string;
  /** Name of the script in this folder that runs in the guest. */
  readonly script: string;
  /** Kernel modules that are loaded, in this order, each behind those that it depends on. The kernel can load no others. */
  readonly modules: readonly string[];
  /** Paths of programs of this machine. */
  readonly programs?: readonly string[];
}

/** Makes an image for `qemu-system-x86_64` with Debian's cloud kernel; see image.sh. */
export async function buildImage({ name, script, modules, programs = [] }: Guest): Promise<Image> {
  const output = join(build, 'qemu', name);
  const guest = join(root, 'test/qemu', script);
  await run([join(root, 'test/qemu/image.sh'), build, guest, output, ...modules, '--', ...programs]);
  return { kernel: join(build, 'qemu/vmlinuz'), initramfs: join(output, 'initramfs') };
}
