import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { sectionTypes, type Option } from '../../src/config/options.ts';
import { parseUci } from '../../src/config/uci.ts';
import { installFormat, loadModule } from './module.ts';

// The forms judge values while they are typed, the daemon judges them when it reads the file. Both must say the same, option
// by option.

installFormat();

type Check = (text: string) => true | string;

interface Values {
  configurationText(sections: readonly Readonly<Record<string, unknown>>[]): string;
}

/** An option of a form, as the page has declared it. */
interface Field {
  readonly option: string;
  readonly kind: string;
  readonly choices: string[];
  readonly conditions: Readonly<Record<string, string>>[];
  readonly default?: string;
  readonly placeholder?: string;
  readonly rmempty?: boolean;
  readonly validate?: (section: string, text: string) => true | string;
}

const values = loadModule<Values & Record<string, Check>>('oneip.values');

/** Whether a section without it is an error, whatever else it has. */
function isRequired(option: Option<unknown>): boolean {
  return option.kind !== 'single' && option.required === true && !('unless' in option);
}

/** The page's options, by type of section, as it declares them to LuCI's `form`. */
function declaredFields(): Record<string, Field[]> {
  const fields: Record<string, Field[]> = {};
  const kind = (name: string) => ({ kind: name, extend: () => kind(name), prototype: {} });
  const declare = (type: string) => {
    const own: Field[] = (fields[type] ??= []);
    const option = (of: { kind: string }, name: string) => {
      const field = {
        ...{ option: name, kind: of.kind, choices: [] as string[], conditions: [] as Record<string, string>[] },
        value: (key: string) => field.choices.push(key),
        depends: (condition: Record<string, string>) => field.conditions.push(condition),
      };
      own.push(field);
      return field;
    };
    return {
      tab: () => undefined,
      option,
      taboption: (_: string, of: { kind: string }, name: string) => option(of, name),
    };
  };
  const map = {
    section: (of: { kind: string }, ...names: string[]) => declare((of.kind === 'named' ? names[1] : names[0]) ?? ''),
  };
  const form = {
    Map: kind('map'),
    NamedSection: kind('named'),
    GridSection: kind('grid'),
    Value: kind('value'),
    ListValue: kind('choice'),
    Flag: kind('flag'),
    DynamicList: kind('list'),
    MultiValue: kind('names'),
  };
  const nothing = { declare: () => undefined };
  const view = loadModule<Record<string, (...args: readonly unknown[]) => unknown>>('view.oneip.config', {
    ...{ dom: {}, form, oneip: {}, 'oneip.values': values, rpc: nothing, uci: {}, ui: {} },
  });
  view['addGlobals']?.(map);
  view['addServices']?.(map, []);
  view['addServers']?.(map);
  view['addWatchdogs']?.(map);
  return fields;
}

const fields = declaredFields();

/** Every option that the daemon knows, with the field for it. */
const pairs = Object.entries(sectionTypes).flatMap(([type, options]) =>
  Object.entries(options as Record<string, Option<unknown>>).map(([name, option]) => ({
    title: `${type}.${name}`,
    option,
    field: fields[type]?.find((candidate) => candidate.option === name),
  })),
);

test('every option of the configuration has a field, and every field an option', () => {
  for (const [type, options] of Object.entries(sectionTypes)) {
    assert.equal((fields[type] ?? []).map(({ option }) => option).sort(), Object.keys(options).sort(), type);
  }
});

test('what holds without an option is what the field shows', () => {
  for (const { title, option, field } of pairs) {
    const shown = field?.default ?? field?.placeholder;
    if (option.kind === 'single') assert.is(shown, option.default, title);
    else if (option.kind === 'list' && field?.kind === 'choice') assert.is(shown, option.default[0], title);
    else assert.is(shown, undefined, title);
    assert.is(field?.rmempty === false, isRequired(option), title);
  }
});

test('fields are shown for the types of watchdogs for which they count', () => {
  for (const { title, option, field } of pairs) {
    const types = field?.conditions.map(({ type }) => type).filter((type) => type !== undefined);
    assert.equal(types, option.types ?? [], title);
  }
});

/** Texts that are right for some kind of value, or nearly. */
const texts = [
  ...[
    '0',
    '1',
    '01',
    '-1',
    '1.5',
    '1e3',
    '0x10',
    '0xg',
    '0XFF',
    '100',
    '599',
    '99',
    '1000',
    '1001',
    '65535',
    '65536',
    '4294967295',
  ],
  ...[
    '4294967296',
    '4294901760',
    '4294901761',
    '9999999999999999',
    '99999999999999999',
    '30',
    '32',
    '33',
    '64',
    '128',
    '129',
    '136',
  ],
  ...[
    '80-90',
    '90-80',
    '80-80',
    '80-',
    '-80',
    '0-5',
    '1-65535',
    '1-65536',
    '100-599',
    '99-200',
    '200-600',
    '8000 8010',
    '200-399',
  ],
  ...[
    '50ms',
    '49ms',
    '1s',
    '0s',
    '60m',
    '61m',
    '1h',
    '24h',
    '1d',
    '30d',
    '31d',
    '1w',
    '1.5s',
    ' 1s',
    '1 s',
    '1S',
    '01s',
    '999999999d',
  ],
  ...[
    '192.0.2.1',
    '192.0.2.256',
    '192.0.2',
    '192.0.2.1.1',
    '192.0.02.1',
    '0.0.0.0',
    '255.255.255.255',
    '1.2.3.4/32',
    '1.2.3.0/24',
  ],
  ...[
    '1.2.3.4/24',
    '1.2.3.0/33',
    '0.0.0.0/0',
    '1.2.3.4/',
    '1.2.3.4/024',
    '1.2.3.128/25',
    '1.2.3.129/25',
    '/24',
    '1.2.3.4//32',
  ],
  ...[
    '::',
    '::1',
    '1::',
    'fe80::1',
    'fe80::1%eth0',
    '2001:db8::',
    '2001:db8::/32',
    '2001:db8::1/32',
    '2001:db8::/129',
    '::/0',
  ],
  ...[
    '1:2:3:4:5:6:7:8',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1::2::3',
    '1:2:3:4:5:6:7::',
    '::1:2:3:4:5:6:7',
    '1:2:3:4::5:6:7:8',
  ],
  ...[
    '::ffff:192.0.2.1',
    '::192.0.2.1',
    '1:2:3:4:5:6:192.0.2.1',
    '1:2:3:4:5:192.0.2.1',
    '::ffff:192.0.2.256',
    '::192.0.2',
    '2001:DB8::A',
  ],
  ...[
    ':',
    ':::',
    '1:',
    ':1',
    '12345::',
    'g::',
    '::1/128',
    '2001:db8:8000::/33',
    '2001:db8:c000::/33',
    '1:2:3:4:5:6:7:8/127',
  ],
  ...[
    'wan',
    'br-lan',
    'eth0.2',
    'lo',
    '.',
    '..',
    'a/b',
    'a:b',
    'a b',
    'abcdefghijklmno',
    'abcdefghijklmnop',
    'ä',
    '!',
    '~',
  ],
  ...['/', '/health', 'health', '/a b', '/ä', '/a?b=c', '/%41', '//', '/usr/bin/probe', 'usr/bin/probe'],
  ...[
    'example.org',
    'example.org:80',
    'example.org:0',
    'example.org:99999',
    '[::1]',
    '[::1]:80',
    '::1',
    'ex ample',
    'a_b',
    '[g]',
  ],
  ...['Content-Type: text/html', 'Content-Type:', ': x', 'Content Type: x', 'X', 'X:\ty', 'X: ä', 'X: y'],
  ...[
    'tcp',
    'udp',
    'tcp+udp',
    'udp+tcp',
    'sixteen+letters.',
    'a blank between 16',
    `${'long'.repeat(32)}`,
    `${'long'.repeat(32)}.`,
    'all',
    'icmp',
    'TCP',
    'keep',
    'reset',
    'drop',
    'pass',
    'reject',
    'source',
    'source_port',
  ],
  ...[
    'route',
    'broadcast',
    'multicast',
    'nat',
    'hash',
    'round_robin',
    'random',
    'least',
    'ping',
    'arp',
    'http',
    'script',
    'report',
    'ubus',
    '256',
    '512',
    '1024',
    '2048',
    '4096',
    '8192',
    '4096.0',
    'on',
    'true',
  ],
];

/** Texts made of the characters that matter to one kind or another, and of the texts above with a character changed. */
const strays = fc.oneof(
  fc.string({ unit: fc.constantFrom(...'0123456789abcdefxsmhd.:/-[]% '), maxLength: 20 }),
  fc
    .tuple(fc.constantFrom(...texts), fc.nat(20), fc.constantFrom('', ...'019af.:/-smhd '))
    .map(([text, at, character]) => text.slice(0, at) + character + text.slice(at + 1)),
  fc.ipV6(),
  fc.ipV4(),
  fc.tuple(fc.ipV6(), fc.nat(140)).map(([address, length]) => `${address}/${length}`),
  fc.tuple(fc.ipV4(), fc.nat(40)).map(([address, length]) => `${address}/${length}`),
);

for (const { title, option, field } of pairs) {
  // Switches write 1 and 0; names of sections are chosen from a list, and whether they exist only the whole file tells.
  if (!field || ['flag', 'names'].includes(field.kind)) continue;
  test(`${title}: field and daemon judge values alike`, () => {
    const right = (text: string) => 'value' in option.type.read(text);
    if (field.kind === 'choice') {
      assert.equal(field.choices.filter(right), field.choices, 'what can be chosen is right');
      assert.equal(texts.filter(right).sort(), [...field.choices].sort(), 'what is right can be chosen');
      return;
    }
    const accepts = (text: string) => (field.validate?.('x', text) ?? true) === true;
    // An empty text is no value for UCI, and blanks at the ends do not get out of a field.
    const judged = (text: string) => text.trim() !== '' && text === text.trim();
    for (const text of texts.filter(judged)) assert.is(accepts(text), right(text), text);
    fc.assert(
      fc.property(strays.filter(judged), (text) => accepts(text) === right(text)),
      { numRuns: 1000 },
    );
  });
}

test('the text of a configuration means what the sections say, whatever their values', () => {
  const word = fc.string({ minLength: 1, maxLength: 12, unit: fc.constantFrom(...`a'"\\ #;\t\n%ä`) });
  const option = fc.oneof(word, fc.array(word, { minLength: 1, maxLength: 3 }));
  const section = fc.record({
    type: fc.constantFrom('service', 'server', 'watchdog'),
    anonymous: fc.boolean(),
    options: fc.dictionary(fc.constantFrom('ghost', 'body', 'reason', 'weight'), option, { maxKeys: 3 }),
  });
  fc.assert(
    fc.property(fc.array(section, { maxLength: 4 }), (sections) => {
      const text = values.configurationText(
        sections.map(({ type, anonymous, options }, index) => ({
          ...{ '.type': type, '.name': `n${index}`, '.anonymous': anonymous, '.index': index },
          ...options,
        })),
      );
      const read = parseUci(text, 'oneip');
      assert.equal(
        read.sections.map(({ type, name, options }) => ({
          ...{ type, name },
          options: [...options].map(([key, { list, values: items }]) => [key, list, items.map((item) => item.text)]),
        })),
        sections.map(({ type, anonymous, options }, index) => ({
          ...{ type, name: anonymous ? undefined : `n${index}` },
          options: Object.entries(options).map(([key, value]) => [key, Array.isArray(value), [value].flat()]),
        })),
      );
    }),
    { numRuns: 500 },
  );
});

test.run();
