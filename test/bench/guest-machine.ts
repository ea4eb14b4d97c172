import { tool } from '../lab/paths.ts';
import { Shell } from '../qemu/console.ts';
import { buildImage } from '../qemu/image.ts';
import { Machine, stockMachine } from '../qemu/machine.ts';
import { peerFiles, peersFolder } from './peer-programs.ts';

const network = ['veth', 'bridge'];
const netfilter = ['nf_tables', 'nft_fwd_netdev', 'nft_hash', 'nft_ct', 'nft_objref', 'nft_reject_inet', 'nft_nat'];
const ipvs = ['ip_vs', 'ip_vs_rr', 'ip_vs_mh'];

/** Milliseconds of this machine's clock, however busy it is. */
const patience = 300_000;

/**
 * The guest's clock counts its instructions, a nanosecond each, and leaps to the next event where it has nothing to do. So it
 * does not matter what else the real processor has to do. String instructions are one for each byte that they store, which
 * kernels of processors that do these fast use everywhere; this one is not said to.
 */
const countingInstructions = ['-icount', 'shift=0,sleep=off', '-cpu', 'max,erms=off,fsrm=off'];

/** Boots Debian's cloud kernel, with all that `guest.sh` needs. */
export async function boot(): Promise<{ machine: Machine; shell: Shell }> {
  const image = await buildImage({
    name: 'bench',
    script: '../bench/guest.sh',
    modules: [...network, ...netfilter, ...ipvs],
    programs: [
      tool('bench-sender'),
      '/usr/bin/chrt',
      ...(await peerFiles('sbin/ipvsadm')),
      ...(await peerFiles('usr/sbin/keepalived')),
    ],
  });
  const machine = new Machine([...stockMachine(image), ...countingInstructions]);
  await machine.console.expect(/guest: a shell follows/, patience);
  const shell = await Shell.take(machine.console, patience);
  await shell.run(`ln -s ${tool('bench-sender')} /usr/bin/bench-sender`);
  return { machine, shell };
}

/** Does what guest.sh does, for the contestant of a name; returns what it prints. */
export function guest(
  shell: Shell,
  command: string,
  { name }: { readonly name: string },
  ...more: readonly (string | number)[]
): Promise<string> {
  const words = more.map((word) => `'${word}'`).join(' ');
  return shell.run(`PEERS=${peersFolder} sh /guest.sh ${command} ${name} ${words}`, patience);
}
