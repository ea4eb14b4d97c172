import type { ValueCase } from './case.ts';

/** Values that are wrong, doubtful or superfluous, one a line. */
export const valueCases: readonly ValueCase[] = [
  {
    section: 'service',
    line: "list port '99999'",
    problem:
      "oneip:3: error: service 'web': option 'port': '99999' is no port; accepted: a port 1–65535, or a range such as 8000-8010",
  },
  {
    section: 'service',
    line: "list port '0'",
    problem:
      "oneip:3: error: service 'web': option 'port': '0' is no port; accepted: a port 1–65535, or a range such as 8000-8010",
  },
  {
    section: 'service',
    line: "list port '65536'",
    problem:
      "oneip:3: error: service 'web': option 'port': '65536' is no port; accepted: a port 1–65535, or a range such as 8000-8010",
  },
  {
    section: 'service',
    line: "list port 'http'",
    problem:
      "oneip:3: error: service 'web': option 'port': 'http' is no port; accepted: a port 1–65535, or a range such as 8000-8010",
  },
  {
    section: 'service',
    line: "list port '080'",
    problem:
      "oneip:3: error: service 'web': option 'port': '080' is no port; accepted: a port 1–65535, or a range such as 8000-8010",
  },
  {
    section: 'service',
    line: "list port '8010-8000'",
    problem: "oneip:3: error: service 'web': option 'port': '8010-8000' ends before it begins; accepted: '8000-8010'",
  },
  {
    section: 'service',
    line: "list port '1-70000'",
    problem:
      "oneip:3: error: service 'web': option 'port': '1-70000' is no range of ports; accepted: a port 1–65535, or a range such as 8000-8010",
  },
  {
    section: 'service',
    line: "list port ''",
    problem: "oneip:3: warning: service 'web': option 'port' has an empty value, which counts for nothing",
  },
  {
    section: 'service',
    line: "option port '80 https'",
    problem:
      "oneip:3: error: service 'web': option 'port': 'https' is no port; accepted: a port 1–65535, or a range such as 8000-8010",
  },
  {
    section: 'service',
    line: "list port '80 443'",
    problem:
      "oneip:3: error: service 'web': option 'port': '80 443' is no port; accepted: a port 1–65535, or a range such as 8000-8010",
  },
  {
    section: 'service',
    line: "list proto 'sctp'",
    problem:
      "oneip:3: error: service 'web': option 'proto': 'sctp' is no protocol that a service can take; accepted: tcp, udp, tcp+udp or all",
  },
  {
    section: 'service',
    line: "option proto 'tcp icmp'",
    problem:
      "oneip:3: error: service 'web': option 'proto': 'icmp' is no protocol that a service can take; accepted: tcp, udp, tcp+udp or all",
  },
  {
    section: 'service',
    line: "list ghost 'example.org'",
    problem:
      "oneip:3: error: service 'web': option 'ghost': 'example.org' is no address; accepted: an IPv4 or IPv6 address",
  },
  {
    section: 'service',
    line: "list ghost 'example.org/24'",
    problem:
      "oneip:3: error: service 'web': option 'ghost': 'example.org/24' is no address; accepted: an IPv4 or IPv6 address",
  },
  {
    section: 'service',
    line: "list ghost '192.0.2.256'",
    problem:
      "oneip:3: error: service 'web': option 'ghost': '192.0.2.256' is no address; accepted: an IPv4 or IPv6 address",
  },
  {
    section: 'service',
    line: "list ghost '192.0.2.2/24'",
    problem: "oneip:3: error: service 'web': option 'ghost': '192.0.2.2/24' has a prefix length; accepted: '192.0.2.2'",
  },
  {
    section: 'service',
    line: "list ghost 'fe80::1%eth0'",
    problem:
      "oneip:3: error: service 'web': option 'ghost': 'fe80::1%eth0' has a zone, as only link-local addresses have; accepted: an IPv4 or IPv6 address",
  },
  {
    section: 'service',
    line: "list ghost '224.0.0.5'",
    problem:
      "oneip:3: error: service 'web': option 'ghost': '224.0.0.5' is a multicast address; accepted: a unicast address that clients can reach",
  },
  {
    section: 'service',
    line: "list ghost '127.0.0.1'",
    problem:
      "oneip:3: error: service 'web': option 'ghost': '127.0.0.1' is a loopback address; accepted: a unicast address that clients can reach",
  },
  {
    section: 'service',
    line: "list ghost '0.0.0.0'",
    problem:
      "oneip:3: error: service 'web': option 'ghost': '0.0.0.0' is the unspecified address; accepted: a unicast address that clients can reach",
  },
  {
    section: 'service',
    line: "list ghost '0.1.2.3'",
    problem:
      "oneip:3: error: service 'web': option 'ghost': '0.1.2.3' is no address of a host (0.0.0.0/8); accepted: a unicast address that clients can reach",
  },
  {
    section: 'service',
    line: "list ghost '255.255.255.255'",
    problem:
      "oneip:3: error: service 'web': option 'ghost': '255.255.255.255' is the broadcast address; accepted: a unicast address that clients can reach",
  },
  {
    section: 'service',
    line: "list ghost '169.254.1.1'",
    problem:
      "oneip:3: error: service 'web': option 'ghost': '169.254.1.1' is a link-local address; accepted: a unicast address that clients can reach",
  },
  {
    section: 'service',
    line: "list ghost '::'",
    problem:
      "oneip:3: error: service 'web': option 'ghost': '::' is the unspecified address; accepted: a unicast address that clients can reach",
  },
  {
    section: 'service',
    line: "list ghost '::1'",
    problem:
      "oneip:3: error: service 'web': option 'ghost': '::1' is the loopback address; accepted: a unicast address that clients can reach",
  },
  {
    section: 'service',
    line: "list ghost 'ff02::1'",
    problem:
      "oneip:3: error: service 'web': option 'ghost': 'ff02::1' is a multicast address; accepted: a unicast address that clients can reach",
  },
  {
    section: 'service',
    line: "list ghost 'fe80::1'",
    problem:
      "oneip:3: error: service 'web': option 'ghost': 'fe80::1' is a link-local address; accepted: a unicast address that clients can reach",
  },
  {
    section: 'service',
    line: "list ghost '::ffff:192.0.2.1'",
    problem:
      "oneip:3: error: service 'web': option 'ghost': '::ffff:c000:201' is an IPv4-mapped address; accepted: a unicast address that clients can reach",
  },
  {
    section: 'service',
    line: "list source 'lo'",
    problem:
      "oneip:3: error: service 'web': option 'source': 'lo' is the loopback device, which leads to nobody; accepted: a device such as eth0.2 or a logical interface such as wan, at most 15 characters",
  },
  {
    section: 'service',
    line: "list source 'eth0:1'",
    problem:
      "oneip:3: error: service 'web': option 'source': 'eth0:1' is no name of a device; accepted: a device such as eth0.2 or a logical interface such as wan, at most 15 characters",
  },
  {
    section: 'service',
    line: "option device 'a/b'",
    problem:
      "oneip:3: error: service 'web': option 'device': 'a/b' is no name of a device; accepted: a device such as eth0.2 or a logical interface such as wan, at most 15 characters",
  },
  {
    section: 'service',
    line: "option device 'a-name-of-16-char'",
    problem:
      "oneip:3: error: service 'web': option 'device': 'a-name-of-16-char' is no name of a device; accepted: a device such as eth0.2 or a logical interface such as wan, at most 15 characters",
  },
  {
    section: 'service',
    line: "option hash 'sourceport'",
    problem: "oneip:3: error: service 'web': option 'hash': 'sourceport' is unknown; accepted: source or source_port",
  },
  {
    section: 'service',
    line: "option hash_prefix6 '60'",
    problem:
      "oneip:3: error: service 'web': option 'hash_prefix6': '60' is no multiple of 8; accepted: a whole number 32–128 in steps of 8",
  },
  {
    section: 'service',
    line: "option hash_prefix6 '24'",
    problem:
      "oneip:3: error: service 'web': option 'hash_prefix6': '24' is too small; accepted: a whole number 32–128 in steps of 8",
  },
  {
    section: 'service',
    line: "option hash_prefix6 '129'",
    problem:
      "oneip:3: error: service 'web': option 'hash_prefix6': '129' is too large; accepted: a whole number 32–128 in steps of 8",
  },
  {
    section: 'service',
    line: "list allow '198.51.100.7/24'",
    problem:
      "oneip:3: error: service 'web': option 'allow': '198.51.100.7/24' has bits set behind the first 24; accepted: '198.51.100.0/24', or '198.51.100.7' for the one address",
  },
  {
    section: 'service',
    line: "list deny '198.51.100.0/33'",
    problem:
      "oneip:3: error: service 'web': option 'deny': '198.51.100.0/33' is no prefix; accepted: a prefix such as 192.0.2.0/24 or 2001:db8::/32, or one address",
  },
  {
    section: 'service',
    line: "list deny 'anybody'",
    problem:
      "oneip:3: error: service 'web': option 'deny': 'anybody' is no prefix; accepted: a prefix such as 192.0.2.0/24 or 2001:db8::/32, or one address",
  },
  {
    section: 'service',
    line: "option slots '1000'",
    problem:
      "oneip:3: error: service 'web': option 'slots': '1000' is none of the possible numbers; accepted: 256, 512, 1024, 2048 or 4096",
  },
  {
    section: 'service',
    line: "option seed '4294967296'",
    problem:
      "oneip:3: error: service 'web': option 'seed': '4294967296' is too large; accepted: a whole number 0–4294967295",
  },
  {
    section: 'service',
    line: "option seed '-1'",
    problem: "oneip:3: error: service 'web': option 'seed': '-1' is too small; accepted: a whole number 0–4294967295",
  },
  {
    section: 'service',
    line: "option seed '0x1z'",
    problem: "oneip:3: error: service 'web': option 'seed': '0x1z' is no number; accepted: a whole number 0–4294967295",
  },
  {
    section: 'service',
    line: "option dispatch 'tunnel'",
    problem:
      "oneip:3: error: service 'web': option 'dispatch': 'tunnel' is unknown; accepted: route, broadcast, multicast or nat",
  },
  {
    section: 'service',
    line: "option scheduler 'most'",
    problem:
      "oneip:3: error: service 'web': option 'scheduler': 'most' is unknown; accepted: hash, round_robin, random or least",
  },
  {
    section: 'server',
    line: "option port '0'",
    problem: "oneip:7: error: server 'one': option 'port': '0' is too small; accepted: a whole number 1–65535",
  },
  {
    section: 'service',
    line: "option enabled 'maybe'",
    problem:
      "oneip:3: error: service 'web': option 'enabled': 'maybe' is neither true nor false; accepted: 1 or 0 (or on/off, true/false, yes/no, enabled/disabled)",
  },
  {
    section: 'service',
    line: "list slots '256'; list slots '512'",
    problem:
      "oneip:3: error: service 'web': option 'slots' has several values; accepted: one value: 256, 512, 1024, 2048 or 4096",
  },
  {
    section: 'service',
    line: "option ports '80'",
    problem: "oneip:3: warning: service 'web': option 'ports' is unknown and ignored; did you mean 'port'?",
  },
  {
    section: 'service',
    line: "option colour 'blue'",
    problem: "oneip:3: warning: service 'web': option 'colour' is unknown and ignored",
  },
  {
    section: 'service',
    line: "option hash_prefix '64'",
    problem:
      "oneip:3: warning: service 'web': option 'hash_prefix' is unknown and ignored; did you mean 'hash_prefix6'?",
  },
  {
    section: 'service',
    line: "list port '80'; list port '80'",
    problem: "oneip:3: warning: service 'web': option 'port': '80' is listed twice",
  },
  {
    section: 'service',
    line: "list port '8000-8010'; list port '8005'",
    problem: "oneip:3: warning: service 'web': option 'port': '8005' overlaps with '8000-8010' (line 3)",
  },
  {
    section: 'service',
    line: "list ghost '192.0.2.1'",
    problem: "oneip:3: warning: service 'web': option 'ghost': '192.0.2.1' is listed twice",
  },
  {
    section: 'service',
    line: "list allow '2001:DB8::/32'; list allow '2001:db8::/32'",
    problem: "oneip:3: warning: service 'web': option 'allow': '2001:db8::/32' is listed twice",
  },
  {
    section: 'service',
    line: "option port '80'; option port '443'",
    problem:
      "oneip:3: warning: service 'web': option 'port' replaces the value given before (line 3); accepted: 'list port' for several values",
  },
  {
    section: 'service',
    line: "option port ''",
    problem: "oneip:3: warning: service 'web': option 'port' has an empty value, which counts for nothing",
  },
  {
    section: 'service',
    line: "option proto 'all'; option port '53'",
    problem:
      "oneip:3: error: service 'web': option 'port' does not go with proto 'all', which takes every protocol whole; accepted: proto tcp, udp or tcp+udp; or no ports",
  },
  {
    section: 'server',
    line: "option weight '1001'",
    problem: "oneip:7: error: server 'one': option 'weight': '1001' is too large; accepted: a whole number 0–1000",
  },
  {
    section: 'server',
    line: "option weight '-1'",
    problem: "oneip:7: error: server 'one': option 'weight': '-1' is too small; accepted: a whole number 0–1000",
  },
  {
    section: 'server',
    line: "option weight 'heavy'",
    problem: "oneip:7: error: server 'one': option 'weight': 'heavy' is no number; accepted: a whole number 0–1000",
  },
  {
    section: 'server',
    line: "option address6 '192.168.1.12'",
    problem:
      "oneip:7: error: server 'one': option 'address6': '192.168.1.12' is an IPv4 address; accepted: an IPv6 address here, and this one in option 'address'",
  },
  {
    section: 'server',
    line: "option address6 'fe80::11'",
    problem:
      "oneip:7: error: server 'one': option 'address6': 'fe80::11' is a link-local address; accepted: the server's own unicast address on the device of its services",
  },
  {
    section: 'server',
    line: "option address6 '2001:db8::11/64'",
    problem:
      "oneip:7: error: server 'one': option 'address6': '2001:db8::11/64' has a prefix length; accepted: '2001:db8::11'",
  },
  {
    section: 'server',
    line: "option adress6 '2001:db8::11'",
    problem: "oneip:7: warning: server 'one': option 'adress6' is unknown and ignored; did you mean 'address6'?",
  },
  {
    section: 'server',
    line: "list service 'wbe'",
    problem: "oneip:7: error: server 'one': option 'service': no service has the name 'wbe'; accepted: 'web'",
  },
  {
    section: 'server',
    line: "list service 'mail'",
    problem: "oneip:7: error: server 'one': option 'service': no service has the name 'mail'; accepted: 'web'",
  },
  {
    section: 'server',
    line: "list service 'web'",
    problem: "oneip:7: warning: server 'one': option 'service': 'web' is listed twice",
  },
  {
    section: 'server',
    line: "option enabled 'yse'",
    problem:
      "oneip:7: error: server 'one': option 'enabled': 'yse' is neither true nor false; accepted: 1 or 0 (or on/off, true/false, yes/no, enabled/disabled)",
  },
  {
    section: 'globals',
    line: "option mark_base '0'",
    problem:
      "oneip:2: error: globals 'globals': option 'mark_base': '0' is too small; accepted: a whole number 65536–4294901760",
  },
  {
    section: 'globals',
    line: "option mark_base '0xffffffff'",
    problem:
      "oneip:2: error: globals 'globals': option 'mark_base': '0xffffffff' is too large; accepted: a whole number 65536–4294901760",
  },
  {
    section: 'globals',
    line: "option table_base '254'",
    problem:
      "oneip:2: error: globals 'globals': option 'table_base': '254' is too small; accepted: a whole number 256–4294901760",
  },
  {
    section: 'globals',
    line: "option key 'too short'",
    problem:
      "oneip:2: error: globals 'globals': option 'key': the value has others than printable ASCII characters; accepted: 16 to 128 printable ASCII characters without blanks",
  },
  {
    section: 'globals',
    line: "option channel_port '0'",
    problem:
      "oneip:2: error: globals 'globals': option 'channel_port': '0' is too small; accepted: a whole number 1–65535",
  },
  {
    section: 'globals',
    line: "option load_interval '0s'",
    problem:
      "oneip:2: error: globals 'globals': option 'load_interval': '0s' is too short; accepted: a duration 1s–1h: a whole number with ms, s, m, h or d (none: seconds)",
  },
  {
    section: 'globals',
    line: "option load_script 'load'",
    problem:
      "oneip:2: error: globals 'globals': option 'load_script': 'load' is not absolute; accepted: the absolute path of a program",
  },
  {
    section: 'globals',
    line: "option bridge_bypass 'port'",
    problem:
      "oneip:2: error: globals 'globals': option 'bridge_bypass': 'port' is neither true nor false; accepted: 1 or 0 (or on/off, true/false, yes/no, enabled/disabled)",
  },
  {
    section: 'globals',
    line: "option rule_priority '32766'",
    problem:
      "oneip:2: error: globals 'globals': option 'rule_priority': '32766' is too large; accepted: a whole number 1–32765",
  },
  {
    section: 'globals',
    line: "option rule_priority '1e3'",
    problem:
      "oneip:2: error: globals 'globals': option 'rule_priority': '1e3' is no number; accepted: a whole number 1–32765",
  },
  {
    section: 'globals',
    line: "option enabled '2'",
    problem:
      "oneip:2: error: globals 'globals': option 'enabled': '2' is neither true nor false; accepted: 1 or 0 (or on/off, true/false, yes/no, enabled/disabled)",
  },
  {
    section: 'globals',
    line: "option priority '5'",
    problem: "oneip:2: warning: globals 'globals': option 'priority' is unknown and ignored",
  },
];
