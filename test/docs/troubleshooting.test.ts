import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

const page = readFileSync('docs/troubleshooting.md', 'utf8');

/** True where the sources have the text. */
function isSaid(text: string): boolean {
  const found = execFileSync('sh', ['-c', 'grep -rlF -- "$1" src || true', 'sh', text], { encoding: 'utf8' });
  return found !== '';
}

test('reasons, and what the log and the program say, are as the page quotes them', () => {
  const [, table = ''] = /\n\| reason [^\n]*\n\|[-| ]*\n([^]*?)\n\n/.exec(page) ?? [];
  const reasons = [...table.matchAll(/^\| ([^|]*?) +\|/gm)].flatMap(([, cell = '']) => cell.split(', '));
  const quoted = [...page.matchAll(/“([^”]*)”/g)].map(([, text = '']) => text);
  const parts = [...reasons, ...quoted, 'the configuration has errors; the one in force stays']
    .flatMap((text) => text.split('…'))
    .map((text) =>
      text
        .trim()
        .replace(/^s$/, '')
        .replace(/\b404\b/, ''),
    )
    .filter((text) => text !== '' && text !== 'and the ghost is there');
  assert.ok(parts.length >= 10, parts.join('; '));
  for (const part of parts) assert.ok(isSaid(part.trim()), part);
});

test.run();
