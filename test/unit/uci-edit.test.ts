import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parseUci } from '../../src/config/uci.ts';
import {
  UciEditError,
  addSection,
  addToList,
  removeFromList,
  removeSection,
  setList,
  setOption,
} from '../../src/config/uci-edit.ts';
import { locateStatements } from '../../src/config/uci-statements.ts';

const ordinary = `# One address, several servers.
config service 'web'
	list ghost '198.51.100.1'

# The old one.
config server 'web1' # rack 3
	list service 'web'
	option address "192.168.1.11"
	# Slower than the others.
	option weight 50 # since May

config server 'web2'
	list service 'web'
	list service 'dns'
	option enabled '1'
`;

/** The text with one piece of it replaced, which is there once. */
function but(text: string, old: string, now: string): string {
  assert.is(text.split(old).length, 2, `'${old}' once`);
  return text.replace(old, () => now);
}

for (const [title, edited, expected] of [
  [
    'an option that is there keeps its place, its quotes and its comment',
    setOption(ordinary, 'server', 'web1', 'weight', '200'),
    but(ordinary, 'weight 50 #', 'weight 200 #'),
  ],
  [
    'double quotes stay',
    setOption(ordinary, 'server', 'web1', 'address', '192.168.1.99'),
    but(ordinary, '"192.168.1.11"', '"192.168.1.99"'),
  ],
  [
    'single quotes stay',
    setOption(ordinary, 'server', 'web2', 'enabled', '0'),
    but(ordinary, "enabled '1'", "enabled '0'"),
  ],
  [
    'a value that needs quotes gets them',
    setOption(ordinary, 'server', 'web1', 'weight', "it's 5"),
    but(ordinary, 'weight 50', "weight 'it'\\''s 5'"),
  ],
  [
    'a new option stands at the end of its section',
    setOption(ordinary, 'server', 'web1', 'enabled', '0'),
    but(ordinary, '# since May\n', "# since May\n\toption enabled '0'\n"),
  ],
  ['the value that it has', setOption(ordinary, 'server', 'web1', 'weight', '50'), ordinary],
  [
    'a list gets one more',
    addToList(ordinary, 'server', 'web1', 'service', 'dns'),
    but(ordinary, "list service 'web'\n\toption address", "list service 'web'\n\tlist service 'dns'\n\toption address"),
  ],
  ['a list that has it already', addToList(ordinary, 'server', 'web2', 'service', 'dns'), ordinary],
  [
    'a list loses one',
    removeFromList(ordinary, 'server', 'web2', 'service', 'web'),
    but(ordinary, "\tlist service 'web'\n\tlist service 'dns'\n", "\tlist service 'dns'\n"),
  ],
  ['a list that does not have it', removeFromList(ordinary, 'server', 'web2', 'service', 'mail'), ordinary],
  [
    'a list goes',
    setList(ordinary, 'server', 'web2', 'service', []),
    but(ordinary, "\tlist service 'web'\n\tlist service 'dns'\n", ''),
  ],
  [
    'a list becomes an option',
    setOption(ordinary, 'server', 'web2', 'service', 'mail'),
    but(ordinary, "\tlist service 'web'\n\tlist service 'dns'\n", "\toption service 'mail'\n"),
  ],
  [
    'a new section stands at the end, below a blank line',
    addSection(ordinary, 'server', 'web3', { service: ['web', 'dns'], address: '192.168.1.13' }),
    `${ordinary}\nconfig server 'web3'\n\tlist service 'web'\n\tlist service 'dns'\n\toption address '192.168.1.13'\n`,
  ],
  [
    'a section goes with the comments inside it, and those above it stay',
    removeSection(ordinary, 'server', 'web1'),
    but(
      ordinary,
      ordinary.slice(ordinary.indexOf("config server 'web1'"), ordinary.indexOf("\nconfig server 'web2'")),
      '',
    ),
  ],
  [
    'the last section goes with the blank line before it',
    removeSection(ordinary, 'server', 'web2'),
    ordinary.slice(0, ordinary.indexOf("\nconfig server 'web2'")),
  ],
  [
    'CRLF',
    setOption("config server 'a'\r\n\toption x '1'\r\n", 'server', 'a', 'y', '2'),
    "config server 'a'\r\n\toption x '1'\r\n\toption y '2'\r\n",
  ],
  [
    'no newline at the end',
    setOption('config server a\n    option x 1', 'server', 'a', 'y', '2'),
    "config server a\n    option x 1\n    option y '2'",
  ],
  ['an empty text', addSection('', 'server', 'a', { x: '1' }), "config server 'a'\n\toption x '1'\n"],
  [
    'statements on one line',
    setOption("config server a; option x 1; config server b; option x '2'", 'server', 'a', 'y', '3'),
    "config server a; option x 1; option y '3'; config server b; option x '2'",
  ],
  [
    'a statement among others on its line',
    removeSection('config server a; config server b; option x 2 # two\n', 'server', 'a'),
    ' config server b; option x 2 # two\n',
  ],
  [
    'the last option counts',
    setOption('config server a\n\toption x 1\n\toption x 2\n', 'server', 'a', 'x', '3'),
    'config server a\n\toption x 1\n\toption x 3\n',
  ],
  [
    'an empty option is a place to write to',
    setOption("config server a\n\toption x ''\n\toption y\n", 'server', 'a', 'x', '3'),
    "config server a\n\toption x '3'\n\toption y\n",
  ],
  [
    'an option without a value',
    setOption('config server a\n\toption y\n', 'server', 'a', 'y', '3'),
    "config server a\n\toption y '3'\n",
  ],
  [
    'a section opened twice',
    removeSection(
      "config server a\n\toption x 1\n\nconfig server b\n\nconfig server 'a'\n\toption y 2\n",
      'server',
      'a',
    ),
    '\nconfig server b\n',
  ],
  [
    'a joined line',
    setOption('config server a\n\toption x \\\n\t\t1 \\\n\nconfig server b\n', 'server', 'a', 'y', '2'),
    "config server a\n\toption x \\\n\t\t1 \\\n\n\toption y '2'\nconfig server b\n",
  ],
  [
    'sections that are broken elsewhere',
    setOption("config server a\n\toption x 'open\nconfig server b\n\toption x 1\n", 'server', 'b', 'x', '2'),
    "config server a\n\toption x 'open\nconfig server b\n\toption x 2\n",
  ],
] as const) {
  test(`uci: edit: ${title}`, () => assert.is(edited, expected));
}

for (const [title, edit, message] of [
  ['no such section', () => setOption(ordinary, 'server', 'web9', 'x', '1'), "there is no server 'web9'"],
  ['a section of another type', () => removeSection(ordinary, 'server', 'web'), "there is no server 'web'"],
  ['an anonymous section', () => setOption('config server\n', 'server', '', 'x', '1'), "there is no server ''"],
  [
    'a damaged section',
    () => setOption('config server a\n\toption x 1 2\n', 'server', 'a', 'x', '1'),
    "server 'a' (line 1) has a statement that cannot be read",
  ],
  [
    'a name that is taken',
    () => addSection(ordinary, 'server', 'web', {}),
    "there is a service 'web' already (line 2)",
  ],
  ['a name that is none', () => addSection('', 'server', 'a-b', {}), "'a-b' is no section name"],
  ['an option that is none', () => setOption(ordinary, 'server', 'web1', 'a b', '1'), "'a b' is no option name"],
  ['an empty value', () => setOption(ordinary, 'server', 'web1', 'x', ''), "option 'x' cannot have an empty value"],
  ['NUL', () => setList(ordinary, 'server', 'web1', 'x', ['\0']), "option 'x' cannot hold NUL"],
  [
    'a blank line that ends a joined one',
    () => removeSection('package oneip \\\n\nconfig s a\nconfig t b\n', 's', 'a'),
    'the text is written in a way that cannot be edited safely',
  ],
] as const) {
  test(`uci: no edit: ${title}`, () => {
    assert.throws(edit, (error: unknown) => error instanceof UciEditError && error.message === message);
  });
}

/** Types, names, and options with their values. */
type Plain = Map<string, Map<string, string[]>>;

function plain(text: string): Plain {
  const { sections } = parseUci(text, '');
  return new Map(
    sections.map(({ type, name }, index) => [
      `${type} ${name ?? index}`,
      new Map(
        [...(sections[index]?.options.values() ?? [])].map(({ name: option, list, values }) => [
          `${list ? 'list' : 'option'} ${option}`,
          values.map((value) => value.text),
        ]),
      ),
    ]),
  );
}

const value = fc.oneof(
  fc.string({ minLength: 1, maxLength: 6, unit: fc.constantFrom(...'ab \t\n\r\'"\\#;é$') }),
  fc.constantFrom('1', '192.168.1.11', 'web', 'it is'),
);
const names = ['a', 'b', 'c'];
const options = ['x', 'y', 'z'];
/** The ways to write a value. */
const styles: readonly ((text: string) => string)[] = [
  (text) => `'${text.replaceAll("'", "'\\''")}'`,
  (text) => `"${text.replace(/["\\]/g, '\\$&')}"`,
  (text) => text.replace(/[^]/gu, (character) => (/[\r\n]/.test(character) ? `'${character}'` : `\\${character}`)),
];
const statement = fc
  .tuple(
    fc.constantFrom('option', 'list', 'o', 'l'),
    fc.constantFrom(...options),
    fc.oneof(value, fc.constant('')),
    fc.constantFrom(...styles),
  )
  .map(([keyword, option, text, style]) => `${keyword} ${option} ${text === '' ? "''" : style(text)}`);
const header = fc
  .tuple(fc.constantFrom("config s 'a'", 'config s b', 'c s "c"', 'config t', 'config t d'))
  .map(([text]) => text);
const filler = fc.constantFrom('', '# a comment', "\t# it's one", '   ', ';', 'package oneip');
const ending = fc.constantFrom('\n', '\n', '\n', ' # why\n', ';\n', '; ', ' \\\n\n', '\r\n');
const noise = fc
  .array(fc.tuple(fc.constantFrom('', '\t', '    '), fc.oneof(header, statement, statement, filler), ending), {
    maxLength: 14,
  })
  .map((lines) => lines.map((parts) => parts.join('')).join(''));
/** Mostly with a section that edits may find. */
const text = fc
  .tuple(fc.constantFrom("config s 'a'\n", 'config s b # two\n', ''), noise)
  .map((parts) => parts.join(''));

interface Edit {
  readonly title: string;
  readonly section: string;
  readonly run: (text: string) => string;
  /** What it does to the meaning. */
  readonly change: (model: Plain) => void;
  /** Options on whose lines it may lay a hand; all where absent. */
  readonly option?: string;
}

const place = fc.tuple(fc.constantFrom(...names), fc.constantFrom(...options));
const forget = (model: Plain, name: string, option: string): Map<string, string[]> | undefined => {
  const section = model.get(`s ${name}`);
  section?.delete(`option ${option}`);
  section?.delete(`list ${option}`);
  return section;
};
const edits = (value: fc.Arbitrary<string>): fc.Arbitrary<Edit> =>
  fc.oneof(
    fc.tuple(place, value).map(([[name, option], given]) => ({
      title: 'setOption',
      section: `s ${name}`,
      option,
      run: (before: string) => setOption(before, 's', name, option, given),
      change: (model: Plain) => forget(model, name, option)?.set(`option ${option}`, [given]),
    })),
    fc.tuple(place, fc.array(value, { maxLength: 3 })).map(([[name, option], given]) => ({
      title: 'setList',
      section: `s ${name}`,
      option,
      run: (before: string) => setList(before, 's', name, option, given),
      change: (model: Plain) => {
        const section = forget(model, name, option);
        if (given.length > 0) section?.set(`list ${option}`, given);
      },
    })),
    fc.constantFrom(...names).map((name) => ({
      title: 'removeSection',
      section: `s ${name}`,
      run: (before: string) => removeSection(before, 's', name),
      change: (model: Plain) => model.delete(`s ${name}`),
    })),
  );

const edit = edits(value);

/** The same whatever the order. Sections without name are known by their place among all, and so are left out. */
function comparable(model: Plain): unknown {
  return [...model]
    .filter(([section]) => !/ \d+$/.test(section))
    .map(([section, entries]) => [section, [...entries].sort()]);
}

test('uci: what an edit makes of any text is what was asked for', () => {
  fc.assert(
    fc.property(text, edit, (before, { section, run, change }) => {
      const model = plain(before);
      let after: string;
      try {
        after = run(before);
      } catch (error) {
        assert.instance(error, UciEditError);
        return fc.pre(false);
      }
      assert.ok(model.has(section));
      change(model);
      assert.equal(comparable(plain(after)), comparable(model));
    }),
    { numRuns: 300 },
  );
});

test('uci: no text of a usual form is refused', () => {
  const usual = fc
    .array(
      fc.tuple(
        fc.constantFrom('\t', '  '),
        fc.oneof(header, statement, fc.constant('# it is')),
        fc.constantFrom('\n', ' # why\n'),
      ),
      {
        maxLength: 14,
      },
    )
    .map((lines) => lines.map((parts) => parts.join('')).join(''));
  fc.assert(
    fc.property(usual, edit, (before, { section, run }) => {
      if (plain(before).has(section)) run(before);
    }),
    { numRuns: 400 },
  );
});

test('uci: every line that an edit is not about stays as it is, byte for byte', () => {
  const lines = fc.array(
    fc.oneof(
      fc.constantFrom("config s 'a'", 'config s b', 'config t', '# comment', '', "\t# it's"),
      fc
        .tuple(fc.constantFrom('option', 'list'), fc.constantFrom(...options), fc.constantFrom('1', "'2'", '"3" # why'))
        .map((words) => `\t${words.join(' ')}`),
    ),
    { maxLength: 14 },
  );
  fc.assert(
    fc.property(
      fc.tuple(fc.constantFrom("config s 'a'", 'config s b'), lines).map(([first, rest]) => [first, ...rest]),
      edits(fc.constantFrom('1', '2', '3 4', '"')),
      (given, { section, run, option }) => {
        const before = given.map((line) => `${line}\n`).join('');
        fc.pre(plain(before).has(section) && option !== undefined);
        const about = new RegExp(`^\\t(option|list) ${option} `);
        const others = (edited: string): string[] => edited.split('\n').filter((line) => !about.test(line));
        assert.equal(others(run(before)), others(before));
      },
    ),
    { numRuns: 150 },
  );
});

test('uci: a section that is added and removed leaves nothing', () => {
  fc.assert(
    fc.property(
      text,
      fc.dictionary(fc.constantFrom(...options), fc.oneof(value, fc.array(value, { maxLength: 3 }))),
      (before, given) => {
        if (before !== '' && !before.endsWith('\n')) return;
        let added: string;
        try {
          added = addSection(before, 's', 'new', given);
        } catch (error) {
          assert.instance(error, UciEditError);
          return;
        }
        assert.is(removeSection(added, 's', 'new'), before);
      },
    ),
    { numRuns: 250 },
  );
});

test('uci: statements are found where they stand', () => {
  fc.assert(
    fc.property(text, (given) => {
      for (const { statements } of locateStatements(given)) {
        for (const { keyword, word, written, start, end } of statements) {
          assert.ok(keyword.startsWith(given.slice(word.start, word.end)) && word.start === start);
          assert.ok(word.end <= written.start && written.start <= written.end && written.end <= end);
        }
      }
    }),
    { numRuns: 250 },
  );
});

test.run();
