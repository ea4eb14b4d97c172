import type { CheckCase, ValueCase } from './case.ts';

/** A service with ports, one without, one that takes UDP alone; a server in each, and one that is off. */
const surroundings = `config service 'web'
	list ghost '192.0.2.1'
	list port '80'

config service 'whole'
	list ghost '192.0.2.2'

config service 'names'
	list ghost '192.0.2.3'
	list proto 'udp'
	list port '53'

config server 'anna'
	list service 'web'
	list service 'names'
	option address '192.168.1.11'

config server 'bert'
	list service 'whole'
	option address '192.168.1.12'

config server 'carl'
	option enabled '0'
	list service 'web'
	option address '192.168.1.13'

`;

/** Watchdogs that do not go with the rest of the file; their first line is 27. */
export const watchdogCases: readonly CheckCase[] = [
  {
    title: 'a watchdog without type; one that is off may lack it',
    uci: `${surroundings}config watchdog 'look'
	option interval '2s'

config watchdog 'later'
	option enabled '0'
`,
    problems: [
      "oneip:27: error: watchdog 'look': option 'type' is missing; accepted: ping, arp, tcp, http, script, report or ubus",
    ],
  },
  {
    title: 'a watchdog without name',
    uci: `${surroundings}config watchdog
	option type 'ping'
`,
    problems: [
      "oneip:27: error: unnamed watchdog needs a name; accepted: config watchdog 'NAME', of letters a–z, digits and underscores",
    ],
  },
  {
    title: 'a script without its path',
    uci: `${surroundings}config watchdog 'look'
	option type 'script'
`,
    problems: [
      "oneip:27: error: watchdog 'look': option 'script' is missing; accepted: the absolute path of a program",
    ],
  },
  {
    title: 'a script by a relative path',
    uci: `${surroundings}config watchdog 'look'
	option type 'script'
	option script 'check.sh'
`,
    problems: [
      "oneip:29: error: watchdog 'look': option 'script': 'check.sh' is not absolute; accepted: the absolute path of a program",
    ],
  },
  {
    title: 'options of other types, be they right or wrong',
    uci: `${surroundings}config watchdog 'look'
	option type 'ping'
	option port '80'
	option path 'health'
	option host 'www'
	list status '200'
	option header 'Server: x'
	option body 'ok'
	option script '/bin/true'
	option ttl '10s'

config watchdog 'listen'
	option type 'ubus'
	option interval '1s'
	option timeout '1s'
	option rise '1'
	option fall '1'
	option ttl '10s'
	option half_life '0'

config watchdog 'knock'
	option type 'tcp'
	option port '80'
	option path '/'
`,
    problems: [
      "oneip:29: warning: watchdog 'look': option 'port' does not go with type 'ping' and is ignored; accepted: type tcp or http",
      "oneip:30: warning: watchdog 'look': option 'path' does not go with type 'ping' and is ignored; accepted: type http",
      "oneip:31: warning: watchdog 'look': option 'host' does not go with type 'ping' and is ignored; accepted: type http",
      "oneip:32: warning: watchdog 'look': option 'status' does not go with type 'ping' and is ignored; accepted: type http",
      "oneip:33: warning: watchdog 'look': option 'header' does not go with type 'ping' and is ignored; accepted: type http",
      "oneip:34: warning: watchdog 'look': option 'body' does not go with type 'ping' and is ignored; accepted: type http",
      "oneip:35: warning: watchdog 'look': option 'script' does not go with type 'ping' and is ignored; accepted: type script",
      "oneip:36: warning: watchdog 'look': option 'ttl' does not go with type 'ping' and is ignored; accepted: type ubus",
      "oneip:40: warning: watchdog 'listen': option 'interval' does not go with type 'ubus' and is ignored; accepted: type ping, arp, tcp, http, script or report",
      "oneip:41: warning: watchdog 'listen': option 'timeout' does not go with type 'ubus' and is ignored; accepted: type ping, arp, tcp, http, script or report",
      "oneip:42: warning: watchdog 'listen': option 'rise' does not go with type 'ubus' and is ignored; accepted: type ping, arp, tcp, http, script or report",
      "oneip:43: warning: watchdog 'listen': option 'fall' does not go with type 'ubus' and is ignored; accepted: type ping, arp, tcp, http, script or report",
      "oneip:50: warning: watchdog 'knock': option 'path' does not go with type 'tcp' and is ignored; accepted: type http",
    ],
  },
  {
    title: 'a watchdog that nobody can report to',
    uci: `${surroundings}config watchdog 'look'
	option type 'report'
`,
    problems: [
      "oneip:28: warning: watchdog 'look': option 'type': hears no reports, and takes all its servers for failed; accepted: option 'key' in globals",
    ],
  },
  {
    title: 'a watchdog that servers report to',
    uci: `${surroundings}config watchdog 'look'
	option type 'report'

config globals 'globals'
	option key 'sixteen.letters.'
`,
    problems: [],
  },
  {
    title: 'a watchdog may wait longer than until its next probe',
    uci: `${surroundings}config watchdog 'look'
	option type 'ping'
	option interval '50ms'
	option timeout '1m'
`,
    problems: [],
  },
  {
    title: 'services and servers that do not exist',
    uci: `${surroundings}config watchdog 'look'
	option type 'ping'
	list service 'nmaes'
	list service 'web'
	list server 'ana'
	list server 'zoe'
`,
    problems: [
      "oneip:29: error: watchdog 'look': option 'service': no service has the name 'nmaes'; accepted: 'names', perhaps",
      "oneip:31: error: watchdog 'look': option 'server': no server has the name 'ana'; accepted: 'anna', perhaps",
      "oneip:32: error: watchdog 'look': option 'server': no server has the name 'zoe'; accepted: 'anna', 'bert' or 'carl'",
    ],
  },
  {
    title: 'a server that takes part in none of the services',
    uci: `${surroundings}config watchdog 'look'
	option type 'ping'
	list service 'web'
	list server 'bert'
`,
    problems: [
      "oneip:27: warning: watchdog 'look' is for nobody; accepted: servers that take part in one of its services",
    ],
  },
  {
    title: 'nobody is left out for being off',
    uci: `${surroundings}config watchdog 'look'
	option type 'ping'
	list server 'carl'
`,
    problems: [],
  },
  {
    title: 'a watchdog in an empty file',
    uci: `config watchdog 'look'
	option type 'ping'
	list service 'web'

config watchdog 'all'
	option type 'arp'
`,
    problems: [
      "oneip:3: error: watchdog 'look': option 'service': no service has the name 'web'; accepted: the name of a service section",
      "oneip:5: warning: watchdog 'all' is for nobody; accepted: servers that take part in a service",
    ],
  },
  {
    title: 'no port to ask; ping and ARP need none',
    uci: `${surroundings}config watchdog 'knock'
	option type 'tcp'

config watchdog 'look'
	option type 'http'
	list service 'web'
	list service 'names'

config watchdog 'elsewhere'
	option type 'http'
	option port '8080'

config watchdog 'anna_only'
	option type 'tcp'
	list server 'anna'

config watchdog 'echo'
	option type 'ping'

config watchdog 'neighbour'
	option type 'arp'
`,
    problems: [
      "oneip:27: warning: watchdog 'knock' does not watch service 'whole', which names no TCP port; accepted: option 'port', or other services",
      "oneip:27: warning: watchdog 'knock' does not watch service 'names', which names no TCP port; accepted: option 'port', or other services",
      "oneip:33: warning: watchdog 'look' does not watch service 'names', which names no TCP port; accepted: option 'port', or other services",
      "oneip:39: warning: watchdog 'anna_only' does not watch service 'names', which names no TCP port; accepted: option 'port', or other services",
    ],
  },
];

const ranges = 'accepted: a status code 100–599, or a range such as 200-299';

/** Values of a watchdog of type `http`; the line is the eleventh. */
export const watchdogValueCases: readonly ValueCase[] = [
  ...(
    [
      [
        "interval '49ms'",
        "'49ms' is too short; accepted: a duration 50ms–1h: a whole number with ms, s, m, h or d (none: seconds)",
      ],
      [
        "interval '61m'",
        "'61m' is too long; accepted: a duration 50ms–1h: a whole number with ms, s, m, h or d (none: seconds)",
      ],
      [
        "interval '0.5'",
        "'0.5' is no duration; accepted: a duration 50ms–1h: a whole number with ms, s, m, h or d (none: seconds)",
      ],
      [
        "timeout '0'",
        "'0' is too short; accepted: a duration 50ms–1m: a whole number with ms, s, m, h or d (none: seconds)",
      ],
      [
        "timeout '61'",
        "'61' is too long; accepted: a duration 50ms–1m: a whole number with ms, s, m, h or d (none: seconds)",
      ],
      ["rise '0'", "'0' is too small; accepted: a whole number 1–100"],
      ["fall '101'", "'101' is too large; accepted: a whole number 1–100"],
      ["port '65536'", "'65536' is too large; accepted: a whole number 1–65535"],
      [
        "path 'health'",
        "'health' does not begin with /; accepted: a path that begins with /, without blanks, others than ASCII characters as %XX",
      ],
      [
        "path '/a b'",
        "'/a b' has characters that a URL cannot have; accepted: a path that begins with /, without blanks, others than ASCII characters as %XX",
      ],
      ["host 'a b'", "'a b' is no host; accepted: a name or an address (IPv6 in brackets), perhaps with :PORT"],
      [
        "host '2001:db8::1'",
        "'2001:db8::1' is no host; accepted: a name or an address (IPv6 in brackets), perhaps with :PORT",
      ],
      [
        "header 'text/html'",
        "'text/html' is no header with a text; accepted: a header and a text, such as 'Content-Type: text/html'",
      ],
      ["status '99'", `'99' is no status code; ${ranges}`],
      ["status '600'", `'600' is no status code; ${ranges}`],
      ["status 'ok'", `'ok' is no status code; ${ranges}`],
      ["status '200-'", `'200-' is no range of status codes; ${ranges}`],
      ["status '299-200'", "'299-200' ends before it begins; accepted: '200-299'"],
      [
        "half_life '2h'",
        "'2h' is too long; accepted: a duration 0s–1h: a whole number with ms, s, m, h or d (none: seconds)",
      ],
    ] as const
  ).map(([statement, complaint]): ValueCase => {
    const [option = ''] = statement.split(' ');
    return {
      section: 'watchdog',
      line: `option ${statement}`,
      problem: `oneip:11: error: watchdog 'look': option '${option}': ${complaint}`,
    };
  }),
];
