import * as assert from 'uvu/assert';
import type { Namespace } from './namespace.ts';
import { oneipProgram } from './paths.ts';

/** What `oneip doctor` says. */
export interface Examined {
  readonly status: number;
  readonly text: string;
  /** Kinds of findings, sorted. */
  readonly ids: readonly string[];
  /** Commands that mend them, in order. */
  readonly commands: readonly string[];
}

interface Reply {
  readonly findings: readonly { readonly id: string; readonly command?: string; readonly on?: string }[];
}

/** Runs the doctor in a namespace. */
export async function examine(namespace: Namespace, argv: readonly string[]): Promise<Examined> {
  const { status, stdout: text, stderr } = await namespace.attempt([...examine.program, '--json', ...argv]);
  assert.is(stderr, '');
  const { findings } = JSON.parse(text) as Reply;
  return {
    status,
    text,
    ids: findings.map(({ id }) => id).sort(),
    commands: findings.flatMap(({ command }) => command ?? []),
  };
}

examine.program = [oneipProgram, 'doctor'] as readonly string[];

/** Something wrong with a machine. */
export interface Fault<Machine> {
  readonly name: string;
  readonly plant: (machine: Machine) => Promise<void>;
  /** Kinds of what the doctor says of it, sorted. */
  readonly finds: readonly string[];
  /**
   * `fix`, the default: it mends them by itself; `commands`: only the commands that it prints do, given as they are; or what
   * is to be done elsewhere, given the first command.
   */
  readonly mend?: 'fix' | 'commands' | ((machine: Machine, command: string) => Promise<void>);
  /** What goes back besides: what was mended another way than it was broken. */
  readonly restore?: (machine: Machine) => Promise<void>;
}

/** Plants a fault, has it found and mended, and sees that nothing is wrong then. */
export async function planted<Machine>(
  fault: Fault<Machine>,
  machine: Machine,
  namespace: Namespace,
  config: string,
  argv: readonly string[] = [],
): Promise<void> {
  const { plant, finds, mend = 'fix', restore } = fault;
  const all = ['--config', config, ...argv];
  await plant(machine);
  const before = await examine(namespace, all);
  assert.equal(before.ids, finds, before.text);
  assert.is(before.status, 1);
  if (typeof mend === 'function') await mend(machine, before.commands[0] ?? '');
  else if (mend === 'commands') {
    const { status } = await namespace.attempt([...examine.program, ...all, '--fix']);
    assert.is(status, 1, 'it does not dare to');
    for (const command of before.commands) await namespace.run(['sh', '-ec', command]);
  } else {
    const { status, stdout } = await namespace.attempt([...examine.program, ...all, '--fix']);
    assert.is(status, 0, stdout);
    for (const command of before.commands) assert.ok(stdout.includes(command), stdout);
  }
  const after = await examine(namespace, all);
  assert.equal(after.ids, [], after.text);
  assert.is(after.status, 0);
  if (!restore) return;
  await restore(machine);
  assert.equal((await examine(namespace, all)).ids, [], 'as it was');
}
