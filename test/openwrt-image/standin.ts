import { buildImage } from '../qemu/image.ts';
import type { Shell } from '../qemu/console.ts';
import { cards, routerSetup, type Boot, type MachineLab } from '../qemu/machine-lab.ts';
import { stockMachine } from '../qemu/machine.ts';
import { modulesOf } from '../qemu/modules.ts';
import { asText, type Section } from './sections.ts';
import type { Guest } from './guest.ts';
import { START } from '../qemu/daemon.ts';

// In place of OpenWrt where there is no image: Debian's kernel, BusyBox, nft, a shell on the console. It has no opkg, uci, ubus,
// procd or firewall; packages are unpacked, and the daemon is started by hand.

/** Boots the stand-in. */
export async function bootStandIn(): Promise<Boot> {
  const modules = ['virtio_pci', 'virtio_net', 'bridge', ...modulesOf(['kmod-nft-netdev', 'kmod-nft-nat'])];
  const image = await buildImage({ name: 'standin', script: 'router.sh', modules });
  return { command: stockMachine(image, [cards.lan, cards.wan]), ready: /guest: a shell follows/, patience: 120_000 };
}

export class StandIn implements Guest {
  readonly shell: Shell;
  readonly #lab: MachineLab;
  #runs = false;

  constructor(lab: MachineLab) {
    this.#lab = lab;
    this.shell = lab.shell;
  }

  async setUpNetwork(): Promise<void> {
    // The image has the program of this tree; here it comes with the packages. Those for x86_64 want musl, and libnftables
    // for it, so the guest keeps its own runtime.
    await this.shell.run('mv /usr/bin/oneip-runtime /tmp/runtime; rm -r /usr/bin/oneip /usr/lib/oneip');
    await this.shell.run(routerSetup(this.#lab));
  }

  async install(folder: string): Promise<void> {
    await this.shell.run(`
set -e
for package in ${folder}/*.ipk; do
	tar -xzf "$package" -C /tmp ./data.tar.gz
	tar -tzf /tmp/data.tar.gz >>/tmp/installed
	tar -xzf /tmp/data.tar.gz -C /
	rm /tmp/data.tar.gz
done
cp /tmp/runtime /usr/bin/oneip-runtime`);
  }

  async configure(sections: readonly Section[]): Promise<void> {
    await this.shell.write('/etc/config/oneip', asText(sections));
    if (this.#runs) throw new Error('nobody reloads a daemon here: there is no ubus');
    await this.shell.run(START, 120_000);
    this.#runs = true;
  }

  async remove(): Promise<void> {
    await this.shell.run('kill $(cat /tmp/daemon.pid); read -r line </tmp/end', 60_000);
    await this.shell.run(`
while read -r file; do [ -d "/$file" ] || rm -f "/$file"; done </tmp/installed
sort -r /tmp/installed | while read -r file; do rmdir "/$file" 2>/dev/null; done
true`);
  }
}
