import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { formatJson } from '../../src/cli/json.ts';
import type { JsonValue } from '../../src/cli/json.ts';
import { readStatus } from '../../src/cli/status-reader.ts';
import type { DaemonStatus } from '../../src/service/control.ts';
import { formatMetrics } from '../../src/service/metrics.ts';
import { statusReply } from '../../src/service/status-reply.ts';
import { decodeTable, encodeTable } from '../../src/ubus/blobmsg.ts';
import type { Table } from '../../src/ubus/blobmsg.ts';
import { serverStatus, serviceStatus } from '../unit/support/fake-control.ts';

// The collectors of both node exporters against `oneip metrics`, on the same reply. What stands around them here prints as
// the exporters do.
const collectors = 'openwrt-feed/prometheus-node-exporter-oneip/files';
const folder = mkdtempSync(join(tmpdir(), 'oneip-metrics-'));
test.after(() => rmSync(folder, { recursive: true }));

/** As it comes from the bus. */
function replyOf(status: DaemonStatus): Table {
  const reply = decodeTable(encodeTable(statusReply(status)));
  assert.ok(reply);
  return reply;
}

const STATUSES: Readonly<Record<string, DaemonStatus>> = {
  'all that there can be': {
    version: '1.2.3',
    uptime: 100.5,
    failing: 'nft: no such file',
    refused: { forged: 3, replayed: 0, old: 1, truncated: 0, unknown: 0 },
    services: [
      serviceStatus('web', {
        slots: 1024,
        transition: { since: 1, until: 2, slots: 77, kept: [{ server: 'web2', packets: 5n, idle: 1 }] },
        servers: [
          serverStatus('web1', { share: 1 / 3, probe: { passed: true, reason: 'ok', latency: 0.34, age: 1 } }),
          serverStatus('web2', {
            ...{ state: 'draining', weight: 0, share: 0, slots: 0 },
            report: { age: 0.25, well: true, reason: '', current: true, connections: 17, cpu: 0.5, script: 2.5 },
          }),
          serverStatus('web3', {
            ...{ state: 'down', damped: true, probe: { passed: false, reason: 'silence', age: 1 } },
            report: { age: 1, well: false, reason: 'nobody listens', current: false, connections: 0, cpu: 0 },
          }),
          serverStatus('web4', {
            report: { age: 1, current: false },
            ...{ share: 1, packets: 123_456_789_012_345n, bytes: 2n ** 53n, connections: 11 },
          }),
          serverStatus('web5', { state: 'disabled', probe: { passed: true, reason: '', latency: 0, age: 0 } }),
        ],
      }),
      serviceStatus('dns', { inactive: 'device absent', servers: [serverStatus('web1', { state: 'drained' })] }),
    ],
  },
  'a service without servers': { version: '1', uptime: 0, services: [serviceStatus('web', { servers: [] })] },
  'no service': { version: '1', uptime: 0, services: [] },
};

/** Values by metric and labels, the latter in the order of their names; each metric has one type and is in one piece. */
function read(text: string): Map<string, string> {
  const values = new Map<string, string>();
  const declared = new Set<string>();
  let current = '';
  for (const line of text.trimEnd().split('\n')) {
    const [, declaration, type] = /^# TYPE (\w+) (gauge|counter)$/.exec(line) ?? [];
    if (declaration !== undefined) {
      assert.not(declared.has(declaration), `${declaration} is there twice`);
      assert.is(type, declaration.endsWith('_total') ? 'counter' : 'gauge', declaration);
      declared.add(declaration);
      current = declaration;
      continue;
    }
    if (line.startsWith('# HELP ')) continue;
    const [, name, , labels = '', value = ''] = /^(\w+)(\{(.*)\})? ([\d.]+)$/.exec(line) ?? [];
    assert.is(name, current, `of another metric: ${line}`);
    const key = `${name}{${labels.split(',').sort().join(',')}}`;
    assert.not(values.has(key), `${key} is there twice`);
    values.set(key, value.includes('.') ? String(Number(value)) : value);
  }
  return values;
}

/** Runs a program that is given as text. */
function run(program: string, args: readonly string[], text: string): string {
  const file = join(folder, 'program');
  writeFileSync(file, text);
  const { stdout, stderr, error, status } = spawnSync(program, [...args, file], { encoding: 'utf8' });
  if (error) throw error;
  assert.equal([status, stderr], [0, ''], program);
  return stdout;
}

function luaValue(value: JsonValue): string {
  if (value === null || value === undefined) return 'nil';
  if (Array.isArray(value)) return `{${value.map(luaValue).join(',')}}`;
  if (typeof value !== 'object') return formatJson(value);
  const members = Object.entries(value as Readonly<Record<string, JsonValue>>);
  return `{${members.map(([name, member]) => `["${name}"]=${luaValue(member)}`).join(',')}}`;
}

/** What a call is answered by: nothing where there is no daemon, and nobody to be called where there is no bus. */
type Answer = Table | null | 'no bus';

function byLua(answer: Answer): string {
  const isThere = answer !== 'no bus';
  return run(
    'lua5.1',
    [],
    `package.preload.ubus = function()
      local connection = {}
      function connection:call(object, method, arguments)
        assert(object == "oneip" and method == "status" and next(arguments) == nil)
        return ${luaValue(answer as JsonValue)}
      end
      function connection:close() self.call = nil; closed = true end
      return { connect = function() return ${isThere ? 'connection' : 'nil'} end }
    end
    function metric(name, kind, labels, value)
      print("# TYPE " .. name .. " " .. kind)
      local function emit(labels, value)
        if value == nil then return end
        local parts = {}
        for label, text in pairs(labels or {}) do parts[#parts + 1] = label .. '="' .. text .. '"' end
        print(name .. (labels and "{" .. table.concat(parts, ",") .. "}" or "") .. " " .. value)
      end
      if value then emit(labels, value) end
      return emit
    end
    dofile("${collectors}/oneip.lua").scrape()
    assert(closed or not ${String(isThere)}, "the connection stays open")`,
  );
}

type Emit = (labels: Readonly<Record<string, string>>, value: unknown) => void;

/** The collector for ucode, taken for JavaScript. */
function byJavaScript(answer: Answer): string {
  const lines: string[] = [];
  const metric =
    (type: string) =>
    (name: string, help: string): Emit => {
      let told = false;
      return (labels, value) => {
        if (!told) lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
        told = true;
        const parts = Object.entries(labels).map(([label, text]) => `${label}="${text}"`);
        lines.push(`${name}${parts.length > 0 ? `{${parts.join(',')}}` : ''} ${String(value)}`);
      };
    };
  const ubus = {
    call: (...asked: unknown[]) => {
      assert.equal(asked, ['oneip', 'status', {}]);
      return answer;
    },
  };
  const sprintf = (format: string, value: unknown) => {
    assert.is(format, '%.6f');
    return Number(value).toFixed(6);
  };
  const text = `'use strict';\n${readFileSync(`${collectors}/oneip.uc`, 'utf8')}`;
  const collect = new Function('ubus', 'gauge', 'counter', 'sprintf', text) as (...scope: unknown[]) => void;
  collect(answer === 'no bus' ? null : ubus, metric('gauge'), metric('counter'), sprintf);
  return lines.join('\n');
}

const hasUcode = spawnSync('ucode', ['-e', '']).status === 0;

function byUcode(answer: Answer): string {
  return run(
    'ucode',
    [],
    `function metric(name, kind) {
      let told = false;
      return function(labels, value) {
        if (!told) print("# TYPE ", name, " ", kind, "\\n");
        told = true;
        let parts = map(keys(labels), l => l + '="' + labels[l] + '"');
        print(name, length(parts) ? "{" + join(",", parts) + "}" : "", " ", type(value) == "string" ? +value : value, "\\n");
      };
    }
    call(loadfile("${collectors}/oneip.uc", { strict_declarations: true, raw_mode: true }), null, {
      ubus: ${answer === 'no bus' ? 'null' : `{ call: () => (${formatJson(answer as JsonValue)}) }`},
      gauge: (name, help) => metric(name, "gauge"),
      counter: (name, help) => metric(name, "counter"),
      sprintf,
    });`,
  );
}

// There is no package of ucode for Debian.
if (!hasUcode) console.log('# no ucode here: its collector was run as JavaScript only');
const WAYS = { lua: byLua, javascript: byJavaScript, ...(hasUcode && { ucode: byUcode }) };

for (const [way, collect] of Object.entries(WAYS)) {
  for (const [what, status] of Object.entries(STATUSES)) {
    test(`${way}: the same metrics as oneip prints: ${what}`, () => {
      const reply = replyOf(status);
      const expected = read(formatMetrics(readStatus(reply)));
      assert.equal(Object.fromEntries(read(collect(reply))), Object.fromEntries(expected));
    });
  }

  test(`${way}: nobody answers, or there is no bus`, () => {
    for (const answer of [null, 'no bus'] as const) {
      assert.equal(Object.fromEntries(read(collect(answer))), { 'oneip_up{}': '0' }, String(answer));
    }
  });
}

test('the reply that they are compared on has every metric', () => {
  const [fullest] = Object.values(STATUSES);
  assert.ok(fullest);
  const names = new Set([...read(formatMetrics(readStatus(replyOf(fullest)))).keys()].map((key) => key.split('{')[0]));
  const known = [...readFileSync('src/service/metrics.ts', 'utf8').matchAll(/'(oneip_\w+)'/g)].map(([, name]) => name);
  assert.equal([...names].sort(), known.sort());
});

test('help is the same in ucode', () => {
  const [fullest] = Object.values(STATUSES);
  assert.ok(fullest);
  const reply = replyOf(fullest);
  const helps = (text: string) => text.split('\n').filter((line) => line.startsWith('# HELP '));
  assert.equal(helps(byJavaScript(reply)), helps(formatMetrics(readStatus(reply))));
});

test.run();
