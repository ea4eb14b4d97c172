import { routerAddresses, wanHost } from '../lab/addresses.ts';
import type { Shell } from '../qemu/console.ts';
import { cards } from '../qemu/machine-lab.ts';
import { asBatch, type Section } from './sections.ts';
import type { Guest } from './guest.ts';

const { wan, lan } = routerAddresses;

/** Packages of this tree, in an order in which they can be taken away. */
const OURS = ['luci-app-oneip', 'oneip', 'oneip-runtime'];

/** OpenWrt, as the user of a shell has it: opkg or apk, uci, procd. */
export class OpenWrt implements Guest {
  readonly shell: Shell;
  /** What else has been installed. */
  #others: string[] = [];

  constructor(shell: Shell) {
    this.shell = shell;
  }

  async setUpNetwork(): Promise<void> {
    const nameOf = async (mac: string) =>
      (await this.shell.run(`grep -l '^${mac}' /sys/class/net/eth*/address`)).split('/')[4] ?? '';
    const device = { wan: await nameOf(cards.wan.mac), lan: await nameOf(cards.lan.mac) };
    // Whatever the board's own idea of its ports is.
    for (const old of ['network.wan6', 'network.@device[0]', 'network.lan.ip6assign', 'network.globals.ula_prefix']) {
      await this.shell.attempt(`uci -q delete ${old}`);
    }
    const sections: Section[] = [
      { type: 'device', name: 'lab_bridge', options: { name: 'br-lan', type: 'bridge', ports: [device.lan] } },
      {
        type: 'interface',
        name: 'lan',
        options: {
          device: 'br-lan',
          proto: 'static',
          ipaddr: lan[4],
          netmask: '255.255.255.0',
          ip6addr: `${lan[6]}/64`,
        },
      },
      {
        type: 'interface',
        name: 'wan',
        options: {
          ...{ device: device.wan, proto: 'static', ipaddr: wan[4], netmask: '255.255.255.0', gateway: wanHost[4] },
          ...{ ip6addr: `${wan[6]}/64`, ip6gw: wanHost[6] },
        },
      },
    ];
    await this.#batch(asBatch('network', sections));
    await this.shell.run('/etc/init.d/network restart', 120_000);
    await this.shell.run('ubus -t 60 wait_for network.interface.wan network.interface.lan', 90_000);
  }

  async install(folder: string): Promise<void> {
    const before = await this.installed();
    const command = `if command -v apk >/dev/null; then apk add --no-network --allow-untrusted ${folder}/*.apk
else opkg install ${folder}/*.ipk; fi`;
    await this.shell.run(command, 300_000);
    this.#others = (await this.installed()).filter((name) => !before.includes(name) && !OURS.includes(name));
  }

  /** Names of the packages that are installed. */
  async installed(): Promise<string[]> {
    const list = 'if command -v apk >/dev/null; then apk info; else opkg list-installed | cut -d" " -f1; fi';
    return (await this.shell.run(list)).split('\n').filter((line) => /^[a-z0-9.+_-]+$/i.test(line));
  }

  async configure(sections: readonly Section[]): Promise<void> {
    // Sections may be there already, and lists would grow.
    await this.shell.run(
      'while uci -q delete oneip.@service[0]; do :; done; while uci -q delete oneip.@server[0]; do :; done',
    );
    await this.shell.run('while uci -q delete oneip.@watchdog[0]; do :; done');
    await this.#batch(asBatch('oneip', sections));
    await this.shell.run('ubus -t 60 wait_for oneip', 90_000);
    await this.shell.run('reload_config; /etc/init.d/oneip reload', 60_000);
  }

  async remove(): Promise<void> {
    const names = [...OURS, ...this.#others].join(' ');
    const command = `if command -v apk >/dev/null; then apk del ${names}; else opkg remove ${names}; fi`;
    await this.shell.run(command, 300_000);
    // Both keep a configuration that has been changed.
    await this.shell.run('rm -f /etc/config/oneip /etc/config/oneip.apk-new /etc/config/oneip-opkg');
  }

  async #batch(text: string): Promise<void> {
    await this.shell.write('/tmp/batch', text);
    await this.shell.run('uci batch </tmp/batch && rm /tmp/batch');
  }
}
