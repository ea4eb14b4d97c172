import { args, exit, kill, pid, readLink, scriptPath, spawn, writeFile } from 'oneip:runtime';
import * as assert from 'uvu/assert';
import { opened } from './opened.ts';
import { run, runtime, scratchPath } from './script.ts';
import { until } from './turns.ts';

const INSIDE = 'in-own-namespace';

/** Runs the rest of the test file in a network namespace of its own, in another process; this one ends with its status. */
export function enterNamespace(): Promise<void> {
  if (args.includes(INSIDE)) return Promise.resolve();
  return new Promise(() => {
    spawn(['unshare', '--net', runtime, scriptPath, INSIDE], { inherit: true }, ({ status }) => exit(status ?? 1));
  });
}

/** Runs shell commands one after the other and returns what they print; the first that fails fails the test. */
export async function shell(commands: string, wrapper: readonly string[] = []): Promise<string> {
  const { status, stdout, stderr } = await run([...wrapper, 'sh', '-ec', commands]);
  assert.is(status, 0, `${commands}\n${stderr}`);
  return stdout;
}

/**
 * Runs a program on a file of many lines, given as its last argument. A file, since input to a child would have to wait for
 * turns of the loop.
 */
export async function runOnLines(argv: readonly string[], lines: readonly string[]): Promise<void> {
  const path = scratchPath();
  writeFile(path, `${lines.join('\n')}\n`);
  const { status, stderr } = await run([...argv, path]);
  assert.is(status, 0, stderr);
}

/** Another host: a network namespace, behind a cable. */
export interface Host {
  shell(commands: string): Promise<string>;
  /** Puts another cable between here and there. */
  plug(device: string, there: string): Promise<void>;
  /** Takes away the host and its cables. Idempotent; done at the end of the test by `closeOpened`. */
  close(): Promise<void>;
}

/** Starts a host whose `eth0` is connected with a new device of ours. Both ends are up, without addresses. */
export async function addHost(device: string): Promise<Host> {
  let alive = true;
  const child = spawn(['unshare', '--net', 'sleep', '300'], {}, () => (alive = false));
  const namespace = () => readLink(`/proc/${child.pid}/ns/net`);
  const ours = readLink(`/proc/${pid}/ns/net`);
  await until(() => namespace() !== ours, 'a namespace for the host');
  const devices: string[] = [];
  const host: Host = opened({
    shell: (commands) => shell(commands, ['nsenter', '--target', String(child.pid), '--net']),
    async plug(here, there) {
      await shell(`ip link add ${here} type veth peer name ${there} netns ${child.pid}; ip link set ${here} up`);
      await host.shell(`ip link set ${there} up`);
      devices.push(here);
    },
    async close() {
      for (const name of devices.splice(0)) await run(['ip', 'link', 'del', name]);
      if (alive) kill(child.pid, 'SIGKILL');
      await until(() => !alive, 'the end of the host');
    },
  });
  await host.shell('ip link set lo up');
  await host.plug(device, 'eth0');
  return host;
}
