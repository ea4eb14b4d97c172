import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { formatMetrics } from '../../src/service/metrics.ts';
import { serverStatus, serviceStatus } from '../unit/support/fake-control.ts';

interface Panel {
  readonly id: number;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets: readonly { readonly expr: string }[];
}

interface Dashboard {
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly definition?: string }[] };
}

const dashboard = JSON.parse(readFileSync('docs/grafana-oneip.json', 'utf8')) as Dashboard;
const page = readFileSync('docs/metrics.md', 'utf8');

/** Types and labels of all metrics, from what is printed where everything is there. */
const exported = new Map<string, { readonly type: string; readonly labels: readonly string[] }>();
const probe = { passed: true, reason: 'ok', latency: 1, age: 1 };
const report = { age: 1, well: true, reason: '', current: true, connections: 1, cpu: 0.5, script: 1 };
const text = formatMetrics({
  version: '1',
  uptime: 1,
  refused: { forged: 1 },
  services: [serviceStatus('web', { servers: [serverStatus('web1', { probe, report, connections: 1 })] })],
});
for (const [, name = '', type = '', labels = ''] of text.matchAll(/^# TYPE (\w+) (\w+)\n\w+(\{.*\})?/gm)) {
  exported.set(name, { type, labels: [...labels.matchAll(/(\w+)=/g)].map(([, label = '']) => label) });
}

/** Every metric of an expression is exported, and has the labels that it is selected by; counters are looked at as rates only. */
function checkExpression(expression: string, where: string): void {
  const found = [...expression.matchAll(/(rate\()?\b(oneip_\w+)(?:\{([^}]*)\})?/g)];
  assert.ok(found.length > 0, where);
  for (const [, rate, name = '', selector = ''] of found) {
    const metric = exported.get(name);
    assert.ok(metric, `${where}: nobody exports ${name}`);
    assert.is(rate !== undefined, metric.type === 'counter', `${where}: ${name} is a ${metric.type}`);
    for (const [, label = ''] of selector.matchAll(/(\w+)(?:=~?|!~|!=)"/g)) {
      assert.ok([...metric.labels, 'instance', 'job'].includes(label), `${where}: ${name} has no label ${label}`);
    }
  }
}

test('every metric that the dashboard asks for is exported, with the labels it is chosen by', () => {
  let count = 0;
  for (const { title, targets } of dashboard.panels) {
    for (const { expr } of targets) {
      checkExpression(expr, title);
      count++;
    }
  }
  assert.ok(count >= 10, `${count} found`);
  for (const { name, definition } of dashboard.templating.list) {
    const [, metric = '', label = ''] = /^label_values\((\w+)(?:\{.*\})?, (\w+)\)$/.exec(definition ?? '') ?? [];
    if (definition === undefined) continue;
    assert.ok(exported.has(metric), `${name}: ${definition}`);
    assert.ok([...(exported.get(metric)?.labels ?? []), 'instance'].includes(label), `${name}: ${definition}`);
  }
});

test('variables of the dashboard are those that it has', () => {
  const known = dashboard.templating.list.map(({ name }) => name);
  const used = JSON.stringify(dashboard.panels).matchAll(/\$\{?([a-z]+)/g);
  assert.equal([...new Set([...used].map(([, name = '']) => name))].sort(), known.sort());
});

test('panels have numbers of their own, and lie side by side', () => {
  const { panels } = dashboard;
  assert.is(new Set(panels.map(({ id }) => id)).size, panels.length);
  const taken = new Map<string, string>();
  for (const { title, gridPos } of panels) {
    assert.ok(gridPos.x + gridPos.w <= 24, title);
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        assert.is(taken.get(`${x} ${y}`), undefined, `${title} lies on another`);
        taken.set(`${x} ${y}`, title);
      }
    }
  }
});

test('the page has every metric, with its type and labels, and no other', () => {
  const rows = [...page.matchAll(/^\| `(oneip_\w+)` +\| (\w+) +\| ([^|]*) \| \S/gm)];
  const told = rows.map(([, name, type, labels = '']) => [
    name,
    { type, labels: [...labels.matchAll(/`(\w+)`/g)].map(([, label]) => label) },
  ]);
  assert.equal(Object.fromEntries(told), Object.fromEntries(exported));
  assert.is(rows.length, exported.size);
});

test('the alerts ask for what is exported', () => {
  const expressions = [...page.matchAll(/^ +expr: (.*)$/gm)].map(([, expression = '']) => expression);
  assert.ok(expressions.length >= 5);
  for (const expression of expressions) checkExpression(expression, 'alert');
});

test.run();
