import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { attempt, LineProcess, run, type Outcome } from './process.ts';

/** Everything that a lab leaves in shared name spaces begins with this and the number of the process that owns it. */
const ownerPattern = /^oneip-(\d+)-/;
const namespaceFolder = '/run/netns';

let labCount = 0;

/** A prefix for the names of one lab's namespaces and files: `oneip-PID-N`, unique on this machine while the process lives. */
export function labPrefix(): string {
  labCount += 1;
  return `oneip-${process.pid}-${labCount}`;
}

/** Folder for a lab's files, not created yet. */
export function labFolder(prefix: string): string {
  return join(tmpdir(), prefix);
}

/** A network namespace known to iproute2 by name. */
export class Namespace {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }

  /** Runs lines of `ip` commands in one go, in order; the first failure ends it. */
  async ip(lines: readonly string[]): Promise<void> {
    await run(['ip', '-n', this.name, '-batch', '-'], lines.join('\n') + '\n');
  }

  /** Sets sysctls; a key's `/` stand for dots, so that device names with dots work. */
  async sysctl(settings: Readonly<Record<string, number | string>>): Promise<void> {
    const values = Object.entries(settings).map(([key, value]) => `${key}=${value}`);
    await this.run(['sysctl', '-q', '-w', ...values]);
  }

  /** Loads a ruleset in the syntax of nft(8). */
  async nft(ruleset: string): Promise<void> {
    await this.run(['nft', '-f', '-'], ruleset);
  }

  /** Runs a command inside, with the host's /sys; returns its standard output, rejects where it fails. */
  run(argv: readonly string[], input?: string): Promise<string> {
    return run(this.enter(argv), input);
  }

  /** Runs a command inside to its end, whatever its status. */
  attempt(argv: readonly string[], input?: string): Promise<Outcome> {
    return attempt(this.enter(argv), input);
  }

  /** Starts a long-running program inside. */
  start(argv: readonly string[]): LineProcess {
    return new LineProcess(this.enter(argv));
  }

  /** Starts a long-running program inside that sees the namespace's own /sys/class/net too. */
  startWithSysfs(argv: readonly string[]): LineProcess {
    return new LineProcess(['ip', 'netns', 'exec', this.name, ...argv]);
  }

  /** The command line that runs `argv` inside. nsenter(1), as it costs less than `ip netns exec`. */
  enter(argv: readonly string[]): string[] {
    return ['nsenter', `--net=${namespaceFolder}/${this.name}`, ...argv];
  }
}

/** Creates namespaces at once. */
export async function addNamespaces(names: readonly string[]): Promise<void> {
  await run(['ip', '-batch', '-'], names.map((name) => `netns add ${name}\n`).join(''));
}

/** Ends every process in the namespaces of a prefix, deletes these and the lab's files. Synchronous, for use while the process ends. */
export function removeLab(prefix: string): void {
  const names = namespaceNames().filter((name) => name.startsWith(`${prefix}-`));
  endProcessesIn(names);
  if (names.length > 0) {
    execFileSync('ip', ['-force', '-batch', '-'], { input: names.map((name) => `netns del ${name}\n`).join('') });
  }
  rmSync(labFolder(prefix), { recursive: true, force: true });
}

/** One walk through /proc for all of them, which `ip netns pids` would repeat for each. */
function endProcessesIn(names: readonly string[]): void {
  const inodes = new Set(names.map((name) => statSync(`${namespaceFolder}/${name}`).ino));
  for (const pid of readdirSync('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    try {
      const [, inode] = /^net:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/ns/net`)) ?? [];
      if (inodes.has(Number(inode))) process.kill(Number(pid), 'SIGKILL');
    } catch {
      // It ended while we looked.
    }
  }
}

/** Removes what labs of processes that are no more have left behind. */
export function sweepDeadLabs(): void {
  const dead = new Set<string>();
  for (const name of [...namespaceNames(), ...readdirSync(tmpdir())]) {
    const owner = ownerPattern.exec(name)?.[1];
    if (owner !== undefined && !existsSync(`/proc/${owner}`)) dead.add(name.split('-').slice(0, 3).join('-'));
  }
  for (const prefix of dead) removeLab(prefix);
}

function namespaceNames(): string[] {
  return existsSync(namespaceFolder) ? readdirSync(namespaceFolder) : [];
}
