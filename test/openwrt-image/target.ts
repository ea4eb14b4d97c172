import { cardOptions, type Card } from '../qemu/machine.ts';

/** An OpenWrt target that can be booted here; names are OpenWrt's. */
export type Target = 'x86-64' | 'armsr-armv8' | 'malta-be';

interface Hardware {
  /** What opkg calls the processor. */
  readonly architecture: string;
  /** QEMU and the machine. */
  readonly machine: readonly string[];
  /** Options for the given image. */
  readonly image: (path: string) => readonly string[];
  /** Network card that the target's kernel has a driver for. */
  readonly card: string;
}

const disk = (path: string, device: readonly string[]) => [
  // What the guest writes is thrown away.
  ...['-drive', `file=${path},format=raw,if=none,id=disk,snapshot=on`],
  ...device,
];

const HARDWARE: Readonly<Record<Target, Hardware>> = {
  'x86-64': {
    architecture: 'x86_64',
    machine: ['qemu-system-x86_64', '-machine', 'pc,accel=tcg', '-cpu', 'max', '-smp', '1', '-m', '512'],
    image: (path) => disk(path, ['-device', 'virtio-blk-pci,drive=disk']),
    card: 'virtio-net-pci',
  },
  'armsr-armv8': {
    architecture: 'aarch64_generic',
    machine: [
      ...['qemu-system-aarch64', '-machine', 'virt,accel=tcg', '-cpu', 'cortex-a57', '-smp', '1', '-m', '512'],
      // Debian's package qemu-efi-aarch64.
      ...['-bios', '/usr/share/qemu-efi-aarch64/QEMU_EFI.fd'],
    ],
    image: (path) => disk(path, ['-device', 'virtio-blk-pci,drive=disk']),
    card: 'virtio-net-pci',
  },
  'malta-be': {
    architecture: 'mips_24kc',
    machine: ['qemu-system-mips', '-machine', 'malta,accel=tcg', '-cpu', '24Kc', '-smp', '1', '-m', '256'],
    image: (path) => ['-kernel', path],
    card: 'pcnet',
  },
};

/** The target that an image is for, by the name that OpenWrt gives its files; `undefined` where it says nothing. */
export function targetOf(path: string): Target | undefined {
  const name = path.slice(path.lastIndexOf('/') + 1);
  if (name.includes('x86-64')) return 'x86-64';
  if (/armsr-armv8|armvirt-64/.test(name)) return 'armsr-armv8';
  return name.includes('malta-be') ? 'malta-be' : undefined;
}

/** What opkg calls the target's processor. */
export function architectureOf(target: Target): string {
  return HARDWARE[target].architecture;
}

/** QEMU's command line for an image, without the console. */
export function imageMachine(target: Target, path: string, cards: readonly Card[]): string[] {
  const { machine, image, card } = HARDWARE[target];
  return [...machine, ...image(path), ...cardOptions(cards.map((plain) => ({ ...plain, model: card })))];
}
