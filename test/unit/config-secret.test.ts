import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { withoutSecrets } from '../../src/config/redact.ts';
import { formatProblem } from '../../src/config/report.ts';
import { loadConfiguration } from '../../src/config/validate.ts';

const KEY = "correct.horse/battery+staple'";

/** Ways of writing a key. */
const writings = [
  `config globals 'globals'\n\toption key "${KEY}"\n\toption enabled '1'\n`,
  `config globals\n\toption 'key' ${KEY.slice(0, -1)}\\'\n`,
  `config globals 'globals'; option key "${KEY}"; option enabled 1\n`,
  `config globals 'globals'\n\toption key "${KEY.slice(0, 5)}"\\\n"${KEY.slice(5)}"\n\toption enabled '1'\n`,
  `config globals 'globals'\n\tlist key "${KEY}"\n`,
  `# was ${KEY}\nconfig globals 'globals'\n\toption key "${KEY}"\n`,
  `config service 'web'\n\toption key "${KEY}"\n`,
  `config globals 'globals'\n\toption key "${KEY} with a blank"\n`,
  `config globals 'globals'\n\toption key "${KEY.slice(0, 10)}"\n`,
  `config globals 'globals'\n\toption key "${KEY}\n\toption enabled '1'\n`,
];

test('a text that is shown has no key in it, however that was written', () => {
  for (const text of writings) {
    const shown = withoutSecrets(text);
    for (const part of [KEY, KEY.slice(0, 10), KEY.slice(6, 16)]) assert.not.ok(shown.includes(part), text);
  }
});

test('what is no secret stays as it is', () => {
  const text = `config globals 'globals'\n\toption key '${'k'.repeat(16)}'\n\toption mark_base '0x10000'\n# the key to it\n`;
  assert.is(withoutSecrets(text), text.replace('k'.repeat(16), '*'.repeat(16)));
  const none = "config service 'web'\n\tlist ghost '198.51.100.1'\n\toption keys '1'\n";
  assert.is(withoutSecrets(none), none);
});

test('no message shows a key', () => {
  for (const text of writings) {
    const said = loadConfiguration(text, 'oneip').problems.map(formatProblem).join('\n');
    assert.not.ok(said.includes(KEY.slice(0, 10)), said);
  }
});

test('a key is 16 to 128 printable characters', () => {
  const keyOf = (key: string) => loadConfiguration(`config globals 'globals'\n\toption key '${key}'\n`, 'oneip');
  for (const key of ['k'.repeat(16), 'k'.repeat(128), '!~azAZ09+/=.,;:-']) {
    assert.is(keyOf(key).model.globals.key, key);
    assert.equal(keyOf(key).problems, []);
  }
  for (const [key, reason] of [
    ['k'.repeat(15), 'is too short'],
    ['k'.repeat(129), 'is too long'],
    ['sixteen letters.', 'has others than printable ASCII characters'],
    ['kkkkkkkkkkkkkkkkü', 'has others than printable ASCII characters'],
  ] as const) {
    const { model, problems } = keyOf(key);
    assert.is(model.globals.key, undefined);
    assert.is(problems[0]?.message, `the value ${reason}`);
  }
});

test.run();
