import { decodeUtf8, fileStatus, makeDirectory, readFile, writeFile } from 'oneip:runtime';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Hotplug } from '../../src/host/hotplug.ts';
import { removeScratch, run, scratchPath } from './support/script.ts';
import { until } from './support/turns.ts';

/** A directory of scripts, and the file that they write to. */
interface Stage {
  readonly directory: string;
  readonly report: string;
  readonly log: string[];
  readonly hotplug: Hotplug;
}

function stage(
  scripts: (report: string) => Record<string, string>,
  options: { program?: string; timeout?: number } = {},
): Stage {
  const directory = `${scratchPath()}.d`;
  const report = scratchPath();
  makeDirectory(directory);
  for (const [name, text] of Object.entries(scripts(report))) writeFile(`${directory}/${name}`, text);
  const log: string[] = [];
  const hotplug = new Hotplug({
    log: (line) => log.push(line),
    directory,
    program: '/nowhere/hotplug-call',
    ...options,
  });
  return { directory, report, log, hotplug };
}

const linesOf = (file: string): string[] =>
  fileStatus(file) === null ? [] : decodeUtf8(readFile(file)).split('\n').slice(0, -1);

test('scripts are sourced in the order of their names, each by itself, with what the event says', async () => {
  const { directory, report, log, hotplug } = stage((file) => ({
    // Not executable, without #!, and 10 comes before 9.
    '10-first': `echo "first $ACTION $SERVICE $SERVER $REASON $HOTPLUG_TYPE $1" >>${file}; SERVER=changed; exit 5`,
    '9-second': `echo "second $SERVER \${ONEIP_ROOT-clean}" >>${file}`,
  }));
  makeDirectory(`${directory}/a-directory`);
  hotplug.run({ action: 'down', service: 'web', server: 'web1', reason: "it's $(gone)" });
  hotplug.run({ action: 'reload' });
  await until(() => linesOf(report).length === 4, 'both events have been told');
  assert.equal(linesOf(report), [
    "first down web web1 it's $(gone) oneip oneip",
    'second web1 clean',
    'first reload    oneip oneip',
    'second  clean',
  ]);
  assert.equal(log, []);
});

test('hotplug-call is used where it is', async () => {
  const program = scratchPath();
  const { report, hotplug } = stage(() => ({ script: 'exit 1' }), { program });
  writeFile(program, `#!/bin/sh\necho "$# $1 $ACTION $SERVER" >>${report}\n`);
  assert.is((await run(['chmod', '755', program])).status, 0);
  hotplug.run({ action: 'up', server: 'web1' });
  await until(() => linesOf(report).length === 1, 'it has been called');
  assert.equal(linesOf(report), ['1 oneip up web1']);
});

test('one event at a time; beyond sixteen that wait they are dropped, and that is said', async () => {
  const gate = scratchPath();
  const { report, log, hotplug } = stage((file) => ({
    script: `while [ ! -e ${gate} ]; do sleep 0.01; done; echo "begin $ACTION" >>${file}; echo "end $ACTION" >>${file}`,
  }));
  for (let number = 1; number <= 20; number++) hotplug.run({ action: `a${number}`, server: 'web1' });
  assert.equal(log, ['hotplug: 16 events wait for scripts already; dropped: a18 web1']);
  writeFile(gate, '');
  await until(() => linesOf(report).length === 34, 'seventeen events have been told');
  const expected = Array.from({ length: 17 }, (_, index) => [`begin a${index + 1}`, `end a${index + 1}`]).flat();
  assert.equal(linesOf(report), expected);
  hotplug.run({ action: 'later' });
  await until(() => linesOf(report).at(-1) === 'end later', 'it goes on');
});

test('scripts that complain, hang, or cannot be started are told in the log, and stop nothing', async () => {
  const loud = stage((file) => ({ script: `echo "first\nsecond" >&2; echo "$ACTION" >>${file}` }));
  loud.hotplug.run({ action: 'up' });
  await until(() => loud.log.length === 1, 'the complaint is logged');
  assert.equal(loud.log, ['hotplug: up: first second']);

  const hanging = stage((file) => ({ script: `[ "$ACTION" = up ] && sleep 60; echo "$ACTION" >>${file}` }), {
    timeout: 100,
  });
  hanging.hotplug.run({ action: 'up' });
  hanging.hotplug.run({ action: 'down' });
  await until(() => linesOf(hanging.report).length === 1, 'the second event is told');
  assert.equal(linesOf(hanging.report), ['down']);
  assert.equal(hanging.log, ['hotplug: up: the scripts took longer than 0.1 s and were killed']);

  const program = scratchPath();
  writeFile(program, 'not executable');
  const broken = stage(() => ({ script: '' }), { program });
  broken.hotplug.run({ action: 'up' });
  broken.hotplug.run({ action: 'down' });
  await until(() => broken.log.length === 2, 'both are logged');
  assert.match(broken.log[1] ?? '', /^hotplug: down: /);
});

test('nothing is started where there are no scripts, or after the end', async () => {
  const program = scratchPath();
  const { directory, report, log, hotplug } = stage(() => ({}), { program });
  writeFile(program, `#!/bin/sh\necho "$ACTION" >>${report}\n`);
  assert.is((await run(['chmod', '755', program])).status, 0);
  hotplug.run({ action: 'none' });
  writeFile(`${directory}/script`, '');
  hotplug.run({ action: 'one' });
  hotplug.run({ action: 'waits' });
  hotplug.close();
  hotplug.run({ action: 'late' });
  await until(() => linesOf(report).length === 1, 'the first is told');
  // Whatever had been started before this program has ended by now.
  assert.is((await run([program], { env: { ACTION: 'last' } })).status, 0);
  assert.equal(linesOf(report), ['one', 'last']);
  assert.equal(log, []);
  const absent = new Hotplug({ log: (line) => log.push(line), directory: '/nowhere', program });
  absent.run({ action: 'up' });
  assert.equal(log, []);
});

test.after(removeScratch);
test.run();
