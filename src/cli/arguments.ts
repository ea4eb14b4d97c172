/** A command line that was understood. */
export interface Invocation {
  readonly command: string;
  readonly operands: readonly string[];
  readonly options: ReadonlyMap<string, string>;
  readonly flags: ReadonlySet<string>;
}

/** What a command takes. */
export interface Command {
  readonly name: string;
  /** Operands as the usage line shows them. */
  readonly operands: string;
  readonly minimum: number;
  readonly maximum: number;
  readonly summary: string;
  readonly examples: readonly string[];
}

/** Options with a value, and what it stands for in the usage. */
export const OPTIONS: Readonly<Record<string, { value: string; summary: string; fallback?: string }>> = {
  config: { value: 'FILE', summary: 'UCI configuration', fallback: '/etc/config/oneip' },
  state: { value: 'DIR', summary: 'state of the running daemon', fallback: '/var/run/oneip' },
  ubus: { value: 'SOCKET', summary: 'ubusd', fallback: '/var/run/ubus/ubus.sock' },
  service: { value: 'NAME', summary: 'this service only (simulate)' },
  port: { value: 'PORT', summary: "the service's port that the client asks for (simulate, source_port)" },
};

export const FLAGS: Readonly<Record<string, string>> = {
  json: 'JSON on standard output, for scripts',
  help: 'this text',
  version: 'the version',
};

export const COMMANDS: readonly Command[] = [
  {
    name: 'daemon',
    operands: '',
    minimum: 0,
    maximum: 0,
    summary: 'dispatch until SIGTERM; SIGHUP reloads',
    examples: ['oneip daemon --config /etc/config/oneip'],
  },
  {
    name: 'check',
    operands: '[FILE]',
    minimum: 0,
    maximum: 1,
    summary: 'say everything that is wrong in a configuration',
    examples: ['oneip check', 'oneip check /tmp/oneip.new && mv /tmp/oneip.new /etc/config/oneip'],
  },
  {
    name: 'plan',
    operands: '[FILE]',
    minimum: 0,
    maximum: 1,
    summary: 'show what a configuration would change in the kernel',
    examples: ['oneip plan', 'oneip plan --json /tmp/oneip.new'],
  },
  {
    name: 'simulate',
    operands: 'CLIENT[:PORT]',
    minimum: 1,
    maximum: 1,
    summary: 'tell which server a client gets, and why',
    examples: ['oneip simulate 203.0.113.7', "oneip simulate '[2001:db8::7]:40000' --service web"],
  },
  {
    name: 'cleanup',
    operands: '',
    minimum: 0,
    maximum: 0,
    summary: 'undo what a daemon that was killed has left behind',
    examples: ['oneip cleanup'],
  },
];

/** Reads the words of a command line; a text is what is wrong with them. */
export function parseArguments(words: readonly string[]): Invocation | string {
  const options = new Map<string, string>();
  const flags = new Set<string>();
  const operands: string[] = [];
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? '';
    if (word === '--') {
      operands.push(...words.slice(index + 1));
      break;
    }
    const found = /^--([a-z0-9-]+)(?:=(.*))?$/s.exec(word === '-h' ? '--help' : word);
    if (!found) {
      if (word.startsWith('-') && word.length > 1) return `unknown option '${word}'`;
      operands.push(word);
      continue;
    }
    const [, name = '', inline] = found;
    if (Object.hasOwn(FLAGS, name)) {
      if (inline !== undefined) return `option '--${name}' takes no value`;
      flags.add(name);
    } else if (Object.hasOwn(OPTIONS, name)) {
      const value = inline ?? words[++index];
      if (value === undefined) return `option '--${name}' needs a value: ${OPTIONS[name]?.value}`;
      options.set(name, value);
    } else return `unknown option '--${name}'`;
  }
  const [command = '', ...rest] = operands;
  if (flags.has('help') || flags.has('version')) return { command, operands: rest, options, flags };
  const known = COMMANDS.find(({ name }) => name === command);
  if (command === '') return 'no command given';
  if (!known) return `unknown command '${command}'`;
  if (rest.length < known.minimum) return `'${command}' needs ${known.operands}`;
  if (rest.length > known.maximum) return `'${command}' takes no '${rest[known.maximum]}'`;
  return { command, operands: rest, options, flags };
}

/** The value of an option, or what stands in for it. */
export function optionValue({ options }: Invocation, name: keyof typeof OPTIONS & string): string {
  return options.get(name) ?? OPTIONS[name]?.fallback ?? '';
}

/** Help for all commands, or for one. */
export function helpText(command: string): string {
  const chosen = COMMANDS.filter(({ name }) => command === '' || name === command);
  const shown = chosen.length > 0 ? chosen : COMMANDS;
  const usage = ({ name, operands }: Command) => `oneip ${name}${operands ? ` ${operands}` : ''}`;
  const width = Math.max(...shown.map((entry) => usage(entry).length));
  const optionLines = Object.entries(OPTIONS).map(
    ([name, { value, summary, fallback }]) =>
      `  ${`--${name} ${value}`.padEnd(16)}  ${summary}${fallback ? ` (default ${fallback})` : ''}`,
  );
  const flagLines = Object.entries(FLAGS).map(([name, summary]) => `  ${`--${name}`.padEnd(16)}  ${summary}`);
  return [
    'One address, many servers, no connection table.',
    '',
    'Usage:',
    ...shown.map((entry) => `  ${usage(entry).padEnd(width)}  ${entry.summary}`),
    '',
    'Options:',
    ...optionLines,
    ...flagLines,
    '',
    'Examples:',
    ...shown.flatMap(({ examples }) => examples.map((example) => `  ${example}`)),
    '',
    'Exit status: 0 done, 1 errors in the configuration or failed, 2 wrong usage.',
    '',
  ].join('\n');
}
