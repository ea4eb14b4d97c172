import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { InitScript } from './service.ts';

const enabled = "config globals 'globals'\n\toption enabled '1'\n";

interface Context {
  script: InitScript;
}

const test = suite<Context>('what the init script for servers asks of procd');

test.before.each((context) => {
  context.script = new InitScript({ oneip: '', 'oneip-server': enabled }, 'oneip-server');
});

test.after.each(({ script }) => script.remove());

test('start: the daemon, for good, and soon again', ({ script }) => {
  const { calls, status } = script.run('start');
  assert.is(status, 0);
  assert.equal(
    calls.filter((line) => /^(param|append|reload-trigger)\t/.test(line)),
    [
      'param\tcommand\t/oneip\tserver',
      'param\trespawn\t3600\t1\t0',
      'param\tstdout\t1',
      'param\tstderr\t1',
      'param\tfile\t/oneip\t/oneip-runtime',
      'param\tterm_timeout\t30',
      'reload-trigger\toneip\toneip-server',
    ],
  );
  assert.ok(script.isRunning);
});

test('start: which server it is may be said', ({ script }) => {
  script.configure('oneip-server', `${enabled}\toption name 'web1'\n`);
  assert.ok(script.run('start').calls.includes('append\tcommand\t--name\tweb1'));
});

test('start: nothing on a machine that is no server, nor without a configuration', ({ script }) => {
  for (const text of ['', "config globals 'globals'", "config globals 'globals'\noption enabled '0'"]) {
    script.configure('oneip-server', text);
    script.run('start');
    assert.is(script.isRunning, false);
    assert.ok(script.isRegistered, 'so that a change is heard of');
  }
  const bare = new InitScript({ 'oneip-server': enabled }, 'oneip-server');
  try {
    const { calls } = bare.run('start');
    assert.is(bare.isRunning, false);
    assert.is(calls.filter((line) => line.startsWith('logger\t')).length, 1);
  } finally {
    bare.remove();
  }
});

test('reload: the daemon that runs is told once it hears, and no other one', ({ script }) => {
  script.run('reload');
  assert.ok(script.isRunning);
  const told = (calls: readonly string[]) => calls.filter((line) => /^(oneip|signal)\t/.test(line));
  assert.equal(told(script.run('reload').calls), [
    'oneip\tcheck',
    'oneip\tserver --status',
    'signal\toneip-server\t*\tHUP',
  ]);
  script.answer(1, 'server');
  assert.ok(told(script.run('start').calls).includes('signal\toneip-server\t*\tHUP'), 'something is missing there');
  script.answer(3, 'server');
  const waiting = told(script.run('start').calls);
  assert.equal([...new Set(waiting)], ['oneip\tserver --status'], 'it has just begun');
  assert.ok(waiting.length > 1);
});

test('reload: whoever asks for it is told of errors', ({ script }) => {
  script.run('start');
  script.answer(1, 'check');
  assert.is(script.run('reload').status, 1);
  assert.ok(script.isRunning);
});

test('reload: switched off, it ends', ({ script }) => {
  script.run('start');
  script.configure('oneip-server', '');
  const { calls } = script.run('reload');
  assert.not(calls.some((line) => /^(param|signal)\t/.test(line)));
});

test('stop: a daemon that runs cleans up itself; what a dead one has left is undone', ({ script }) => {
  script.run('start');
  assert.equal(script.run('stop').calls, ['delete']);
  script.run('start');
  script.die();
  assert.equal(script.run('stop').calls, ['delete', 'oneip\tcleanup']);
});

test("stop: what a machine that is no server has in its state is the router's", ({ script }) => {
  script.configure('oneip-server', '');
  script.run('start');
  assert.equal(script.run('stop').calls, ['delete']);
});

test.run();
