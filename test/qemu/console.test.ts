import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Console, Shell, type Terminal } from './console.ts';

/** A terminal of which the test says what it prints. */
class Script implements Terminal {
  typed = '';
  print: (text: string) => void = () => undefined;
  end: () => void = () => undefined;

  write(text: string): void {
    this.typed += text;
  }

  onText(listener: (text: string) => void): void {
    this.print = listener;
  }

  onEnd(listener: () => void): void {
    this.end = listener;
  }
}

async function failure(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  throw new Error('it has not failed');
}

test('what is expected is found in pieces, once, and in order', async () => {
  const script = new Script();
  const terminal = new Console(script);
  const login = terminal.expect(/login: /, 1_000);
  for (const piece of ['Welcome\r', '\n\x1b[6', 'nlog', 'in', ': and more\r\nlogin: ']) script.print(piece);
  assert.is((await login).index, 'Welcome\n'.length);
  assert.is((await terminal.expect(/(\w+) more\n/, 1_000))[1], 'and');
  await terminal.expect(/^login: $/, 1_000);
  assert.match(await failure(terminal.expect(/login/, 10)), /^nothing like login within 10 ms\nWelcome\n/);
  assert.throws(() => {
    void terminal.expect(/a/, 1_000).catch(() => undefined);
    void terminal.expect(/b/, 1_000);
  }, /still waiting for a/);
  script.end();
});

test('the end of the terminal ends the wait, and every later one', async () => {
  const script = new Script();
  const terminal = new Console(script);
  const wait = failure(terminal.expect(/never/, 60_000));
  script.print('Kernel panic\n');
  script.end();
  assert.is(await wait, 'the terminal has ended\nKernel panic\n');
  assert.ok(terminal.ended);
  await terminal.expect(/panic/, 1_000);
  assert.match(await failure(terminal.expect(/never/, 60_000)), /ended/);
  assert.match(await failure(Shell.take(terminal, 60_000)), /ended/);
});

/** A program on a pseudoterminal of 80 columns. */
function pseudoterminal(command: string): { terminal: Console; end(): Promise<unknown> } {
  const folder = mkdtempSync(join(tmpdir(), 'oneip-console-'));
  const child = spawn('script', ['-qfec', `stty columns 80; ${command}`, '/dev/null'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, TMPDIR: folder },
  });
  const ended = new Promise<void>((resolve) =>
    child.on('close', () => {
      rmSync(folder, { recursive: true });
      resolve();
    }),
  );
  const terminal = new Console({
    write: (text) => child.stdin.write(text),
    onText: (listener) => child.stdout.setEncoding('utf8').on('data', listener),
    onEnd: (listener) => void ended.then(listener),
  });
  const end = () => {
    child.kill('SIGKILL');
    return ended;
  };
  return { terminal, end };
}

/** BusyBox's shell as a router's console has it: it asks first, prompts, echoes and edits lines. */
async function withShell(body: (shell: Shell) => Promise<void>): Promise<void> {
  const { terminal, end } = pseudoterminal("echo 'press Enter'; read line; PS1='root@router:\\w# ' busybox ash -i");
  try {
    await terminal.expect(/press Enter/, 10_000);
    await body(await Shell.take(terminal, 10_000));
  } finally {
    await end();
  }
}

test('commands have their output and status, whatever is printed', () =>
  withShell(async (shell) => {
    const cases: readonly [string, number, string][] = [
      ['true', 0, ''],
      ['echo one; echo two >&2; exit 7', 7, 'one\ntwo'],
      ['printf "no line break"; false', 1, 'no line break'],
      ['echo "==begin 3=="; echo "==end 3=="', 0, '==begin 3==\n==end 3=='],
      ['printf "\\nempty lines around\\n\\n"', 0, '\nempty lines around\n'],
      ['cat; echo "empty: $?"', 0, 'empty: 0'],
      ['kill -9 $(sh -c \'echo "$PPID"\')', 137, 'Killed'],
      ['true & # in the background', 0, ''],
      [`echo ${'long '.repeat(50)}`, 0, 'long '.repeat(50).trim()],
    ];
    for (const [command, status, output] of cases) {
      assert.equal(await shell.attempt(command, 10_000), { status, output }, command);
    }
    assert.is(await shell.run('cd /; pwd'), '/');
    const script = (number: number) => `x=${number}\necho $x`;
    const numbers = [1, 2, 3].map((number) => shell.run(number === 2 ? 'echo 2' : script(number)));
    assert.equal(await Promise.all(numbers), ['1', '2', '3'], 'at once, one after the other');
    assert.match(await failure(shell.run('echo why; exit 3')), /^echo why; exit 3: status 3\nwhy$/);
  }));

test('scripts of many lines, and files, are typed as they are', () =>
  withShell(async (shell) => {
    const folder = await shell.run('echo $TMPDIR');
    const text = [
      'config service \'web\'\t# "quoted" \\n $HOME `id` %s %% \\\\ \\0047 ~!^&*(){}[]<>|;?',
      ...Array.from({ length: 40 }, (_, line) => `\toption number_${line} '${'9'.repeat(line)}'`),
      '',
    ].join('\n');
    await shell.write(`${folder}/file`, text);
    assert.is(await shell.run(`cat ${folder}/file; echo end`), `${text}end`);
    await shell.write(`${folder}/file`, '');
    assert.is(await shell.run(`wc -c <${folder}/file`), '0');
    const lines = Array.from({ length: 60 }, (_, line) => `value_${line}=${line}\necho "$value_${line}"`);
    const script = `${lines.join('\n')}\nexit 5`;
    const numbers = Array.from({ length: 60 }, (_, line) => line).join('\n');
    assert.equal(await shell.attempt(script), { status: 5, output: numbers });
    assert.match(await failure(shell.write('file', 'é')), /cannot type/);
  }));

test('a shell that ends, or hangs, is told', () =>
  withShell(async (shell) => {
    assert.match(await failure(shell.attempt('sleep 1000', 300)), /nothing like/);
    shell.console.type('\x03');
    assert.is(await shell.run('echo back', 10_000), 'back');
    assert.match(await failure(shell.attempt('kill -9 $$')), /the terminal has ended/);
  }));

test.run();
