import type { CheckCase } from './case.ts';

/** Statements that cannot be read, and what is left of the file. */
export const syntaxCases: readonly CheckCase[] = [
  {
    title: 'a name without its closing quote costs the section',
    uci: `config service 'web
	list ghost '192.0.2.1'

config server 'one'
	list service 'web'
	option address '192.168.1.11'
`,
    problems: [
      "oneip:1: error: a quoted text is not closed; accepted: a ' at its end",
      "oneip:5: error: server 'one': option 'service': no service has the name 'web'; accepted: the name of a service section",
    ],
  },
  {
    title: 'a value without its closing quote does not swallow the lines below',
    uci: `config service 'web'
	list ghost '192.0.2.1
	option proto 'tcp'
	list port 99999
`,
    problems: [
      "oneip:2: error: service 'web': a quoted text is not closed; accepted: a ' at its end",
      "oneip:4: error: service 'web': option 'port': '99999' is no port; accepted: a port 1–65535, or a range such as 8000-8010",
    ],
  },
  {
    title: 'a quote that another line closes',
    uci: `config service 'web'
	list ghost '192.0.2.1
	option proto tcp'
	list port 99999
`,
    problems: [
      "oneip:2: error: service 'web': option 'ghost': '192.0.2.1\\n\\toption proto tcp' runs over lines, which a missing quote can cause; accepted: an IPv4 or IPv6 address",
      "oneip:4: error: service 'web': option 'port': '99999' is no port; accepted: a port 1–65535, or a range such as 8000-8010",
    ],
  },
  {
    title: 'double quotes likewise',
    uci: `config service web
	list ghost "192.0.2.1
	list port 99999
`,
    problems: [
      "oneip:2: error: service 'web': a quoted text is not closed; accepted: a \" at its end",
      "oneip:3: error: service 'web': option 'port': '99999' is no port; accepted: a port 1–65535, or a range such as 8000-8010",
    ],
  },
  {
    title: 'a forgotten keyword damages the section',
    uci: `config service 'web'
	ghost '192.0.2.1'
	list ghost '192.0.2.1'
`,
    problems: [
      "oneip:2: error: service 'web': 'ghost' is no UCI statement; accepted: config, option, list, or # for a comment",
    ],
  },
  {
    title: 'lines below a mistyped config do not land in the section above',
    uci: `config service 'web'
	list ghost '192.0.2.1'

confg server 'one'
	option enabled '0'
	list service 'web'
`,
    problems: [
      "oneip:1: warning: service 'web' has no server; accepted: a server section with option service 'web'",
      "oneip:4: error: 'confg' is no UCI statement; accepted: config, option, list, or # for a comment",
    ],
  },
  {
    title: 'words in excess',
    uci: `config service 'web' 'mail'
	list ghost 192.0.2.1
config service 'mail'
	list ghost 192.0.2.2 192.0.2.3
`,
    problems: [
      "oneip:1: error: 'mail' is one word too many; accepted: one word, or quotes around a text with blanks",
      "oneip:4: error: service 'mail': '192.0.2.3' is one word too many; accepted: one word, or quotes around a text with blanks",
    ],
  },
  {
    title: 'values before the first section',
    uci: `option enabled 1
list ghost '192.0.2.1'
`,
    problems: [
      "oneip:1: error: option 'enabled' stands before the first section; accepted: config service 'NAME' above it, for example",
      "oneip:2: error: option 'ghost' stands before the first section; accepted: config service 'NAME' above it, for example",
    ],
  },
  {
    title: 'names and types',
    uci: `config service 'my-web'
	list ghost '192.0.2.1'
config service 'mail'
	list ghost '192.0.2.2'
	option hash-prefix6 '64'
	option
	list
config
config 'a b'
package 'a b'
package oneip
`,
    problems: [
      "oneip:1: error: section name 'my-web' has other characters than UCI allows; accepted: letters, digits and underscores",
      "oneip:5: error: service 'mail': option name 'hash-prefix6' has other characters than UCI allows; accepted: letters, digits and underscores",
      "oneip:6: error: service 'mail': an option without name; accepted: option NAME 'VALUE'",
      "oneip:7: error: service 'mail': a list without name; accepted: option NAME 'VALUE'",
      "oneip:8: error: a section without type; accepted: config service 'NAME', for example",
      "oneip:9: error: section type 'a b' is none; accepted: printable ASCII characters without blanks",
      "oneip:10: error: 'a b' is no package name; accepted: package oneip",
    ],
  },
  {
    title: 'control characters are shown, long texts cut',
    uci: `config service 'web'
	list ghost '192.0.2.1	\u0007'
	list ghost 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'
\ufeffoption proto tcp
`,
    problems: [
      "oneip:2: error: service 'web': option 'ghost': '192.0.2.1\\t\\u{7}' is no address; accepted: an IPv4 or IPv6 address",
      "oneip:3: error: service 'web': option 'ghost': 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…' is no address; accepted: an IPv4 or IPv6 address",
      "oneip:4: error: service 'web': '\\u{feff}option' is no UCI statement; accepted: config, option, list, or # for a comment",
    ],
  },
  {
    title: 'one name, two types',
    uci: `config service 'web'
	list ghost '192.0.2.1'

config server 'web'
	list service 'web'
	option address '192.168.1.11'
`,
    problems: [
      "oneip:1: warning: service 'web' has no server; accepted: a server section with option service 'web'",
      "oneip:4: error: the name 'web' belongs to a section of type 'service' (line 1); accepted: a name that no other section has",
    ],
  },
  {
    title: 'a section that is opened twice',
    uci: `config service 'web'
	list ghost '192.0.2.1'

config service 'web'
	list ghost '192.0.2.2'
`,
    problems: [
      "oneip:1: warning: service 'web' has no server; accepted: a server section with option service 'web'",
      "oneip:4: warning: service 'web' continues the section of the same name on line 1",
    ],
  },
];
