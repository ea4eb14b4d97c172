import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { checkEnvironment } from '../../src/config/check-environment.ts';
import { formatProblem } from '../../src/config/report.ts';
import { loadConfiguration } from '../../src/config/validate.ts';
import { buildRuleset } from '../../src/ruleset/build.ts';
import { deployment, environment } from '../unit/support/deployments.ts';
import type { EnvironmentOptions } from '../unit/support/deployments.ts';
import { printRuleset } from './print.ts';

// Each folder is a case: `oneip` goes in; `warnings` and `ruleset` must come out. GOLDEN_REFRESH=1 writes them anew; then
// read the difference. What packets make of such rulesets is proved in the lab.
const folder = join(process.env.ONEIP_ROOT ?? '.', 'test/golden/ruleset');
const refresh = process.env.GOLDEN_REFRESH === '1';

function expected(path: string, actual: string): string {
  if (refresh) writeFileSync(path, actual);
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

for (const name of readdirSync(folder).sort()) {
  test(name, () => {
    const at = (file: string) => join(folder, name, file);
    const options = existsSync(at('environment.json')) ? readFileSync(at('environment.json'), 'utf8') : '{}';
    const router = environment(JSON.parse(options) as EnvironmentOptions);
    const { model, problems, positions } = loadConfiguration(readFileSync(at('oneip'), 'utf8'), 'oneip');
    const { problems: found, refused } = checkEnvironment(model, router, positions);
    const warnings = [...problems, ...found].map((problem) => `${formatProblem(problem)}\n`).join('');
    assert.is(warnings, expected(at('warnings'), warnings));
    const services = model.services.filter((service) => !refused.has(service.name));
    const text = printRuleset(buildRuleset(deployment(services, router)));
    assert.is(text, expected(at('ruleset'), text));
  });
}

test.run();
