import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { COMMANDS, FLAGS, OPTIONS, optionValue, parseArguments } from '../../src/cli/arguments.ts';
import type { Invocation } from '../../src/cli/arguments.ts';
import { helpText } from '../../src/cli/help.ts';

function parsed(...words: string[]): Invocation {
  const invocation = parseArguments(words);
  if (typeof invocation === 'string') throw new Error(`${words.join(' ')}: ${invocation}`);
  return invocation;
}

test('options stand before, behind and between operands, with a blank or an equals sign', () => {
  for (const words of [
    ['--config', 'a', 'simulate', '192.0.2.7', '--json'],
    ['simulate', '--json', '--config=a', '192.0.2.7'],
    ['simulate', '192.0.2.7', '--config', 'a', '--json'],
  ]) {
    const invocation = parsed(...words);
    assert.is(invocation.command, 'simulate');
    assert.equal(invocation.operands, ['192.0.2.7']);
    assert.is(optionValue(invocation, 'config'), 'a');
    assert.equal([...invocation.flags], ['json']);
  }
});

test('what is not given has its default', () => {
  const invocation = parsed('daemon');
  assert.is(optionValue(invocation, 'config'), '/etc/config/oneip');
  assert.is(optionValue(invocation, 'state'), '/var/run/oneip');
  assert.is(optionValue(invocation, 'ubus'), '/var/run/ubus/ubus.sock');
  assert.is(optionValue(invocation, 'service'), '');
});

test('values may be empty, hold equals signs, line feeds and dashes', () => {
  assert.is(optionValue(parsed('check', '--config='), 'config'), '');
  assert.is(optionValue(parsed('check', '--config=a=b\nc'), 'config'), 'a=b\nc');
  assert.is(optionValue(parsed('check', '--config', '--odd'), 'config'), '--odd');
  assert.is(optionValue(parsed('check', '--config', 'a', '--config', 'b'), 'config'), 'b');
});

test('behind -- everything is an operand; a dash alone is one', () => {
  assert.equal(parsed('check', '--', '--json').operands, ['--json']);
  assert.equal(parsed('check', '-').operands, ['-']);
});

test('help and version are answered whatever else is said', () => {
  assert.ok(parsed('--help').flags.has('help'));
  assert.ok(parsed('-h').flags.has('help'));
  assert.is(parsed('plan', '--help').command, 'plan');
  assert.ok(parsed('check', 'a', 'b', 'c', '--version').flags.has('version'));
});

for (const [words, complaint] of [
  [[], 'no command given'],
  [['--json'], 'no command given'],
  [['route'], "unknown command 'route'"],
  [['check', '--colour'], "unknown option '--colour'"],
  [['check', '-v'], "unknown option '-v'"],
  [['check', '--Config', 'x'], "unknown option '--Config'"],
  [['check', '--constructor', 'x'], "unknown option '--constructor'"],
  [['check', '--config'], "option '--config' needs a value: FILE"],
  [['check', '--json=1'], "option '--json' takes no value"],
  [['check', 'a', 'b'], "'check' takes no 'b'"],
  [['daemon', 'x'], "'daemon' takes no 'x'"],
  [['simulate'], "'simulate' needs CLIENT[:PORT]"],
  [['weight', 'web1'], "'weight' needs SERVER N"],
  [['weight', 'web1', '5', '--timeout', '5m'], "'weight' takes no '--timeout'"],
  [['failover', 'web1', '--wait'], "'failover' takes no '--wait'"],
  [['auto', 'web1', '--timeout=5'], "'auto' takes no '--timeout'"],
  [['status', '--persist'], "'status' takes no '--persist'"],
] as const) {
  test(`'oneip ${words.join(' ')}': ${complaint}`, () => {
    assert.is(parseArguments(words), complaint);
  });
}

test('no words throw', () => {
  const word = fc.oneof(
    fc.string(),
    fc.constantFrom(...COMMANDS.map(({ name }) => name), ...Object.keys(OPTIONS).map((name) => `--${name}`)),
    fc.constantFrom(...Object.keys(FLAGS).map((name) => `--${name}`), '--', '-', '--=', '--__proto__'),
  );
  fc.assert(
    fc.property(fc.array(word, { maxLength: 6 }), (words) => {
      const result = parseArguments(words);
      assert.ok(typeof result === 'object' || result !== '');
    }),
  );
});

test('the help names every command, option and flag, and its examples are right', () => {
  const help = helpText('');
  for (const { name, examples } of COMMANDS) {
    assert.ok(help.includes(`  oneip ${name}`));
    assert.ok(examples.length > 0);
    for (const example of examples) {
      assert.ok(help.includes(`  ${example}\n`));
      const [first = ''] = example.split(/ (?:&&|\||>)/);
      const words = (first.match(/'[^']*'|"[^"]*"|[^ '"]+/g) ?? []).map((word) => word.replace(/^['"]|['"]$/g, ''));
      assert.is(typeof parseArguments(words.slice(1)), 'object', example);
    }
    assert.not(helpText(name).includes(COMMANDS.find((other) => other.name !== name)?.summary ?? ''));
  }
  for (const name of [...Object.keys(OPTIONS), ...Object.keys(FLAGS)]) assert.ok(help.includes(`  --${name} `), name);
  assert.is(helpText('nonsense'), help);
  for (const line of help.split('\n')) assert.ok(line.length <= 100, line);
  assert.match(help, /Exit status: 0 .*, 1 .*, 2 .*\n3 /);
  assert.ok(helpText('weight').includes('--persist') && !helpText('weight').includes('--timeout'));
  for (const { name, takes } of COMMANDS) {
    for (const option of takes) assert.ok(Object.hasOwn(OPTIONS, option) || Object.hasOwn(FLAGS, option), name);
  }
});

test.run();
