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
  /** Options and flags that it takes beside those that all do. */
  readonly takes: readonly string[];
  readonly examples: readonly string[];
}

interface Option {
  /** What its value is called in the usage. */
  readonly value: string;
  readonly summary: string;
  readonly fallback?: string;
}

/** Options with a value. */
export const OPTIONS: Readonly<Record<string, Option>> = {
  config: { value: 'FILE', summary: 'UCI configuration', fallback: '/etc/config/oneip' },
  state: { value: 'DIR', summary: 'state of the running daemon', fallback: '/var/run/oneip' },
  ubus: { value: 'SOCKET', summary: 'ubusd', fallback: '/var/run/ubus/ubus.sock' },
  service: {
    value: 'NAME',
    summary: 'this service only, not all of the server (setup: its name)',
  },
  port: {
    value: 'PORT',
    summary: "the service's port (simulate: that the client asks for)",
  },
  servers: { value: 'LIST', summary: 'servers: addresses, with names or without' },
  ghost: { value: 'WHAT', summary: 'what clients connect to: an interface, or addresses' },
  dispatch: { value: 'WAY', summary: 'nat (nothing to do on servers) or route (they answer clients)' },
  device: { value: 'DEVICE', summary: 'where the servers live (else the LAN)' },
  timeout: { value: 'TIME', summary: 'how long a drain may take, or an order holds: 90, 90s, 5m, 1h' },
  reason: { value: 'TEXT', summary: 'why: shown by status, told in events' },
  address: { value: 'IPV4', summary: "the server's own IPv4 address" },
  address6: { value: 'IPV6', summary: "the server's own IPv6 address" },
  name: { value: 'SERVER', summary: 'which server this machine is; else the one whose address it has' },
  weight: { value: 'N', summary: 'its share relative to the others, 0–1000 (100 where not given)' },
};

export const FLAGS: Readonly<Record<string, string>> = {
  persist: 'write it to the configuration, too, so that it survives a reboot',
  wait: 'return when the last old connection has ended, showing how far it is',
  now: 'without draining: its open connections break',
  fix: 'mend what can be mended safely, say so, and look again',
  watch: 'draw anew every second, with packets per second, until Ctrl-C',
  status: 'show what is in force on this server',
  yes: 'ask nothing: what no option says is as proposed, and the result is written',
  replace: 'take the place of a service of the same name',
  json: 'JSON on standard output, for scripts',
  help: 'this text',
  version: 'the version',
};

/** Options and flags that every command takes. */
export const GENERAL: readonly string[] = ['config', 'state', 'ubus', 'help', 'version'];

export const COMMANDS: readonly Command[] = [
  {
    name: 'daemon',
    operands: '',
    minimum: 0,
    maximum: 0,
    summary: 'dispatch until SIGTERM; SIGHUP reloads',
    takes: [],
    examples: ['oneip daemon --config /etc/config/oneip'],
  },
  {
    name: 'setup',
    operands: '[STEP]',
    minimum: 0,
    maximum: 1,
    summary: 'ask four questions, and put a first service into force',
    takes: ['port', 'servers', 'ghost', 'dispatch', 'device', 'service', 'yes', 'replace', 'json'],
    examples: [
      'oneip setup',
      'oneip setup --port 443 --servers nas=192.168.1.11,shelf=192.168.1.12',
      'oneip setup --yes --json --port 80 --ghost wan --dispatch nat',
    ],
  },
  {
    name: 'check',
    operands: '[FILE]',
    minimum: 0,
    maximum: 1,
    summary: 'say everything that is wrong in a configuration',
    takes: ['json'],
    examples: ['oneip check', 'oneip check /tmp/oneip.new && mv /tmp/oneip.new /etc/config/oneip'],
  },
  {
    name: 'doctor',
    operands: '',
    minimum: 0,
    maximum: 0,
    summary: 'find what keeps packets from servers, or answers from clients',
    takes: ['name', 'fix', 'json'],
    examples: ['oneip doctor', 'oneip doctor --fix', 'oneip doctor --name web1 --config /tmp/oneip'],
  },
  {
    name: 'plan',
    operands: '[FILE]',
    minimum: 0,
    maximum: 1,
    summary: 'show what a configuration would change in the kernel',
    takes: ['json'],
    examples: ['oneip plan', 'oneip plan --json /tmp/oneip.new'],
  },
  {
    name: 'reload',
    operands: '',
    minimum: 0,
    maximum: 0,
    summary: 'put the configuration into force, unless it has errors',
    takes: [],
    examples: ['oneip reload'],
  },
  {
    name: 'status',
    operands: '[SERVICE]',
    minimum: 0,
    maximum: 1,
    summary: 'show services, servers, their states and shares',
    takes: ['watch', 'json'],
    examples: ['oneip status', 'oneip status web --watch'],
  },
  {
    name: 'events',
    operands: '',
    minimum: 0,
    maximum: 0,
    summary: 'tell each change as it happens, until Ctrl-C',
    takes: ['json'],
    examples: ['oneip events', 'oneip events --json | while read -r event; do logger -t oneip "$event"; done'],
  },
  {
    name: 'simulate',
    operands: 'CLIENT[:PORT]',
    minimum: 1,
    maximum: 1,
    summary: 'tell which server a client gets, and why',
    takes: ['service', 'port', 'json'],
    examples: ['oneip simulate 203.0.113.7', "oneip simulate '[2001:db8::7]:40000' --service web"],
  },
  {
    name: 'failover',
    operands: 'SERVER',
    minimum: 1,
    maximum: 1,
    summary: 'take a server out at once, as if it had failed',
    takes: ['service', 'timeout', 'reason', 'persist'],
    examples: ['oneip failover web1', 'oneip failover web1 --timeout 10m --reason "kernel update"'],
  },
  {
    name: 'drain',
    operands: 'SERVER',
    minimum: 1,
    maximum: 1,
    summary: 'give a server no new connections, and let the old ones end',
    takes: ['service', 'timeout', 'reason', 'persist', 'wait'],
    examples: ['oneip drain web1 --wait && ssh web1 poweroff'],
  },
  {
    name: 'up',
    operands: 'SERVER',
    minimum: 1,
    maximum: 1,
    summary: 'use a server, whatever its watchdog says',
    takes: ['service', 'timeout', 'reason', 'persist'],
    examples: ['oneip up web1 --timeout 1h'],
  },
  {
    name: 'auto',
    operands: 'SERVER',
    minimum: 1,
    maximum: 1,
    summary: 'take orders back: its watchdog and the configuration decide again',
    takes: ['service', 'reason', 'persist'],
    examples: ['oneip auto web1'],
  },
  {
    name: 'weight',
    operands: 'SERVER N',
    minimum: 2,
    maximum: 2,
    summary: 'change the share of a server, 0–1000',
    takes: ['service', 'persist'],
    examples: ['oneip weight web1 50', 'oneip weight web1 200 --persist'],
  },
  {
    name: 'add',
    operands: 'SERVER',
    minimum: 1,
    maximum: 1,
    summary: 'add a server to a service that runs',
    takes: ['service', 'address', 'address6', 'weight', 'persist'],
    examples: ['oneip add web4 --service web --address 192.168.1.14'],
  },
  {
    name: 'remove',
    operands: 'SERVER',
    minimum: 1,
    maximum: 1,
    summary: 'drain a server, and forget it',
    takes: ['service', 'persist', 'wait', 'now'],
    examples: ['oneip remove web4', 'oneip remove web4 --now'],
  },
  {
    name: 'metrics',
    operands: '',
    minimum: 0,
    maximum: 0,
    summary: 'print states, shares and counters for Prometheus',
    takes: [],
    examples: ['oneip metrics >/tmp/oneip.prom'],
  },
  {
    name: 'dump',
    operands: '',
    minimum: 0,
    maximum: 0,
    summary: 'print all that is in force as JSON, for a bug report',
    takes: ['json'],
    examples: ['oneip dump >oneip-dump.json'],
  },
  {
    name: 'server',
    operands: '',
    minimum: 0,
    maximum: 0,
    summary: 'make this machine a server until SIGTERM; SIGHUP reloads',
    takes: ['name', 'status', 'json'],
    examples: ['oneip server', 'oneip server --name web1 --config /etc/oneip.conf', 'oneip server --status'],
  },
  {
    name: 'server-script',
    operands: 'SERVER',
    minimum: 1,
    maximum: 1,
    summary: 'print a shell script that makes a machine this server, once',
    takes: [],
    examples: ['oneip server-script web1 >oneip-web1', 'oneip server-script web1 | ssh root@web1 sh -s start'],
  },
  {
    name: 'cleanup',
    operands: '',
    minimum: 0,
    maximum: 0,
    summary: 'undo what a daemon that was killed has left behind',
    takes: [],
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
  const stray = [...options.keys(), ...flags].find((name) => !takes(known, name));
  if (stray !== undefined) return `'${command}' takes no '--${stray}'`;
  return { command, operands: rest, options, flags };
}

/** The value of an option, or what stands in for it. */
export function optionValue({ options }: Invocation, name: keyof typeof OPTIONS & string): string {
  return options.get(name) ?? OPTIONS[name]?.fallback ?? '';
}

function takes(command: Command, name: string): boolean {
  return GENERAL.includes(name) || command.takes.includes(name);
}
