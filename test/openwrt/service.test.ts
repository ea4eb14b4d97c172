import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { InitScript, zones } from './service.ts';

const web = `
config service 'web'
	list ghost '198.51.100.1'
	list port '80'
	option device 'br-lan'
`;

interface Context {
  script: InitScript;
}

const test = suite<Context>('what the init script asks of procd');

test.before.each((context) => {
  context.script = new InitScript({ ...zones, oneip: web });
});

test.after.each(({ script }) => script.remove());

test('start: the daemon, for good, and again where its program is another one', ({ script }) => {
  const { calls, status } = script.run('start');
  assert.is(status, 0);
  assert.equal(
    calls.filter((line) => line.startsWith('param\t')),
    [
      'param\tcommand\t/oneip\tdaemon',
      'param\trespawn\t3600\t5\t0',
      'param\tstdout\t1',
      'param\tstderr\t1',
      'param\tfile\t/oneip\t/oneip-runtime',
      'param\tterm_timeout\t30',
    ],
  );
  assert.ok(script.isRunning);
});

test('start: with no more privileges than are needed, where there is a jail', ({ script }) => {
  script.installJail();
  const { calls } = script.run('start');
  const at = calls.indexOf('jail\toneip');
  assert.equal(calls.slice(at, at + 3), ['jail\toneip', 'param\tcapabilities\t/oneip.json', 'param\tno_new_privs\t1']);
});

test('start: a change of configuration is a reload, one of zones reaches the firewall only', ({ script }) => {
  assert.equal(
    script.run('start').calls.filter((line) => line.includes('trigger')),
    [
      'reload-trigger\toneip\toneip-server',
      'config-trigger\tconfig.change\tfirewall\t/etc/init.d/oneip\tpublish',
      'config-trigger\tconfig.change\tnetwork\t/etc/init.d/oneip\tpublish',
    ],
  );
});

test('start: an empty configuration is one to run with', ({ script }) => {
  script.configure('oneip', '');
  script.run('start');
  assert.ok(script.isRunning);
  assert.equal(script.rules, []);
});

test('start: without a configuration nothing is started, and the log says so', ({ script }) => {
  const absent = new InitScript(zones);
  try {
    const { calls } = absent.run('start');
    assert.is(absent.isRunning, false);
    assert.is(calls.filter((line) => line.startsWith('logger\t')).length, 1);
    absent.configure('oneip', web);
    absent.run('reload');
    assert.ok(absent.isRunning);
  } finally {
    absent.remove();
  }
  assert.is(script.isRunning, false);
});

test('start: what hardware carries already is told of, software offload is not', ({ script }) => {
  const told = (options: string) => {
    script.configure('firewall', `config defaults\n${options}`);
    return script.run('start').calls.filter((line) => line.includes('flow offload')).length;
  };
  assert.is(told(''), 0);
  assert.is(told("option flow_offloading '1'"), 0);
  assert.is(told("option flow_offloading_hw '1'"), 0);
  assert.is(told("option flow_offloading '1'\noption flow_offloading_hw '1'"), 1);
});

test('start: the firewall hears of new rules once, and not of those that it has', ({ script }) => {
  assert.ok(script.run('start').calls.includes('changed\tfirewall'));
  assert.not(script.run('start').calls.includes('changed\tfirewall'));
});

test('start: a daemon that runs reads the configuration, and no signal can meet one that has just begun', ({
  script,
}) => {
  assert.not(script.run('start').calls.includes('oneip\treload'));
  assert.ok(script.run('start').calls.includes('oneip\treload'));
  const { calls } = script.run('restart');
  assert.not(calls.some((line) => line.startsWith('signal\t')));
});

test('reload: over ubus, with nothing asked of procd but other rules', ({ script }) => {
  script.run('start');
  assert.equal(script.run('reload'), { status: 0, calls: ['oneip\treload', 'set_data'], text: '' });
  script.configure('oneip', web.replace("'80'", "'81'"));
  assert.equal(script.run('reload').calls, ['oneip\treload', 'set_data', 'changed\tfirewall']);
  assert.ok(script.rules.some(({ src_port }) => String(src_port) === '81'));
});

test('reload: a configuration that is refused changes no rule', ({ script }) => {
  script.run('start');
  const before = script.rules;
  script.configure('oneip', web.replace("'80'", "'81'"));
  script.answer(1);
  assert.equal(script.run('reload'), { status: 1, calls: ['oneip\treload'], text: '' });
  assert.equal(script.rules, before);
});

test('reload: a daemon that is just starting is waited for', ({ script }) => {
  script.run('start');
  script.answer(3);
  script.appear();
  assert.equal(script.run('reload').calls, ['oneip\treload', 'wait', 'oneip\treload', 'set_data']);
});

test('reload: one that never appears is told', ({ script }) => {
  script.run('start');
  script.answer(3);
  const { calls, status } = script.run('reload');
  assert.equal(calls, ['oneip\treload', 'wait']);
  assert.is(status, 3);
});

test('reload: one that does not run is started', ({ script }) => {
  script.run('reload');
  assert.ok(script.isRunning);
});

test('publish: rules follow zones', ({ script }) => {
  script.run('start');
  script.configure(
    'firewall',
    (zones['firewall'] ?? '').replaceAll("'lan'", "'home'").replace("network 'home'", "network 'lan'"),
  );
  assert.equal(script.run('publish').calls, ['set_data', 'changed\tfirewall']);
  assert.ok(script.rules.some(({ src }) => src === 'home'));
});

test('publish: a trigger that comes after the end starts nothing', ({ script }) => {
  script.run('start');
  script.run('stop');
  assert.equal(script.run('publish'), { status: 0, calls: [], text: '' });
  assert.is(script.isRegistered, false);
});

test('stop: a daemon that runs cleans up itself; the firewall forgets', ({ script }) => {
  script.run('start');
  assert.equal(script.run('stop').calls, ['delete', 'changed\tfirewall']);
});

test('stop: what a dead one has left is undone', ({ script }) => {
  script.run('start');
  script.die();
  assert.equal(script.run('stop').calls, ['delete', 'oneip\tcleanup', 'changed\tfirewall']);
});

test('stop: the firewall keeps the rules while the package is replaced, for they keep servers from being masqueraded', ({
  script,
}) => {
  script.run('start');
  const before = script.rules;
  assert.ok(before.length > 0);
  script.environment = { PKG_UPGRADE: '1' };
  const { calls } = script.run('stop');
  assert.is(calls[0], 'delete');
  assert.not(calls.includes('changed\tfirewall'));
  assert.equal(script.rules, before);
  assert.is(script.isRunning, false);
  assert.not(script.run('start').calls.includes('changed\tfirewall'));
  assert.is(script.isRunning, true);

  script.environment = { PKG_UPGRADE: '0' };
  script.run('stop');
  script.environment = { PKG_UPGRADE: '1' };
  assert.not(script.run('stop').calls.includes('set'), 'what was stopped before has no rules');
  assert.is(script.isRegistered, false);
});

test('a machine that is one of the servers is none that hands packets out', ({ script }) => {
  script.run('start');
  script.configure('oneip-server', "config globals 'globals'\noption enabled '1'");
  const { calls } = script.run('reload');
  assert.not(calls.includes('oneip\treload'));
  assert.not(
    calls.some((line) => line.startsWith('param\t')),
    'no program is started',
  );
  assert.is(calls.filter((line) => line.startsWith('logger\t')).length, 1);
  assert.equal(script.rules, []);
  assert.not(script.run('stop').calls.includes('oneip\tcleanup'), "what is there is the server's");
  script.configure('oneip-server', "config globals 'globals'\noption enabled '0'");
  assert.ok(script.run('start').calls.includes('param\tcommand\t/oneip\tdaemon'));
});

test('check: what the program says', ({ script }) => {
  assert.equal(script.run('check', '--json').calls, ['oneip\tcheck --json']);
});

test.run();
