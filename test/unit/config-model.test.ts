import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Check, Model, Server, Watchdog } from '../../src/config/model.ts';
import { commonPorts, mergePorts } from '../../src/config/ports.ts';
import { seedOfName } from '../../src/config/seed.ts';
import { loadConfiguration } from '../../src/config/validate.ts';
import { formatPrefix } from '../../src/net/address.ts';

/** A model with addresses and prefixes as text. */
function readable(model: Model): unknown {
  return {
    ...model,
    services: model.services.map((service) => ({
      ...service,
      ghosts: service.ghosts.map(({ text }) => text),
      ghost2: service.ghost2.map(({ text }) => text),
      allow: service.allow.map(formatPrefix),
      deny: service.deny.map(formatPrefix),
      servers: service.servers.map(readableServer),
      disabled: service.disabled.map(readableServer),
    })),
  };
}

function readableServer({ name, address, address6, weight }: Server): unknown {
  return [name, address?.text, address6?.text, weight];
}

/** The model of a text without problems. */
function model(uci: string): Model {
  const { model, problems } = loadConfiguration(uci, 'oneip');
  assert.equal(problems, []);
  return model;
}

/** What becomes of connections, where nothing is said about it; milliseconds. */
const transitionDefaults = {
  ...{ onChange: 'keep', onFailure: 'pass', allDown: 'keep' },
  ...{ drainTimeout: 3_600_000, idleTimeout: 300_000, learnTime: 30_000 },
};

const minimal = `config service 'web'
	list ghost '192.0.2.1'

config server 'one'
	option service 'web'
	option address '192.168.1.11'
`;

test('model: defaults', () => {
  assert.equal(readable(model(minimal)), {
    globals: {
      enabled: true,
      markBase: 0x6f690000,
      tableBase: 28416,
      rulePriority: 900,
      channelPort: 28521,
      bridgeBypass: true,
    },
    services: [
      {
        name: 'web',
        ghosts: ['192.0.2.1'],
        protocols: ['tcp'],
        ports: [],
        sources: ['wan'],
        device: 'br-lan',
        hash: 'source',
        hashPrefix6: 64,
        allow: [],
        deny: [],
        slots: 4096,
        seed: seedOfName('web'),
        dispatch: 'route',
        ghost2: [],
        secondChance: false,
        ...transitionDefaults,
        servers: [['one', '192.168.1.11', undefined, 100]],
        disabled: [],
      },
    ],
    watchdogs: [],
  });
});

const full = `package oneip

config globals 'globals'
	option enabled 'off'
	option mark_base '0x10000'
	option table_base '1000'
	option rule_priority '1'
	option bridge_bypass 'off'

config server 'one'
	list service 'web'
	list service 'dns'
	option address '192.168.1.11'
	option address6 '2001:DB8:1:0::11'
	option weight '1000'

config service 'dns'
	option ghost '192.0.2.1 2001:db8::1'
	list proto 'udp'
	list proto 'tcp'
	option port '53'

config service 'web'
	option enabled 'yes'
	list ghost '2001:0db8::1'
	list ghost '192.0.2.1'
	option proto 'tcp udp'
	option port '8011-8020 443 80 8000-8010 444'
	list source 'pppoe-wan'
	list source 'eth0.2'
	option device 'lan'
	option hash 'source_port'
	option hash_prefix6 '56'
	list allow '198.51.100.0/24'
	list allow '2001:db8:2::/48'
	option deny '198.51.100.7 198.51.100.8/29'
	option slots '256'
	option seed '0xFFFFFFFF'
	option dispatch 'route'
	option on_change 'reset'
	option on_failure 'drop'
	option all_down 'reject'
	option drain_timeout '1d'
	option idle_timeout '90'
	option learn_time '0'

config service 'off'
	option enabled '0'
	list ghost '192.0.2.1'

config server 'two'
	option service 'web'
	option address '192.168.1.12'
	option address6 '2001:db8:1::12'
	option weight '0'

config server 'three'
	option enabled '0'
	option service 'web'
	option address '192.168.1.12'

config watchdog 'page'
	option type 'http'
	list service 'web'
	list service 'off'
	option server 'one two'
	option interval '50ms'
	option timeout '1m'
	option rise '1'
	option fall '100'
	option port '8080'
	option path '/health?full=1'
	option host '[2001:db8::1]:8080'
	option status '200 204 300-399'
	option header 'Content-Type: text/html'
	option body 'all is well'
	option half_life '1h'
`;

test('model: everything given', () => {
  assert.equal(readable(model(full)), {
    globals: {
      ...{ enabled: false, markBase: 65536, tableBase: 1000, rulePriority: 1, channelPort: 28521 },
      bridgeBypass: false,
    },
    services: [
      {
        ...{ name: 'dns', ghosts: ['192.0.2.1', '2001:db8::1'], protocols: ['tcp', 'udp'] },
        ...{ ports: [{ first: 53, last: 53 }], sources: ['wan'], device: 'br-lan', hash: 'source', hashPrefix6: 64 },
        ...{
          allow: [],
          deny: [],
          slots: 4096,
          seed: seedOfName('dns'),
          dispatch: 'route',
          ghost2: [],
          secondChance: false,
        },
        ...transitionDefaults,
        servers: [['one', '192.168.1.11', '2001:db8:1::11', 1000]],
        disabled: [],
      },
      {
        ...{ name: 'web', ghosts: ['2001:db8::1', '192.0.2.1'], protocols: ['tcp', 'udp'] },
        ports: [
          { first: 80, last: 80 },
          { first: 443, last: 443 },
          { first: 444, last: 444 },
          { first: 8000, last: 8010 },
          { first: 8011, last: 8020 },
        ],
        ...{ sources: ['pppoe-wan', 'eth0.2'], device: 'lan', hash: 'source_port', hashPrefix6: 56 },
        ...{ allow: ['198.51.100.0/24', '2001:db8:2::/48'], deny: ['198.51.100.7/32', '198.51.100.8/29'] },
        ...{ slots: 256, seed: 4294967295, dispatch: 'route', ghost2: [], secondChance: false },
        ...{ onChange: 'reset', onFailure: 'drop', allDown: 'reject' },
        ...{ drainTimeout: 86_400_000, idleTimeout: 90_000, learnTime: 0 },
        servers: [
          ['one', '192.168.1.11', '2001:db8:1::11', 1000],
          ['two', '192.168.1.12', '2001:db8:1::12', 0],
        ],
        disabled: [['three', '192.168.1.12', undefined, 100]],
      },
    ],
    watchdogs: [
      {
        name: 'page',
        check: {
          ...{ type: 'http', port: 8080, path: '/health?full=1', host: '[2001:db8::1]:8080' },
          status: [
            { first: 200, last: 200 },
            { first: 204, last: 204 },
            { first: 300, last: 399 },
          ],
          ...{ header: 'Content-Type: text/html', body: 'all is well' },
        },
        ...{ interval: 50, timeout: 60_000, rise: 1, fall: 100, services: ['web', 'off'], servers: ['one', 'two'] },
        halfLife: 3_600_000,
      },
    ],
  });
});

/** The first watchdog of the minimal file with ports and such a section. */
const watchdog = (lines: string): Watchdog | undefined =>
  loadConfiguration(`${minimal.replace('\n\n', "\n\tlist port '80'\n\n")}\nconfig watchdog 'look'\n${lines}`, 'oneip')
    .model.watchdogs[0];

test('model: every type of watchdog with its defaults', () => {
  const rest = { interval: 1000, timeout: 1000, rise: 2, fall: 3, services: [], servers: [], halfLife: 30_000 };
  const checks: readonly [lines: string, check: Check][] = [
    ["option type 'ping'", { type: 'ping' }],
    ["option type 'arp'", { type: 'arp' }],
    ["option type 'tcp'", { type: 'tcp' }],
    ["option type 'tcp'\noption port '1'", { type: 'tcp', port: 1 }],
    ["option type 'http'", { type: 'http', path: '/', status: [{ first: 200, last: 399 }] }],
    ["option type 'script'\noption script '/usr/bin/look it up'", { type: 'script', path: '/usr/bin/look it up' }],
    ["option type 'ubus'", { type: 'ubus', ttl: 60_000 }],
    ["option type 'ubus'\noption ttl '1h'", { type: 'ubus', ttl: 3_600_000 }],
  ];
  for (const [lines, check] of checks) assert.equal(watchdog(lines), { name: 'look', check, ...rest });
});

test('model: what does not go with the type has no effect', () => {
  assert.equal(watchdog("option type 'ubus'\noption fall '7'\noption port 'x'"), watchdog("option type 'ubus'"));
});

test('model: a watchdog that is off or bad is not there', () => {
  assert.is(watchdog("option type 'ping'\noption enabled '0'"), undefined);
  assert.is(watchdog("option type 'pong'"), undefined);
  assert.is(watchdog("option type 'script'"), undefined);
});

test('model: a watchdog whose services or servers all do not exist watches nobody, rather than everybody', () => {
  assert.is(watchdog("option type 'ping'\nlist service 'wbe'"), undefined);
  assert.is(watchdog("option type 'ping'\nlist server 'oen'"), undefined);
  assert.equal(watchdog("option type 'ping'\nlist service 'wbe'\nlist service 'web'")?.services, ['web']);
});

test('model: a globals section may be missing, and anonymous', () => {
  assert.is(model("config globals\n\toption rule_priority '7'\n").globals.rulePriority, 7);
  assert.equal(model('').services, []);
});

test('model: every spelling of a truth value', () => {
  const enabled = (text: string): boolean =>
    model(`config globals 'globals'\n\toption enabled '${text}'\n`).globals.enabled;
  for (const text of ['1', 'on', 'true', 'yes', 'enabled']) assert.is(enabled(text), true, text);
  for (const text of ['0', 'off', 'false', 'no', 'disabled']) assert.is(enabled(text), false, text);
});

test('model: the first and the last port', () => {
  const ports = model(minimal.replace('\n\n', "\n\toption port '1 65535'\n\n")).services[0]?.ports;
  assert.equal(
    ports?.map(({ first }) => first),
    [1, 65535],
  );
});

test('model: a service that is off is not there, its ghost address is free for others', () => {
  const uci = minimal.replace(
    "config service 'web'",
    "config service 'old'\n\toption enabled '0'\n\tlist ghost '192.0.2.1'\n\n$&",
  );
  assert.equal(
    model(uci).services.map(({ name }) => name),
    ['web'],
  );
});

test('model: a server may name services that are off', () => {
  assert.equal(model(minimal.replace('\tlist ghost', "\toption enabled '0'\n$&")).services, []);
});

test('model: a service without servers stays', () => {
  const { services } = loadConfiguration("config service 'web'\n\tlist ghost '192.0.2.1'\n", 'oneip').model;
  assert.equal(
    services.map(({ name, servers }) => [name, servers]),
    [['web', []]],
  );
});

test('model: a service keeps the ghost addresses that have servers', () => {
  const uci = minimal.replace("list ghost '192.0.2.1'", "option ghost '2001:db8::1 192.0.2.1 2001:db8::2'");
  assert.equal(
    loadConfiguration(uci, 'oneip').model.services[0]?.ghosts.map(({ text }) => text),
    ['192.0.2.1'],
  );
});

test('model: the address of a server may serve in several services', () => {
  const uci =
    minimal.replace("option service 'web'", "option service 'web dns'") +
    minimal
      .replaceAll('one', 'two')
      .replaceAll('web', 'dns')
      .replace('192.0.2.1', '192.0.2.2')
      .replace("address '192.168.1.11'", "address '192.168.1.12'");
  assert.equal(
    model(uci).services.map(({ servers }) => servers.map(({ name }) => name)),
    [['one'], ['one', 'two']],
  );
});

/** Protocols and ports of two services on one ghost address, and what both would take. */
const claims: readonly [one: string, other: string, common: string | undefined][] = [
  ['tcp 80', 'tcp 443', undefined],
  ['tcp 80', 'udp 80', undefined],
  ['tcp 80', 'tcp 80', 'tcp port 80'],
  ['tcp 80', 'tcp+udp 80', 'tcp port 80'],
  ['tcp+udp 53', 'tcp+udp 53', 'tcp+udp port 53'],
  ['tcp 8000-8010', 'tcp 8010-8020', 'tcp port 8010'],
  ['tcp 8000-8010', 'tcp 8011-8020', undefined],
  ['tcp 1-65535', 'tcp 80,8000-8010', 'tcp ports 80, 8000-8010'],
  ['tcp', 'tcp 80', 'tcp port 80'],
  ['tcp', 'udp', undefined],
  ['tcp', 'tcp+udp', 'every tcp port'],
  ['tcp+udp', 'tcp+udp', 'every tcp+udp port'],
  ['all', 'udp 53', 'udp port 53'],
  ['all', 'tcp', 'every tcp port'],
  ['all', 'all', 'every protocol'],
];

for (const [one, other, common] of claims) {
  test(`model: ${one} and ${other} on one ghost address`, () => {
    const section = (name: string, claim: string): string => {
      const [proto = '', ports = ''] = claim.split(' ');
      return `config service '${name}'
	list ghost '192.0.2.1'
	option proto '${proto}'
	option port '${ports.replaceAll(',', ' ')} '
`;
    };
    const server = "config server 'one'\n\toption service 'a b'\n\toption address '192.168.1.11'\n";
    for (const [first, second] of [
      [one, other],
      [other, one],
    ] as const) {
      const { model, problems } = loadConfiguration(section('a', first) + section('b', second) + server, 'oneip');
      assert.equal(
        problems.map(({ message }) => message),
        common === undefined ? [] : [`'192.0.2.1' with ${common} belongs to service 'a' (line 1)`],
      );
      assert.equal(
        model.services.map(({ name }) => name),
        common === undefined ? ['a', 'b'] : ['a'],
      );
    }
  });
}

test('model: other ghost addresses never clash', () => {
  const uci =
    minimal +
    "config service 'b'\n\tlist ghost '192.0.2.2'\n" +
    minimal.slice(minimal.indexOf('config server')).replaceAll('one', 'two').replace('web', 'b');
  assert.is(model(uci).services.length, 2);
});

test('seed: the published vectors of FNV-1a', () => {
  assert.is(seedOfName(''), 0x811c9dc5);
  assert.is(seedOfName('a'), 0xe40c292c);
  assert.is(seedOfName('foobar'), 0xbf9cf968);
});

const range = fc
  .tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 0, max: 9 }))
  .map(([first, more]) => ({ first, last: first + more }));
const portsOf = (ranges: readonly { first: number; last: number }[]): number[] =>
  ranges.flatMap(({ first, last }) => Array.from({ length: last - first + 1 }, (_, index) => first + index));

test('ports: merging keeps the ports, sorted and each once', () => {
  fc.assert(
    fc.property(fc.array(range, { maxLength: 8 }), (ranges) => {
      assert.equal(
        portsOf(mergePorts(ranges)),
        [...new Set(portsOf(ranges))].sort((a, b) => a - b),
      );
    }),
  );
});

test('ports: common ports are those of both', () => {
  fc.assert(
    fc.property(fc.array(range, { maxLength: 5 }), fc.array(range, { maxLength: 5 }), (some, others) => {
      const other = new Set(portsOf(others));
      const common = commonPorts(mergePorts(some), mergePorts(others));
      assert.equal(
        portsOf(common),
        [...new Set(portsOf(some))].filter((port) => other.has(port)).sort((a, b) => a - b),
      );
    }),
  );
});

/** The full text with pieces cut out, doubled, exchanged, or replaced by others of the same kind. */
const mutated = fc
  .array(
    fc.tuple(
      fc.nat(),
      fc.nat(30),
      fc.constantFrom(
        '',
        "'",
        '\n',
        ' ',
        '#',
        '0',
        '192.0.2.1',
        'all',
        'web',
        "config service 'x'\n",
        "list port '1-9'\n",
        '\\',
      ),
    ),
    { maxLength: 6 },
  )
  .map((edits) =>
    edits.reduce((text, [place, length, piece]) => {
      const start = place % text.length;
      return `${text.slice(0, start)}${piece}${text.slice(start + length)}x`;
    }, full),
  );

test('model: whatever the text, the same result twice, problems with lines, and a model that keeps its word', () => {
  fc.assert(
    fc.property(fc.oneof(mutated, fc.string({ unit: 'binary' })), (text) => {
      const { model, problems } = loadConfiguration(text, 'oneip');
      const again = loadConfiguration(text, 'oneip');
      assert.equal([readable(again.model), again.problems], [readable(model), problems]);
      const lines = text.split('\n').length;
      problems.forEach(({ file, line, message }, index) => {
        assert.is(file, 'oneip');
        assert.ok(line >= (problems[index - 1]?.line ?? 1) && line <= lines);
        assert.not.match(message, /\p{Cc}/u);
      });
      for (const service of model.services) {
        assert.match(service.name, /^[a-z0-9_]{1,32}$/);
        assert.ok(service.ghosts.length > 0);
        assert.equal(service.ports, mergePorts(service.ports));
        assert.ok(service.sources.length > 0);
        for (const family of [4, 6] as const) {
          const own = service.servers.flatMap(
            (server) => (family === 4 ? server.address : server.address6)?.text ?? [],
          );
          assert.is(new Set(own).size, own.length);
          if (service.servers.length > 0 && service.ghosts.some((ghost) => ghost.family === family))
            assert.ok(own.length > 0);
          for (const text of own)
            assert.not.ok(model.services.some(({ ghosts }) => ghosts.some((ghost) => ghost.text === text)));
        }
      }
      assert.is(new Set(model.services.map(({ name }) => name)).size, model.services.length);
      for (const { name, interval, timeout, rise, fall } of model.watchdogs) {
        assert.match(name, /^[a-z0-9_]{1,32}$/);
        assert.ok(interval >= 50 && timeout >= 50 && rise >= 1 && fall >= 1);
      }
    }),
    { numRuns: 300 },
  );
});

test.run();
