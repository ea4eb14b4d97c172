import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { checkEnvironment } from '../../src/config/check-environment.ts';
import { formatProblem } from '../../src/config/report.ts';
import { loadConfiguration } from '../../src/config/validate.ts';
import type { Deployment } from '../../src/deployment/deployment.ts';
import { buildRuleset } from '../../src/ruleset/build.ts';
import { step } from '../../src/transition/state.ts';
import type { TransitionState } from '../../src/transition/state.ts';
import { deployment, environment } from '../unit/support/deployments.ts';
import type { EnvironmentOptions } from '../unit/support/deployments.ts';
import { printRuleset } from './print.ts';

// Each folder is a case: `oneip` goes in, with what happens then in `changes.json`; `warnings` and `ruleset` must come out. GOLDEN_REFRESH=1 writes them anew; then
// read the difference. What packets make of such rulesets is proved in the lab.
const folder = join(process.env.ONEIP_ROOT ?? '.', 'test/golden/ruleset');
const refresh = process.env.GOLDEN_REFRESH === '1';

function expected(path: string, actual: string): string {
  if (refresh) writeFileSync(path, actual);
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

/** Every so manieth slot of a service that one server has goes to another, a second after the change before. */
interface Move {
  readonly service: string;
  readonly from: string;
  readonly to: string;
  readonly every: number;
  readonly family?: 4 | 6;
  /** Servers that have failed by then. */
  readonly dead?: readonly string[];
}

function afterMoves(deployment: Deployment, moves: readonly Move[]): Deployment {
  const services = deployment.services.map((deployed) => {
    const { service, servers } = deployed;
    const indexOf = (wanted: string) => servers.findIndex(({ name }) => name === wanted);
    let { tables } = deployed;
    let state: TransitionState | undefined;
    for (const [index, { from, to, every, family, dead = [] }] of moves
      .filter((one) => one.service === service.name)
      .entries()) {
      const move = (table: Uint16Array) => {
        let seen = 0;
        return table.map((owner) => (owner === indexOf(from) && seen++ % every === 0 ? indexOf(to) : owner));
      };
      const both = move(tables[4] ?? new Uint16Array());
      const one = family && { ...tables, [family]: move(tables[family] ?? new Uint16Array()) };
      const after = { tables: one ?? { 4: both, 6: both }, servers };
      const alive = (server: string) => !dead.includes(server);
      state = step(state, { service, before: { tables, servers }, after, alive, now: 1000 * (index + 1) });
      tables = after.tables;
    }
    return { ...deployed, tables, ...(state ? { transition: state.transition } : {}) };
  });
  return { ...deployment, services };
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
    const moves = existsSync(at('changes.json')) ? readFileSync(at('changes.json'), 'utf8') : '[]';
    const deployed = afterMoves(deployment(services, router), JSON.parse(moves) as Move[]);
    const text = printRuleset(buildRuleset(deployed));
    assert.is(text, expected(at('ruleset'), text));
  });
}

test.run();
