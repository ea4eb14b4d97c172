import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { formatStatus } from '../../src/cli/status-table.ts';
import type { ServerStatus } from '../../src/service/control.ts';
import { serverStatus, serviceStatus } from './support/fake-control.ts';

function tableOf(...servers: ServerStatus[]): string {
  return formatStatus({ version: '1', uptime: 5, services: [serviceStatus('web', { servers })] });
}

test('what servers report of their load is shown, and who is silent', () => {
  const report = { age: 0.3, current: true };
  const table = tableOf(
    serverStatus('web1', { report: { ...report, cpu: 0.25, connections: 340, script: 4.5 } }),
    serverStatus('web2', { report: { ...report, cpu: 0, connections: 0 } }),
    serverStatus('web3', { report: { ...report, age: 61, cpu: 0.5 } }),
    serverStatus('web4', {}),
  );
  const [, titles = '', ...rows] = table.split('\n');
  assert.match(titles, / load\b/);
  assert.match(rows[0] ?? '', / 25(\.0)? ?% · 340 · 4\.5\b/);
  assert.match(rows[1] ?? '', / 0(\.0)? ?% · 0\b/);
  assert.match(rows[2] ?? '', / silent 1m/);
  assert.not.match(rows[3] ?? '', /·|silent/);
});

test('without reports there is no such column', () => {
  assert.not.match(tableOf(serverStatus('web1', {})), / load\b/);
});

test.run();
