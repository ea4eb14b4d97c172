import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { planOf, web } from './watchdog-drill.ts';

/** `KEYS -> SUBJECTS` of every probe: type, server, ghost, port, and whom its counters are about. */
const probes = (uci: string): string[] =>
  planOf(uci).probes.map(({ check, target, counters }) => {
    const whom = counters.map(
      ({ watchdog, subjects }) => `${watchdog}(${subjects.map(({ service }) => service).join(' ')})`,
    );
    const port = target.port === undefined ? '' : ` ${target.port}`;
    return `${check.type} ${target.server} ${target.ghost.text}${port} ${whom.join(' ')}`;
  });

/** Two services on common ghost addresses of both families; `bert` has no IPv6 address. */
const family = (watchdogs: string): string => `config service 'web'
	list ghost '192.0.2.1'
	list ghost '2001:db8::1'
	list port '80'
	list port '8080'

config service 'tls'
	list ghost '192.0.2.1'
	list ghost '192.0.2.2'
	list port '443'

config server 'anna'
	list service 'web'
	list service 'tls'
	option address '192.168.1.11'
	option address6 '2001:db8:1::11'

config server 'bert'
	list service 'web'
	option address '192.168.1.12'

${watchdogs}`;

test('plan: one probe for each ghost address of a family that the server has, whichever services share it', () => {
  assert.equal(probes(family("config watchdog 'w'\n\toption type 'ping'\n")), [
    'ping anna 192.0.2.1 w(web tls)',
    'ping anna 2001:db8::1 w(web)',
    'ping bert 192.0.2.1 w(web)',
    'ping anna 192.0.2.2 w(tls)',
  ]);
});

test('plan: ARP asks for the own address, once for each family', () => {
  assert.equal(probes(family("config watchdog 'w'\n\toption type 'arp'\n")), [
    'arp anna 192.0.2.1 w(web tls)',
    'arp anna 2001:db8::1 w(web)',
    'arp bert 192.0.2.1 w(web)',
  ]);
  const [first] = planOf(family("config watchdog 'w'\n\toption type 'arp'\n")).probes;
  assert.is(first?.target.address.text, '192.168.1.11');
});

test('plan: the first TCP port of a service, or that of the watchdog, which services share', () => {
  assert.equal(probes(family("config watchdog 'w'\n\toption type 'tcp'\n\tlist server 'anna'\n")), [
    'tcp anna 192.0.2.1 80 w(web)',
    'tcp anna 2001:db8::1 80 w(web)',
    'tcp anna 192.0.2.1 443 w(tls)',
    'tcp anna 192.0.2.2 443 w(tls)',
  ]);
  assert.equal(probes(family("config watchdog 'w'\n\toption type 'http'\n\toption port '9'\n\tlist server 'anna'\n")), [
    'http anna 192.0.2.1 9 w(web tls)',
    'http anna 2001:db8::1 9 w(web)',
    'http anna 192.0.2.2 9 w(tls)',
  ]);
});

test('plan: nobody is asked by TCP where there is no TCP port to ask', () => {
  const udp = web("option type 'tcp'").replace("list port '80'", "list port '53'\n\toption proto 'udp'");
  assert.equal(probes(udp), []);
  assert.equal(probes(web("option type 'tcp'").replace("list port '80'", "option proto 'all'")), []);
  assert.is(probes(udp.replace("type 'tcp'", "type 'tcp'\n\toption port '53'")).length, 2);
});

test('plan: a script is run for each service, with its first port', () => {
  assert.equal(
    probes(family("config watchdog 'w'\n\toption type 'script'\n\toption script '/bin/look'\n\tlist server 'anna'\n")),
    [
      'script anna 192.0.2.1 80 w(web)',
      'script anna 2001:db8::1 80 w(web)',
      'script anna 192.0.2.1 443 w(tls)',
      'script anna 192.0.2.2 443 w(tls)',
    ],
  );
});

test('plan: a script is told the service, so that one port in two services is asked twice; by TCP it is one question', () => {
  const uci = (type: string): string =>
    `${web(`${type}\nlist server 'anna'`)}
config service 'names'
	list ghost '192.0.2.1'
	option proto 'udp'
	list port '80'
`.replaceAll("list service 'web'", "list service 'web'\n\tlist service 'names'");
  assert.equal(probes(uci("option type 'script'\noption script '/bin/look'")), [
    'script anna 192.0.2.1 80 w1(web)',
    'script anna 192.0.2.1 80 w1(names)',
  ]);
  assert.equal(probes(uci("option type 'tcp'\noption port '80'")), ['tcp anna 192.0.2.1 80 w1(web names)']);
});

test('plan: services with other ghost addresses share the question by ARP', () => {
  const uci = `${web("option type 'arp'\nlist server 'anna'")}
config service 'tls'
	list ghost '192.0.2.2'
`.replaceAll("list service 'web'", "list service 'web'\n\tlist service 'tls'");
  assert.equal(probes(uci), ['arp anna 192.0.2.1 w1(web tls)']);
});

test('plan: watchdogs that ask the same in the same rhythm share their probes, others do not', () => {
  const type = "option type 'ping'\nlist server 'anna'\n";
  assert.equal(probes(web(`${type}option fall '1'`, `${type}option fall '5'`, `${type}option interval '2s'`)), [
    'ping anna 192.0.2.1 w1(web) w2(web)',
    'ping anna 192.0.2.1 w3(web)',
  ]);
});

test('plan: lists of services and servers choose; nobody is asked for type ubus', () => {
  assert.equal(
    probes(family("config watchdog 'w'\n\toption type 'ping'\n\tlist service 'tls'\n\tlist server 'bert'\n")),
    [],
  );
  assert.equal(
    probes(family("config watchdog 'w'\n\toption type 'ping'\n\tlist service 'web'\n\tlist server 'bert'\n")),
    ['ping bert 192.0.2.1 w(web)'],
  );
  assert.equal(probes(web("option type 'ubus'")), []);
});

test('plan: how to get there', () => {
  const [, bert] = planOf(web("option type 'ping'")).probes;
  assert.equal(bert?.target.device, { name: 'br-lan', ifindex: 3 });
  assert.is(bert?.target.mark, 0x6f690002);
  assert.is(bert?.target.address.text, '192.168.1.12');
  const high = `config globals\n\toption mark_base '0xfffeffff'\n\n${web("option type 'ping'")}`;
  assert.is(planOf(high).probes[0]?.target.mark, 0xffff0000);
});

test('plan: every server of a service is a subject, watched or not; the longest half-life counts', () => {
  const uci = family(
    [
      ...["config watchdog 'w1'", "\toption type 'ping'", "\toption half_life '10s'", "\tlist server 'anna'"],
      ...["config watchdog 'w2'", "\toption type 'ubus'", "\toption half_life '0'", "\toption ttl '5s'"],
      ...["\tlist service 'web'", ''],
    ].join('\n'),
  );
  assert.equal(
    planOf(uci).subjects.map(({ service, server, families, halfLife, reportTtl }) => [
      ...[service, server, families.join(), halfLife, reportTtl],
    ]),
    [
      ['web', 'anna', '4,6', 10_000, 5000],
      ['web', 'bert', '4', 0, 5000],
      ['tls', 'anna', '4', 10_000, 60_000],
    ],
  );
  assert.equal(
    planOf(web()).subjects.map(({ halfLife, reportTtl }) => [halfLife, reportTtl]),
    [
      [30_000, 60_000],
      [30_000, 60_000],
    ],
  );
});

test('plan: keys tell everything apart, and say the same when planned again', () => {
  const uci = family("config watchdog 'w'\n\toption type 'tcp'\n\nconfig watchdog 'v'\n\toption type 'ping'\n");
  const keys = planOf(uci).probes.map(({ key }) => key);
  assert.is(new Set(keys).size, keys.length);
  assert.equal(
    planOf(uci).probes.map(({ key }) => key),
    keys,
  );
  const moved = planOf(uci.replace('192.168.1.12', '192.168.1.13')).probes.map(({ key }) => key);
  assert.equal(
    keys.filter((key) => !moved.includes(key)).every((key) => key.includes('192.168.1.12')),
    true,
  );
});

test.run();
