import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { formatProblem, hasErrors, summarizeProblems } from '../../src/config/report.ts';
import { loadConfiguration } from '../../src/config/validate.ts';
import { sectionCases } from '../golden/check/sections.ts';
import { dispatchCases } from '../golden/check/dispatch.ts';
import { adaptationCases } from '../golden/check/adaptation.ts';
import { placementCases } from '../golden/check/placement.ts';
import { serviceCases } from '../golden/check/services.ts';
import { syntaxCases } from '../golden/check/syntax.ts';
import { translationCases } from '../golden/check/translation.ts';
import { valueCases } from '../golden/check/values.ts';
import { watchdogCases, watchdogValueCases } from '../golden/check/watchdogs.ts';

const complaints = (uci: string): string[] => loadConfiguration(uci, 'oneip').problems.map(formatProblem);

for (const { title, uci, problems } of [
  ...syntaxCases,
  ...sectionCases,
  ...serviceCases,
  ...dispatchCases,
  ...translationCases,
  ...placementCases,
  ...adaptationCases,
  ...watchdogCases,
]) {
  test(`check: ${title}`, () => {
    assert.equal(complaints(uci), problems);
  });
}

/** A file that is right, with one line more in one of its sections. */
const withLine = {
  globals: (line: string) => `config globals 'globals'
	${line}
`,
  service: (line: string) => `config service 'web'
	list ghost '192.0.2.1'
	${line}

config server 'one'
	list service 'web'
	option address '192.168.1.11'
`,
  server: (line: string) => `config service 'web'
	list ghost '192.0.2.1'

config server 'one'
	list service 'web'
	option address '192.168.1.11'
	${line}
`,
  watchdog: (line: string) => `config service 'web'
	list ghost '192.0.2.1'
	list port '80'

config server 'one'
	list service 'web'
	option address '192.168.1.11'

config watchdog 'look'
	option type 'http'
	${line}
`,
};

test('check: nothing is said of a file that is right', () => {
  for (const make of Object.values(withLine)) assert.equal(complaints(make('# nothing more')), []);
});

const lineCases = [...valueCases, ...watchdogValueCases];

for (const { section, line, problem } of lineCases) {
  test(`check: ${section}: ${line}`, () => {
    assert.equal(complaints(withLine[section](line)), [problem]);
  });
}

test('check: a wrong value costs the section, a wrong globals value only itself', () => {
  for (const { section, line, problem } of lineCases) {
    const { model } = loadConfiguration(withLine[section](line), 'oneip');
    const wrong = problem.includes(': error: ');
    const servers = model.services.flatMap((service) => service.servers);
    if (section === 'globals') {
      assert.equal(
        model.globals,
        {
          enabled: true,
          markBase: 0x6f690000,
          tableBase: 28416,
          rulePriority: 900,
          channelPort: 28521,
          bridgeBypass: true,
        },
        line,
      );
    } else if (section === 'service') {
      assert.is(model.services.length, wrong ? 0 : 1, line);
    } else if (section === 'watchdog') {
      assert.is(model.watchdogs.length, wrong ? 0 : 1, line);
    } else if (!line.startsWith('list service')) {
      assert.is(servers.length, wrong ? 0 : 1, line);
    }
  }
});

test('check: more than 256 servers', () => {
  const server = (_: unknown, index: number): string => `config server 's${index}'
	option service 'web'
	option address '10.0.${index >> 8}.${index & 255}'
`;
  const uci = (servers: number): string =>
    `config service 'web'\n\tlist ghost '192.0.2.1'\n${Array.from({ length: servers }, server).join('')}`;
  assert.equal(complaints(uci(256)), []);
  assert.equal(complaints(uci(257)), [
    "oneip:1: error: service 'web' has 257 servers; those behind the first 256 get no clients; accepted: at most 256 servers",
  ]);
  assert.is(loadConfiguration(uci(257), 'oneip').model.services[0]?.servers.length, 256);
});

test('report: a summary counts', () => {
  const problem = { file: 'oneip', line: 1, message: 'x' } as const;
  const error = { ...problem, severity: 'error' } as const;
  const warning = { ...problem, severity: 'warning' } as const;
  assert.is(summarizeProblems([]), 'no problems');
  assert.is(summarizeProblems([warning]), '1 warning');
  assert.is(summarizeProblems([error, warning, error]), '2 errors, 1 warning');
  assert.is(hasErrors([warning]), false);
  assert.is(hasErrors([warning, error]), true);
});

test('report: a file as a whole has no section', () => {
  assert.is(
    formatProblem({ severity: 'error', file: 'oneip', line: 7, message: 'is empty', accepted: 'something' }),
    'oneip:7: error: is empty; accepted: something',
  );
});

test.run();
