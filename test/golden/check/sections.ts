import type { CheckCase } from './case.ts';

/** Sections that cannot be what they are. */
export const sectionCases: readonly CheckCase[] = [
  {
    title: 'sections without name',
    uci: `config service
	list ghost '192.0.2.1'

config server
	list service 'web'
	option address '192.168.1.11'
`,
    problems: [
      "oneip:1: error: unnamed service needs a name; accepted: config service 'NAME', of letters a–z, digits and underscores",
      "oneip:4: error: unnamed server needs a name; accepted: config server 'NAME', of letters a–z, digits and underscores",
    ],
  },
  {
    title: 'names that UCI takes and this does not',
    uci: `config service 'Web'
	list ghost '192.0.2.1'

config server 'a_server_with_a_name_of_more_than_32_characters'
	list service 'Web'
	option address '192.168.1.11'
`,
    problems: [
      "oneip:1: error: service 'Web' has capital letters in its name; accepted: 1–32 letters a–z, digits and underscores, such as 'web'",
      "oneip:4: error: server 'a_server_with_a_name_of_more_than_32_characters' has a name of more than 32 characters; accepted: 1–32 letters a–z, digits and underscores, such as 'a_server_with_a_name_of_more_tha'",
    ],
  },
  {
    title: 'unknown types',
    uci: `config services 'web'
	list ghost '192.0.2.1'

config mirror 'copy'
	option path '/'
`,
    problems: [
      "oneip:1: warning: services 'web' is of an unknown type and ignored; did you mean 'service'?",
      "oneip:4: warning: mirror 'copy' is of an unknown type and ignored",
    ],
  },
  {
    title: 'two globals',
    uci: `config globals 'globals'
	option enabled '0'

config globals 'more'
	option enabled '1'
`,
    problems: [
      "oneip:4: error: globals 'more' is ignored, since line 1 has the globals already; accepted: one section of this type",
    ],
  },
  {
    title: 'a service without ghost address; one that is off may lack it',
    uci: `config service 'web'
	option enabled '1'

config service 'draft'
	option enabled '0'
`,
    problems: ["oneip:1: error: service 'web': option 'ghost' is missing; accepted: an IPv4 or IPv6 address"],
  },
  {
    title: 'a service whose only server is off',
    uci: `config service 'web'
	list ghost '192.0.2.1'

config server 'one'
	option enabled '0'
	list service 'web'
	option address '192.168.1.11'
`,
    problems: ["oneip:1: warning: service 'web' has no server; accepted: a server section with option service 'web'"],
  },
  {
    title: 'a server that nobody has',
    uci: `config service 'web'
	list ghost '192.0.2.1'

config server 'one'
	option address '192.168.1.11'
`,
    problems: [
      "oneip:1: warning: service 'web' has no server; accepted: a server section with option service 'web'",
      "oneip:4: warning: server 'one' takes part in no service; accepted: option 'service' with the name of one",
    ],
  },
  {
    title: 'a server without address',
    uci: `config service 'web'
	list ghost '192.0.2.1'

config server 'one'
	list service 'web'
`,
    problems: [
      "oneip:4: error: server 'one' has no address; accepted: option 'address' (IPv4), option 'address6' (IPv6) or both",
    ],
  },
  {
    title: 'every problem at once',
    uci: `config globals 'globals'
	option mark_base 'many'

config service 'web'
	list ghost '192.0.2.1'
	list ghost '224.0.0.1'
	list port '0'
	option hash 'random'
	option weight '3'

config service 'dns'
	list ghost '192.0.2.2'
	option proto 'udp'
	option port '53'

config server 'one'
	option service 'web dns'
	option address '192.168.1.11'

config server 'two'
	option service 'dsn'
	option address '192.168.1'
`,
    problems: [
      "oneip:2: error: globals 'globals': option 'mark_base': 'many' is no number; accepted: a whole number 65536–4294901760",
      "oneip:6: error: service 'web': option 'ghost': '224.0.0.1' is a multicast address; accepted: a unicast address that clients can reach",
      "oneip:7: error: service 'web': option 'port': '0' is no port; accepted: a port 1–65535, or a range such as 8000-8010",
      "oneip:8: error: service 'web': option 'hash': 'random' is unknown; accepted: source or source_port",
      "oneip:9: warning: service 'web': option 'weight' is unknown and ignored",
      "oneip:22: error: server 'two': option 'address': '192.168.1' is no address; accepted: an IPv4 address",
    ],
  },
];
