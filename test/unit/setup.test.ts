import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { check } from '../../src/cli/check.ts';
import type { Environment } from '../../src/config/environment.ts';
import { loadConfiguration } from '../../src/config/validate.ts';
import { type Answers, type PortChoice, formatPorts, portToAsk } from '../../src/setup/answers.ts';
import { readGhost, readPorts, readServers, readWay } from '../../src/setup/answers.ts';
import { type TypedAnswers, interpret } from '../../src/setup/interpret.ts';
import { existingService } from '../../src/setup/names.ts';
import {
  freeName,
  hostsToAsk,
  linkOf,
  proposeDevice,
  proposeGhost,
  proposePlaces,
  readLeases,
  serverName,
  serviceName,
} from '../../src/setup/propose.ts';
import { ghostQuestion, portQuestion, prompt, serversQuestion, wayQuestion } from '../../src/setup/questions.ts';
import { writeService } from '../../src/setup/write.ts';
import { address, environment } from './support/deployments.ts';

/** What an answer was taken for, or the complaint. */
function understood<T>(reading: { readonly value: T } | { readonly problem: string }): T | string {
  return 'value' in reading ? reading.value : reading.problem;
}

/** A router of OpenWrt, whose `wan` is on `eth1`. */
const home: Environment = {
  ...environment(),
  links: new Map([
    ...environment().links,
    ['eth1', { name: 'eth1', ifindex: 9, mtu: 1500, up: true, hardware: '02:00:00:00:00:09' }],
  ]),
  addresses: [
    { device: 'eth1', address: address('203.0.113.7'), prefixLength: 24 },
    ...environment().addresses.filter(({ device }) => device === 'br-lan'),
  ],
  interfaces: new Map([
    ['lan', 'br-lan'],
    ['wan', 'eth1'],
  ]),
};

test('answers are read as people write them', () => {
  const ports = (answer: string) => {
    const read = readPorts(answer);
    return 'value' in read ? [read.value.transport, formatPorts(read.value), portToAsk(read.value)] : read.problem;
  };
  assert.equal(ports(' 80, 443 8000-8010'), ['tcp', '80 443 8000-8010', 80]);
  assert.equal(ports('53/udp 5353/udp'), ['udp', '53/udp 5353/udp', undefined]);
  assert.equal(ports('443 443/udp'), ['tcp+udp', '443/tcp+udp', 443]);
  assert.equal(ports('443/tcp+udp'), ['tcp+udp', '443/tcp+udp', 443]);
  assert.equal(ports('80/tcp'), ['tcp', '80', 80]);
  const servers = understood(readServers('nas=192.168.1.11,192.168.1.12 fd00:1::13'));
  assert.ok(Array.isArray(servers));
  assert.equal(
    servers.map(({ name, address: { text } }) => [name, text]),
    [
      ['nas', '192.168.1.11'],
      [undefined, '192.168.1.12'],
      [undefined, 'fd00:1::13'],
    ],
  );
  assert.equal(understood(readGhost('wan', home)), { interface: 'wan' });
  assert.equal(understood(readGhost('eth1', home)), { interface: 'eth1' });
  assert.equal(understood(readGhost('198.51.100.1 2001:db8::9', home)), {
    addresses: [address('198.51.100.1'), address('2001:db8::9')],
  });
  assert.equal([readWay('nat'), readWay(' route ')].map(understood), ['nat', 'route']);
});

test('what means nothing is told', () => {
  for (const [problem, reading] of [
    ["'99999' is no port", readPorts('99999')],
    ['there has to be a port', readPorts(' ')],
    ["'1.2.3' is no address", readServers('1.2.3')],
    ["'127.0.0.1' is a loopback address", readServers('127.0.0.1')],
    ['one service has the same ports', readPorts('80 53/udp')],
    ["'53/sctp' is no port", readPorts('53/sctp')],
    ["'NAS' is no name of a server", readServers('NAS=192.168.1.11')],
    ["'192.168.1.11' is the second 192.168.1.11", readServers('192.168.1.11 192.168.1.11')],
    ["'a=192.168.1.12' is the second a", readServers('a=192.168.1.11 a=192.168.1.12')],
    ['there has to be a server', readServers('')],
    ["'wam' is neither an interface", readGhost('wam', home)],
    ["'' is neither an interface", readGhost('', home)],
    ["'fe80::1' is a link-local address", readGhost('fe80::1', home)],
    ["'both' is neither nat nor route", readWay('both')],
  ] as const) {
    const told = understood<unknown>(reading);
    assert.ok(typeof told === 'string' && told.startsWith(problem), `${String(told)}, not ${problem}`);
  }
});

test('LAN and WAN are proposed by their names where there are such, else by their addresses', () => {
  assert.equal([proposeDevice(home), proposeGhost(home, 'lan')], ['lan', 'wan']);
  const plain = { ...home, interfaces: new Map<string, string>() };
  assert.equal([proposeDevice(plain), proposeGhost(plain, 'br-lan')], ['br-lan', 'eth1']);
  const renamed = new Map([...plain.links].map(([name, link]) => [name === 'br-lan' ? 'eth0' : name, link] as const));
  const addresses = plain.addresses.map((own) => ({ ...own, device: own.device === 'br-lan' ? 'eth0' : own.device }));
  const other = { ...plain, links: renamed, addresses };
  assert.equal([proposeDevice(other), proposeGhost(other, 'eth0')], ['eth0', 'eth1']);
  const lonely = { ...plain, addresses: plain.addresses.filter(({ device }) => device === 'br-lan') };
  assert.is(proposeGhost(lonely, 'br-lan'), undefined);
  assert.is(ghostQuestion(lonely, 'br-lan').fallback, undefined);
  assert.is(proposeDevice({ ...home, links: new Map(), addresses: [], interfaces: new Map() }), undefined);
});

test('hosts of a subnet are asked but for ourselves, and not those of a large one', () => {
  const link = linkOf(home, 'lan');
  assert.ok(link);
  const hosts = hostsToAsk(home, link).map(({ text }) => text);
  assert.equal([hosts.length, hosts[0], hosts.at(-1)], [253, '192.168.1.2', '192.168.1.254']);
  const large = { ...home, addresses: [{ device: 'br-lan', address: address('10.0.0.1'), prefixLength: 16 }] };
  assert.equal(hostsToAsk(large, link), []);
});

test('names are those that hosts have told, as far as a section can have them', () => {
  const leases = readLeases(
    '1700000000 02:00:00:00:00:01 192.168.1.11 My-NAS.home 01:02\n1700000000 02:00:00:00:00:02 192.168.1.12 * *\nduid 00:01\n',
  );
  assert.equal([...leases], [['192.168.1.11', 'My-NAS.home']]);
  assert.is(serverName(address('192.168.1.11'), leases.get('192.168.1.11')), 'my_nas_home');
  assert.is(serverName(address('192.168.1.12'), undefined), 'server_12');
  assert.is(serverName(address('fd00:1::1a2b'), '***'), 'server_1a2b');
  assert.equal([serviceName(443), serviceName(8443)], ['web', 'port_8443']);
  assert.equal([freeName('web', new Set()), freeName('web', new Set(['web', 'web2']))], ['web', 'web3']);
});

test('the questions say what was found, and propose it', () => {
  const hosts = [
    { address: address('192.168.1.11'), name: 'nas', answers: true },
    { address: address('192.168.1.12'), answers: true },
    { address: address('192.168.1.50'), answers: false },
  ];
  const ports: PortChoice = { ranges: [{ first: 80, last: 80 }], transport: 'tcp' };
  const found = prompt(serversQuestion(hosts, ports, 'lan'));
  assert.match(found, 'these hosts accept connections on port 80, and 1 other none');
  assert.match(found, '     192.168.1.11  nas\n     192.168.1.12\n');
  assert.ok(found.endsWith('[192.168.1.11 192.168.1.12] '));
  const datagrams = serversQuestion(hosts.slice(2), { ...ports, transport: 'udp' }, 'lan');
  assert.match(datagrams.text, 'Hosts on lan, whether they serve or not:\n     192.168.1.50\n');
  assert.is(datagrams.fallback, undefined);
  const none = serversQuestion(hosts.slice(2), ports, 'lan');
  assert.match(none.text, 'no host accepts connections on port 80 (1 host looked at)');
  assert.not.match(prompt(none), '[');
  assert.match(prompt(ghostQuestion(home, 'lan')), 'wan has 203.0.113.7. [wan] ');
  for (const { fallback = '', read } of [portQuestion, wayQuestion]) assert.ok('value' in read(fallback));
});

const answers: Answers = {
  ports: { ranges: [{ first: 80, last: 80 }], transport: 'tcp' },
  servers: [{ address: address('192.168.1.11') }, { address: address('192.168.1.12'), name: 'shelf' }],
  ghost: { interface: 'wan' },
  way: 'nat',
  device: 'lan',
  service: 'web',
};
const names = new Map([['192.168.1.11', 'nas']]);

test('what is written is right, and leaves the rest as it was', () => {
  const before = "# Mine.\nconfig globals 'globals'\n\toption enabled '1' # yes\n";
  const { text, added, servers } = writeService(before, answers, home, names);
  assert.ok(text.startsWith(before));
  assert.equal(servers, ['nas', 'shelf']);
  assert.ok(added.startsWith("config service 'web'\n") && text.endsWith(added), added);
  assert.equal(check(text, 'oneip', home, false), { output: 'no problems\n', status: 0 });
  const [web] = loadConfiguration(text, 'oneip').model.services;
  assert.equal([web?.ghostInterfaces, web?.dispatch, web?.sources], [['wan'], 'nat', ['wan', 'lan']]);
});

test('with route the addresses of the interface are written, of the families that servers have', () => {
  const both = {
    ...home,
    addresses: [...home.addresses, { device: 'eth1', address: address('2001:db8::7'), prefixLength: 64 }],
  };
  const { text } = writeService('', { ...answers, way: 'route' }, both, names);
  const [web] = loadConfiguration(text, 'oneip').model.services;
  assert.equal([web?.ghosts.map((ghost) => ghost.text), web?.ghostInterfaces], [['203.0.113.7'], undefined]);
});

test('servers and watchdogs that are there are used, and a service is replaced with what was its alone', () => {
  const first = writeService('', answers, home, names).text.replace(
    "'192.168.1.11'",
    "'192.168.1.11'\n\toption weight '7'",
  );
  const ssh = { ...answers, service: 'ssh', ports: { ranges: [{ first: 22, last: 22 }], transport: 'tcp' } as const };
  const second = writeService(first, ssh, home, names);
  const { model } = loadConfiguration(second.text, 'oneip');
  assert.equal(
    model.services.map(({ name, servers }) => [name, servers.map((server) => [server.name, server.weight])]),
    ['web', 'ssh'].map((service) => [
      service,
      [
        ['nas', 7],
        ['shelf', 100],
      ],
    ]),
  );
  assert.equal(
    model.watchdogs.map(({ name, services }) => [name, services]),
    [
      ['alive', ['web']],
      ['alive2', ['ssh']],
    ],
  );
  assert.ok(existingService(first, 'web') && !existingService(first, 'ssh'));
  const only = { ...answers, servers: [{ address: address('192.168.1.11') }] };
  const replaced = writeService(first, only, home, names).text;
  assert.equal(check(replaced, 'oneip', home, false).output, 'no problems\n');
  assert.not.match(replaced, 'shelf');
  assert.match(replaced, "option weight '7'");
  const inBoth = writeService(second.text, only, home, names).text;
  const after = loadConfiguration(inBoth, 'oneip').model.services;
  assert.equal(
    after.map(({ name, servers }) => [name, servers.length]),
    [
      ['ssh', 2],
      ['web', 1],
    ],
  );
  const general = "config watchdog 'all'\n\toption type 'ping'\n";
  assert.not.match(writeService(general, answers, home, names).added, 'config watchdog');
});

test('of answers the first that is missing or wrong is named, and all of them make a service', () => {
  const open = (typed: TypedAnswers, before = '') => {
    const read = interpret(typed, before, home);
    return 'question' in read ? [read.question, read.problem] : [read.answers.service, read.existing];
  };
  const all = { port: '443 80', servers: '192.168.1.11', ghost: 'wan', dispatch: 'nat' };
  assert.equal(open({}), ['port', undefined]);
  assert.equal(open({ ...all, device: 'nowhere' }), [
    'device',
    "'nowhere' is neither a logical interface that is up nor a device",
  ]);
  assert.equal(open({ port: '443', dispatch: 'nat' }), ['servers', undefined]);
  assert.equal(open({ ...all, servers: '' }), ['servers', 'there has to be a server; accepted: its address']);
  assert.equal(open({ ...all, dispatch: 'best' }), ['dispatch', "'best' is neither nat nor route"]);
  assert.equal(open(all), ['web', undefined]);
  assert.equal(open(all, "config server 'web'\n"), ['web2', undefined]);
  const there = "config service 'web'\n\nconfig server 'web2'\n";
  assert.equal(open(all, there), ['web3', 'web']);
  assert.equal(open({ ...all, replace: true }, there), ['web', 'web']);
  assert.equal(open({ ...all, service: 'pages' }, there), ['pages', undefined]);
  assert.equal(open({ ...all, service: 'web2' }, there), ['service', "another section has the name 'web2'"]);
  assert.is(open({ ...all, service: 'no-name' })[0], 'service');
  const bare = { ...home, addresses: home.addresses.filter(({ device }) => device !== 'eth1') };
  assert.equal(interpret({ ...all, dispatch: 'route' }, '', bare), {
    ...{ question: 'dispatch', problem: 'with route the address has to be known, and the interface has none' },
  });
});

test('places are logical interfaces, and devices that belong to none', () => {
  const places = proposePlaces({
    ...home,
    links: new Map([...home.links, ['tun0', { name: 'tun0', ifindex: 10, mtu: 1500, up: true }]]),
    addresses: [...home.addresses, { device: 'tun0', address: address('10.9.0.1'), prefixLength: 24 }],
  });
  assert.equal(
    places.map(({ name }) => name),
    ['lan', 'wan', 'tun0'],
  );
  assert.equal(
    places[1]?.addresses.map(({ text }) => text),
    ['203.0.113.7'],
  );
});

test.run();
