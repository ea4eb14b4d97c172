import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { hotplugCall } from '../../src/service/hotplug.ts';

const fixed = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C', HOTPLUG_TYPE: 'oneip' };

test('an event is told in the environment of hotplug-call, without what it does not have', () => {
  const event = { action: 'down', service: 'web', server: 'web1', reason: 'no\nanswer\0' };
  assert.equal(hotplugCall(event, '/etc/hotplug.d/oneip', '/sbin/hotplug-call'), {
    argv: ['/sbin/hotplug-call', 'oneip'],
    environment: { ...fixed, ACTION: 'down', SERVICE: 'web', SERVER: 'web1', REASON: 'no answer' },
  });
  assert.equal(hotplugCall({ action: 'reload' }, '/x', '/sbin/hotplug-call').environment, {
    ...fixed,
    ACTION: 'reload',
  });
});

test('without hotplug-call a shell gets the directory', () => {
  const { argv } = hotplugCall({ action: 'reload' }, '/etc/hotplug.d/oneip');
  assert.equal([argv[0], ...argv.slice(3)], ['/bin/sh', 'hotplug-call', 'oneip', '/etc/hotplug.d/oneip']);
});

test.run();
