import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

const folder = mkdtempSync(join(tmpdir(), 'oneip-trace-'));
test.after(() => rmSync(folder, { recursive: true }));

const source = `
import { args } from 'oneip:runtime';

/** Far from trivial for the compressor: it is recursive, and throws by an argument. */
class Descent {
  #depth = 0;

  descend(steps: number): number {
    this.#depth += 1;
    if (steps === 0) throw new Error(\`at the bottom, \${this.#depth} steps down\`);
    return this.descend(steps - 1) + 1;
  }
}

function startOf(descent: Descent, steps: number): number {
  const reached = descent.descend(steps);
  return reached + args.length;
}

for (const steps of args.map(Number)) console.log(startOf(new Descent(), steps));
`;

/** \`file:line\` of the places where the source's text stands. */
function placeOf(text: string): string {
  const line = source.split('\n').findIndex((each) => each.includes(text)) + 1;
  return `steps.ts:${line}`;
}

test('the stack of a shortened program leads back to the lines of its sources', () => {
  const bundle = join(folder, 'oneip.js');
  writeFileSync(join(folder, 'steps.ts'), source);
  execFileSync(process.execPath, ['src/build/bundle.mjs', join(folder, 'steps.ts'), bundle, '0.0.1']);
  const run = spawnSync('build/bin/oneip-runtime', [bundle, '1'], { encoding: 'utf8' });
  assert.is(run.status, 1);
  assert.match(run.stderr, /^Uncaught: Error: at the bottom, 2 steps down\n {4}at \S+ \(.*oneip\.js:\d+:\d+\)\n/);
  const traced = execFileSync(process.execPath, ['src/build/trace.mjs', folder], { input: run.stderr });
  const places = [...String(traced).matchAll(/(steps\.ts:\d+):\d+\)/g)].map(([, place]) => place);
  assert.equal(places, [
    placeOf('throw new Error'),
    placeOf('return this.descend'),
    placeOf('const reached'),
    placeOf('for (const steps'),
  ]);
});

test.run();
