import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = process.env['ONEIP_ROOT'] ?? '.';

/** A rule as fw4 reads it from a service's data, in the words of /etc/config/firewall. */
export type FirewallRule = Readonly<Record<string, string | readonly string[]>>;

interface Published {
  readonly data: { readonly firewall?: readonly FirewallRule[] };
}

/** What a call of the init script did. */
export interface Outcome {
  readonly status: number;
  /** What was asked of procd, ubus and the program meanwhile, a line each, words parted by tabs. */
  readonly calls: readonly string[];
  /** What it printed. */
  readonly text: string;
}

/** What is in the `config` folder for a router with the zones lan, wan and dmz. */
export const zones: Readonly<Record<string, string>> = {
  network: `
config interface 'lan'
	option device 'br-lan'
config interface 'wan'
	option device 'eth1'
config interface 'dmz'
	option device 'eth0.3'
`,
  firewall: `
config defaults
	option forward 'REJECT'
config zone
	option name 'lan'
	list network 'lan'
	option input 'ACCEPT'
config zone
	option name 'wan'
	list network 'wan'
	list network 'wan6'
	option input 'REJECT'
config zone
	option name 'dmz'
	list network 'dmz'
	list device 'tap7'
config zone
	option enabled '0'
	option name 'gone'
	list device 'eth9'
`,
};

/** The init script in front of a stand-in for procd, in a directory of its own. */
export class InitScript {
  readonly #state = mkdtempSync(join(tmpdir(), 'oneip-init-'));
  /** Variables that the script finds, as a package manager sets them. */
  environment: Readonly<Record<string, string>> = {};

  /** `name` is that of the script in `files/etc/init.d`. */
  constructor(configuration: Readonly<Record<string, string>> = {}, name = 'oneip') {
    mkdirSync(join(this.#state, 'config'));
    for (const [file, text] of Object.entries(configuration)) this.configure(file, text);
    const record = `printf 'oneip\\t%s\\n' "$*" >>${this.#state}/calls`;
    const answer = `status=${this.#state}/$1-status\n[ ! -e "$status" ] || exit "$(cat "$status")"`;
    this.#program('oneip', `${record}\n${answer}`);
    const script = readFileSync(join(root, 'files/etc/init.d', name), 'utf8')
      .replaceAll('/usr/bin/oneip', join(this.#state, 'oneip'))
      .replaceAll('/etc/config/', `${this.#state}/config/`)
      .replaceAll('/etc/capabilities/', `${this.#state}/`)
      .replaceAll('/sbin/ujail', join(this.#state, 'ujail'));
    writeFileSync(join(this.#state, 'script'), script);
  }

  /** Path of a file of this router. */
  path(name: string): string {
    return join(this.#state, name);
  }

  /** Writes a file of /etc/config. */
  configure(name: string, text: string): void {
    writeFileSync(join(this.#state, 'config', name), text);
  }

  /** Exit status of `oneip reload`, or of another command; 0 unless it is said. */
  answer(status: number, command = 'reload'): void {
    writeFileSync(join(this.#state, `${command}-status`), `${status}\n`);
  }

  /** The daemon joins the bus when somebody waits for it. */
  appear(): void {
    writeFileSync(join(this.#state, 'appears'), '');
  }

  /** The program ends without being asked to; procd has yet to start it again. */
  die(): void {
    rmSync(join(this.#state, 'running'));
  }

  /** procd's jail and the capabilities are installed. */
  installJail(): void {
    this.#program('ujail', 'exit 1');
    writeFileSync(join(this.#state, 'oneip.json'), '{}');
  }

  get isRegistered(): boolean {
    return existsSync(join(this.#state, 'service'));
  }

  get isRunning(): boolean {
    return existsSync(join(this.#state, 'running'));
  }

  run(action: string, ...words: string[]): Outcome {
    const calls = join(this.#state, 'calls');
    writeFileSync(calls, '');
    const standin = join(root, 'test/openwrt/standin.sh');
    const args = ['ash', standin, this.#state, join(this.#state, 'script'), action, ...words];
    const { status, stdout, stderr } = spawnSync('busybox', args, {
      encoding: 'utf8',
      env: { ...process.env, ...this.environment },
    });
    const text = `${stdout}${stderr}`;
    if (status === 99 || status === null) throw new Error(text);
    const lines = readFileSync(calls, 'utf8').replaceAll(this.#state, '').split('\n').slice(0, -1);
    return { status, calls: lines.filter((line) => !line.startsWith('command\t')), text };
  }

  /** What the firewall is told now. */
  get rules(): readonly FirewallRule[] {
    const { data } = JSON.parse(readFileSync(join(this.#state, 'data'), 'utf8')) as Published;
    return data.firewall ?? [];
  }

  remove(): void {
    rmSync(this.#state, { recursive: true });
  }

  #program(name: string, body: string): void {
    writeFileSync(join(this.#state, name), `#!/bin/sh\n${body}\n`);
    chmodSync(join(this.#state, name), 0o755);
  }
}
