import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type UciDocument, parseUci } from '../../src/config/uci.ts';

/** A document without lines and lists of problems: type, name, and options as name and value, or name and values. */
type Plain = [type: string, name: string | undefined, options: [string, string | string[]][]][];

function plain({ sections }: UciDocument): Plain {
  return sections.map(({ type, name, options }) => [
    type,
    name,
    [...options.values()].map((option) => {
      const texts = option.values.map(({ text }) => text);
      return [option.name, option.list ? texts : (texts[0] ?? '')];
    }),
  ]);
}

const read = (text: string): Plain => plain(parseUci(text, 'oneip'));

/** What libuci makes of these was seen with libuci itself. */
const texts: readonly [title: string, text: string, document: Plain][] = [
  [
    'quotes of both kinds and none',
    `config a b\noption x 'one two'\noption y "one two"\noption z one`,
    one('x', 'one two', 'y', 'one two', 'z', 'one'),
  ],
  [
    'keywords by their initials',
    `p oneip\nc a b\no x 1\nl y 2`,
    [
      [
        'a',
        'b',
        [
          ['x', '1'],
          ['y', ['2']],
        ],
      ],
    ],
  ],
  ['quoted keys', `config 'a' "b"\noption 'x' 1`, one('x', '1')],
  ['adjoining pieces are one word', `config a b\noption x 'o'"n"e`, one('x', 'one')],
  [
    'a backslash outside of quotes',
    `config a b\noption x one\\ two\noption y it\\'s`,
    one('x', 'one two', 'y', "it's"),
  ],
  ['a backslash in double quotes', `config a b\noption x "a\\"b\\\\"`, one('x', 'a"b\\')],
  ['a backslash in single quotes', `config a b\noption x 'a\\b'`, one('x', 'a\\b')],
  ['an apostrophe as uci prints it', `config a b\noption x 'it'\\''s'`, one('x', "it's")],
  ['a line joined in a word', `config a b\noption x on\\\ne`, one('x', 'one')],
  ['a line joined in double quotes', `config a b\noption x "on\\\ne"`, one('x', 'one')],
  ['no joining in single quotes', `config a b\noption x 'on\\\ne'`, one('x', 'on\\\ne')],
  ['a line joined between words', `config a b\noption x \\\n\t'one'`, one('x', 'one')],
  ['text over lines', `config a b\noption x 'one\ntwo'\noption y "3\n4"`, one('x', 'one\ntwo', 'y', '3\n4')],
  [
    'CRLF',
    `config a b\r\n\toption x 'one'\r\n\toption y two\r\n\toption z "th\\\r\nree"\r\n`,
    one('x', 'one', 'y', 'two', 'z', 'three'),
  ],
  [
    'comments',
    `# one\nconfig a b # two\n\t# three\n\toption x one#two\n\toption y 'o#ne' #`,
    one('x', 'one', 'y', 'o#ne'),
  ],
  [
    'statements on one line',
    `config a b; option x 'one'; option y two;option z three;`,
    one('x', 'one', 'y', 'two', 'z', 'three'),
  ],
  [
    'anonymous sections are never one',
    `config a\noption x 1\nconfig a\noption x 2\nconfig a ''`,
    [
      ['a', undefined, [['x', '1']]],
      ['a', undefined, [['x', '2']]],
      ['a', undefined, []],
    ],
  ],
  ['the last option wins', `config a b\noption x 1\noption y 2\noption x 3`, one('x', '3', 'y', '2')],
  [
    'a section opened twice',
    `config a b\noption x 1\nconfig c d\nconfig a b\noption y 2`,
    [
      [
        'a',
        'b',
        [
          ['x', '1'],
          ['y', '2'],
        ],
      ],
      ['c', 'd', []],
    ],
  ],
  ['list after option', `config a b\noption x 1\nlist x 2`, [['a', 'b', [['x', ['1', '2']]]]]],
  ['option after list', `config a b\nlist x 1\nlist x 2\noption x 3`, one('x', '3')],
  ['an empty option is none', `config a b\noption x 1\noption x ''\noption y\noption z ""`, one('x', '1')],
  ['any other type', `config wifi-iface b`, [['wifi-iface', 'b', []]]],
  ['no newline at the end', `config a b\noption x 'one'`, one('x', 'one')],
  ['nothing', ``, []],
  ['blanks', ` \t\r\v\f\n\n;\\\n`, []],
  ['blanks between words', `config\ta\fb\noption\vx \t\r1`, one('x', '1')],
];

/** A section `a b` with the given options. */
function one(...words: string[]): Plain {
  const options = words.flatMap((name, index): [string, string][] =>
    index % 2 ? [] : [[name, words[index + 1] ?? '']],
  );
  return [['a', 'b', options]];
}

for (const [title, text, document] of texts) {
  test(`uci: ${title}`, () => {
    const parsed = parseUci(text, 'oneip');
    assert.equal(plain(parsed), document);
    assert.equal(
      parsed.problems.filter(({ severity }) => severity === 'error'),
      [],
    );
  });
}

test('uci: every section and value knows its line', () => {
  const { sections } = parseUci(
    "\n# x\nconfig a b\n\toption x 'one\ntwo'\n\tlist y \\\n\t\t1; list y 2\n\nconfig c\n",
    'oneip',
  );
  const [first, second] = sections;
  assert.is(first?.line, 3);
  assert.equal(first?.options.get('x')?.values, [{ text: 'one\ntwo', line: 4 }]);
  assert.equal(first?.options.get('y')?.values, [
    { text: '1', line: 7 },
    { text: '2', line: 7 },
  ]);
  assert.is(second?.line, 9);
});

test('uci: a syntax error costs the rest of its line, and marks its section', () => {
  const { sections, problems } = parseUci('config a b\noption x 1 2; option y 3\noption z 4\nconfig c d\n', 'oneip');
  assert.equal(plain({ sections, problems }), [
    ['a', 'b', [['z', '4']]],
    ['c', 'd', []],
  ]);
  assert.equal(
    sections.map(({ damaged }) => damaged),
    [true, false],
  );
  assert.equal(
    problems.map(({ line }) => line),
    [2],
  );
});

test('uci: options of a section that could not be opened go nowhere', () => {
  const broken = ["config a-b 'c-d'", 'config', "config 'a", 'config x y z', 'confgi x y', 'onfig x y'];
  for (const header of broken) {
    assert.equal(read(`config a b\noption x 1\n${header}\noption x 2\nconfig e f`), [
      ['a', 'b', [['x', '1']]],
      ['e', 'f', []],
    ]);
  }
});

const word = fc.stringMatching(/^[A-Za-z0-9_]{1,8}$/);
/** No null bytes, which C cannot read; not empty, which is none. */
const value = fc.oneof(
  fc.string({ minLength: 1, maxLength: 12, unit: fc.constantFrom(...'ab \t\n\r\'"\\#;é') }),
  fc.string({ minLength: 1, unit: 'grapheme' }).map((text) => text.replaceAll('\0', '0')),
);
const option: fc.Arbitrary<string | string[]> = fc.oneof(value, fc.array(value, { minLength: 1, maxLength: 4 }));
const sections: fc.Arbitrary<Plain> = fc
  .uniqueArray(
    fc.record({
      type: fc.stringMatching(/^[!-~]{1,8}$/).filter((text) => !/['"\\#;]/.test(text)),
      name: fc.option(word, { nil: undefined }),
      options: fc.dictionary(word, option, { maxKeys: 5 }),
    }),
    // Anonymous sections may repeat, names may not.
    { maxLength: 6, selector: ({ name }) => name, comparator: (a, b) => a !== undefined && a === b },
  )
  .map((list) => list.map(({ type, name, options }) => [type, name, Object.entries(options)]));

/** The ways to write a value. */
const styles: readonly ((text: string) => string)[] = [
  (text) => `'${text.replaceAll("'", "'\\''")}'`,
  (text) => `"${text.replace(/["\\]/g, '\\$&')}"`,
  // A backslash before a line feed would join the lines.
  (text) => text.replace(/\r\n|[^]/gu, (character) => (/[\r\n]/.test(character) ? `'${character}'` : `\\${character}`)),
];

function print(document: Plain, style: (text: string) => string): string {
  const lines = document.flatMap(([type, name, options]) => [
    `config ${type}${name === undefined ? '' : ` ${style(name)}`}`,
    ...options.flatMap(([key, value]) =>
      typeof value === 'string'
        ? [`\toption ${key} ${style(value)}`]
        : value.map((item) => `\tlist ${key} ${style(item)}`),
    ),
  ]);
  return lines.join('\n') + '\n';
}

test('uci: what is printed is read back, in every style', () => {
  fc.assert(
    fc.property(sections, fc.constantFrom(...styles), (document, style) => {
      const parsed = parseUci(print(document, style), 'oneip');
      assert.equal(parsed.problems, []);
      assert.equal(plain(parsed), document);
    }),
    { numRuns: 300 },
  );
});

test('uci: no text makes the parser throw, and every problem has a line of the text', () => {
  const pieces = fc.constantFrom(
    'config',
    'option',
    'list',
    'package',
    ' ',
    '\t',
    '\n',
    '\r\n',
    "'",
    '"',
    '\\',
    '#',
    ';',
    'a',
    '\0',
    '\u{1f600}',
  );
  const noise = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(pieces, { maxLength: 60 }).map((list) => list.join('')),
  );
  fc.assert(
    fc.property(noise, (text) => {
      const lines = text.split('\n').length;
      for (const { line } of parseUci(text, 'oneip').problems) assert.ok(line >= 1 && line <= lines);
    }),
    { numRuns: 1000 },
  );
});

test.run();
