import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { atExit } from '../lab/exit.ts';
import { Console } from './console.ts';
import type { Image } from './image.ts';

/** A virtual network card, on a tap device of the namespace in which the machine runs. */
export interface Card {
  readonly tap: string;
  readonly mac: string;
  /** Kind of card, as `-device` of QEMU names it; default: `virtio-net-pci`. */
  readonly model?: string;
}

/** A running virtual machine with a serial console. Software emulation only. */
export class Machine {
  readonly console: Console;
  /** Resolves when it has been switched off, or has been killed. */
  readonly ended: Promise<void>;
  readonly #child: ChildProcessWithoutNullStreams;

  /** Starts QEMU by a command line that has everything but the console; see `stockMachine`. */
  constructor(argv: readonly string[]) {
    const [file = '', ...args] = [...argv, ...CONSOLE];
    this.#child = spawn(file, args);
    this.#child.stdin.on('error', () => undefined);
    const { stdin, stdout, stderr } = this.#child;
    const disarm = atExit(() => this.#child.kill('SIGKILL'));
    this.ended = new Promise((resolve) => {
      const end = () => {
        disarm();
        resolve();
      };
      this.#child.on('close', end);
      this.#child.on('error', end);
    });
    this.console = new Console({
      write: (text) => stdin.write(text),
      // What QEMU itself complains of belongs to what was seen.
      onText: (listener) => {
        for (const stream of [stdout, stderr]) stream.setEncoding('utf8').on('data', listener);
      },
      onEnd: (listener) => void this.ended.then(listener),
    });
  }

  /** Pulls the plug. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.ended;
  }
}

const CONSOLE = [
  ...['-nodefaults', '-display', 'none', '-monitor', 'none'],
  ...['-chardev', 'stdio,id=console,signal=off', '-serial', 'chardev:console'],
];

/** Options of QEMU for network cards, the first of which the guest finds first. */
export function cardOptions(cards: readonly Card[]): string[] {
  return cards.flatMap(({ tap, mac, model = 'virtio-net-pci' }, index) => [
    ...['-netdev', `tap,id=net${index},ifname=${tap},script=no,downscript=no`],
    // Without the boot program of the card, which would look for a server.
    ...['-device', `${model},netdev=net${index},mac=${mac},romfile=`],
  ]);
}

/** The command line of a machine of Debian's amd64 that ends when its guest does. */
export function stockMachine({ kernel, initramfs }: Image, cards: readonly Card[] = []): string[] {
  // Where others use the processor, ticks come late, and the kernel would take its timer for broken and panic.
  const options = 'console=ttyS0 quiet no_timer_check panic=-1 rdinit=/init';
  return [
    ...['qemu-system-x86_64', '-machine', 'pc,accel=tcg', '-cpu', 'max', '-smp', '1', '-m', '512', '-no-reboot'],
    ...['-kernel', kernel, '-initrd', initramfs, '-append', options],
    ...cardOptions(cards),
  ];
}
