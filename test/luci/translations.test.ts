import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Node } from 'typescript';
import { packageFolder } from './module.ts';
import { readScript, ts } from './syntax.ts';

// The template that translators work from holds every text of the pages. GOLDEN_REFRESH=1 writes it anew.

const template = join(packageFolder, 'po/templates/oneip.pot');

function filesUnder(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort();
}

/** The texts that a script passes to `_`, which must be plain: xgettext reads no expressions. */
function textsOfScript(file: string): string[] {
  const texts: string[] = [];
  const visit = (node: Node): void => {
    if (ts.isCallExpression(node) && node.expression.getText() === '_') {
      const [text] = node.arguments;
      if (!text || !ts.isStringLiteral(text)) throw new Error(`${file}: ${node.getText()} is no plain text`);
      texts.push(text.text);
    }
    ts.forEachChild(node, visit);
  };
  visit(readScript(file));
  return texts;
}

/** Titles of the menu, and descriptions of what may be granted. */
function textsOfTable(file: string): string[] {
  const entries = Object.values(JSON.parse(readFileSync(file, 'utf8')) as Record<string, Record<string, string>>);
  return entries.map(({ title, description }) => title ?? description ?? '');
}

function quoted(text: string): string {
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`;
}

function makeTemplate(): string {
  const places = new Map<string, Set<string>>();
  for (const folder of ['htdocs', 'root']) {
    for (const file of filesUnder(join(packageFolder, folder))) {
      const texts = file.endsWith('.js') ? textsOfScript(file) : textsOfTable(file);
      for (const text of texts) {
        places.set(text, (places.get(text) ?? new Set()).add(relative(packageFolder, file)));
      }
    }
  }
  const entries = [...places]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([text, files]) => `${[...files].map((file) => `#: ${file}\n`).join('')}msgid ${quoted(text)}\nmsgstr ""\n`);
  return ['msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8"\n', ...entries].join('\n');
}

test('the template has all texts, and no others', () => {
  const wanted = makeTemplate();
  if (process.env['GOLDEN_REFRESH']) writeFileSync(template, wanted);
  assert.fixture(readFileSync(template, 'utf8'), wanted);
  assert.ok((wanted.match(/^msgid /gm) ?? []).length > 100);
});

test.run();
