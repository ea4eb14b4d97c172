import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { sectionTypes } from '../../src/config/options.ts';
import { configurationReference, replaceReference } from '../../src/config/reference.ts';
import { formatProblem } from '../../src/config/report.ts';
import { loadConfiguration } from '../../src/config/validate.ts';

const file = 'docs/configuration.md';

test('the reference page has the options as they are (UPDATE_GOLDEN=1 writes it)', () => {
  const page = readFileSync(file, 'utf8');
  const current = replaceReference(page);
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(file, current);
  else assert.ok(page === current, `${file} is not up to date: run this test with UPDATE_GOLDEN=1`);
});

test('the reference names every option of every section type', () => {
  const reference = configurationReference();
  for (const [type, table] of Object.entries(sectionTypes)) {
    const part = reference.slice(reference.indexOf(`config ${type} `));
    for (const [key, option] of Object.entries(table)) {
      assert.ok(part.includes(`| \`${option.kind === 'list' ? 'list' : 'option'} ${key}\` | `), `${type}.${key}`);
    }
  }
});

test('the examples of the page are right', () => {
  const page = readFileSync(file, 'utf8');
  const examples = [...page.matchAll(/^```\n(config [^]*?)^```$/gm)].map(([, text = '']) => text);
  assert.ok(examples.length >= 2);
  for (const text of examples) {
    const problems = loadConfiguration(text, 'example').problems.filter(({ message }) => message !== 'has no server');
    assert.equal(problems.map(formatProblem), []);
  }
});

test.run();
