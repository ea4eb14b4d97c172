import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { formatMetrics } from '../../src/service/metrics.ts';
import { serverStatus, serviceStatus } from './support/fake-control.ts';

/** Values of one metric: the rest of its lines. */
function valuesOf(text: string, name: string): string[] {
  const lines = text.split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
  return lines.map((line) => line.slice(name.length));
}

const status = {
  version: '1.2.3',
  uptime: 100.5,
  services: [
    serviceStatus('web', {
      transition: { since: 1, until: 2, slots: 1024, kept: [] },
      servers: [
        serverStatus('web1', { probe: { passed: true, reason: 'ok', latency: 0.34, age: 1 }, share: 1 / 3 }),
        serverStatus('web2', { state: 'down', damped: true, probe: { passed: false, reason: 'no answer', age: 1 } }),
        serverStatus('web3', { packets: 2n ** 63n, bytes: 2n ** 64n - 1n }),
      ],
    }),
    serviceStatus('dns', { inactive: 'device absent', servers: [] }),
  ],
};

test('states are one gauge for each, of which one is 1', () => {
  assert.equal(valuesOf(formatMetrics(status), 'oneip_server_state').slice(0, 6), [
    '{service="web",server="web1",state="up"} 1',
    '{service="web",server="web1",state="down"} 0',
    '{service="web",server="web1",state="draining"} 0',
    '{service="web",server="web1",state="drained"} 0',
    '{service="web",server="web1",state="disabled"} 0',
    '{service="web",server="web2",state="up"} 0',
  ]);
});

test('counters keep all their digits', () => {
  const text = formatMetrics(status);
  assert.is(valuesOf(text, 'oneip_server_packets_total')[2], '{service="web",server="web3"} 9223372036854775808');
  assert.is(valuesOf(text, 'oneip_server_bytes_total')[2], '{service="web",server="web3"} 18446744073709551615');
  assert.match(text, '# TYPE oneip_server_bytes_total counter\n');
});

test('shares and seconds have six digits behind the point', () => {
  const text = formatMetrics(status);
  assert.is(valuesOf(text, 'oneip_server_share')[0], '{service="web",server="web1"} 0.333333');
  assert.equal(valuesOf(text, 'oneip_probe_latency_seconds'), ['{service="web",server="web1"} 0.000340']);
  assert.equal(valuesOf(text, 'oneip_uptime_seconds'), [' 100']);
});

test('what nobody has measured has no value', () => {
  const text = formatMetrics(status);
  assert.equal(valuesOf(text, 'oneip_probe_success'), [
    '{service="web",server="web1"} 1',
    '{service="web",server="web2"} 0',
  ]);
  const unwatched = formatMetrics({ ...status, services: [serviceStatus('web')] });
  assert.not.match(unwatched, 'oneip_probe');
});

test('services: what runs, and what is in the middle of a change', () => {
  const text = formatMetrics(status);
  assert.equal(valuesOf(text, 'oneip_service_running'), ['{service="web"} 1', '{service="dns"} 0']);
  assert.equal(valuesOf(text, 'oneip_transition_active'), ['{service="web"} 1', '{service="dns"} 0']);
  assert.equal(valuesOf(text, 'oneip_transition_slots'), ['{service="web"} 1024', '{service="dns"} 0']);
  assert.equal(valuesOf(text, 'oneip_failing'), [' 0']);
  assert.equal(valuesOf(formatMetrics({ ...status, failing: 'nft: no' }), 'oneip_failing'), [' 1']);
});

test('labels are escaped', () => {
  const text = formatMetrics({ ...status, version: 'a"b\\c\nd' });
  assert.equal(valuesOf(text, 'oneip_build_info'), ['{version="a\\"b\\\\c\\nd"} 1']);
});

test('nobody answers', () => {
  assert.is(
    formatMetrics(undefined),
    '# HELP oneip_up Whether the daemon answers\n# TYPE oneip_up gauge\noneip_up 0\n',
  );
});

test.run();
