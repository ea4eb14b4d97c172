import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { describeDrop, Firewall, passCommand } from '../../src/doctor/firewall.ts';
import type { Packet } from '../../src/doctor/packet-match.ts';
import { address } from './support/deployments.ts';

type Rule = readonly [chain: string, ...expressions: object[]];

/** A table `inet t` with these base chains (hook, priority, policy) and chains that others jump to. */
function firewall(
  bases: Readonly<Record<string, readonly [string, number, string]>>,
  rules: readonly Rule[],
): Firewall {
  const chains = new Set([...Object.keys(bases), ...rules.map(([chain]) => chain)]);
  const common = { family: 'inet', table: 't' };
  return new Firewall(
    JSON.stringify({
      nftables: [
        { metainfo: { version: '1.0.6' } },
        { table: { family: 'inet', name: 't' } },
        ...[...chains].map((name) => {
          const [hook, prio, policy] = bases[name] ?? [];
          return { chain: { ...common, name, ...(hook && { type: 'filter', hook, prio, policy }) } };
        }),
        ...rules.map(([chain, ...expr], index) => ({ rule: { ...common, chain, handle: index + 1, expr } })),
      ],
    }),
  );
}

const accept = { accept: null };
const drop = { drop: null };
const match = (left: object, right: unknown, op = '==') => ({ match: { op, left, right } });
const meta = (key: string) => ({ meta: { key } });
const payload = (protocol: string, field: string) => ({ payload: { protocol, field } });
const state = { ct: { key: 'state' } };

const packet: Packet = {
  family: 4,
  protocol: 'tcp',
  incoming: 'eth0',
  destination: address('192.0.2.80'),
  destinationPort: 80,
  mark: 0,
  state: 'new',
};

/** Whether a chain of the input hook with these rules drops the packet, and by which rule; 0 is the policy. */
function dropped(rules: readonly Rule[], policy = 'accept', of: Packet = packet): number | undefined {
  const found = firewall({ input: ['input', 0, policy] }, rules).drops(of, ['input']);
  return found && (found.handle ?? 0);
}

test('a chain without rules does what its policy says', () => {
  assert.is(dropped([]), undefined);
  assert.is(dropped([], 'drop'), 0);
});

for (const [name, expression, isMatch] of [
  ['a device', match(meta('iifname'), 'eth0'), true],
  ['another device', match(meta('iifname'), 'eth1'), false],
  ['devices whose names begin so', match(meta('iifname'), 'eth*'), true],
  ['not that device', match(meta('iifname'), 'eth0', '!='), false],
  ['a device among others', match(meta('iifname'), { set: ['lo', 'eth0'] }), true],
  ['a port', match(payload('tcp', 'dport'), 80), true],
  ['a port of a range', match(payload('tcp', 'dport'), { set: [22, { range: [79, 81] }] }), true],
  ['a port of any protocol', match(payload('th', 'dport'), 81), false],
  ['a port of another protocol', match(payload('udp', 'dport'), 80), false],
  ['a port that is not one of UDP', match(payload('udp', 'dport'), 80, '!='), false],
  ['an address', match(payload('ip', 'daddr'), '192.0.2.80'), true],
  ['a network', match(payload('ip', 'daddr'), { prefix: { addr: '192.0.2.0', len: 24 } }), true],
  ['another network', match(payload('ip', 'daddr'), { prefix: { addr: '198.51.100.0', len: 24 } }), false],
  ['an address of IPv6', match(payload('ip6', 'daddr'), '::1'), false],
  ['a protocol by its name', match(meta('l4proto'), { set: ['tcp', 'udp'] }), true],
  ['a protocol by its number', match(meta('l4proto'), 6), true],
  ['a family', match(meta('nfproto'), 'ipv6'), false],
  ['new connections', match(state, 'new', 'in'), true],
  ['known connections', match(state, ['established', 'related'], 'in'), false],
  ['a mark under a mask', match({ '&': [meta('mark'), 0xffff0000] }, 0), true],
  ['a mark as nft writes one under a mask', match(meta('mark'), { prefix: { addr: 0x6f690000, len: 16 } }), false],
  ['ICMP', match(payload('icmp', 'type'), 'echo-request'), false],
] as const) {
  test(`it is known whether a packet is one of ${name}`, () => {
    assert.is(dropped([['input', expression, drop]]), isMatch ? 1 : undefined);
    assert.is(dropped([['input', expression, accept]], 'drop'), isMatch ? undefined : 0);
  });
}

for (const [name, expression] of [
  ['a named set', match(payload('ip', 'saddr'), '@banned')],
  ['a source', match(payload('ip', 'saddr'), '203.0.113.7')],
  ['a limit', { limit: { rate: 5, per: 'second' } }],
  ['an extension of iptables', { xt: { type: 'match', name: 'recent' } }],
  ['a kind of address', match({ fib: { result: 'type', flags: ['daddr'] } }, 'local')],
  ['how two things compare', match(payload('tcp', 'dport'), 1024, '<')],
] as const) {
  test(`what depends on ${name} is not known to drop, nor to save from being dropped`, () => {
    assert.is(dropped([['input', expression, drop]]), undefined);
    assert.is(dropped([['input', expression, accept]], 'drop'), undefined);
    assert.is(dropped([['input', expression, drop]], 'drop'), 0, 'dropped either way');
    assert.is(
      dropped(
        [
          ['input', expression, { jump: { target: 'x' } }],
          ['x', accept],
        ],
        'drop',
      ),
      undefined,
    );
    assert.is(
      dropped(
        [
          ['input', expression, { jump: { target: 'x' } }],
          ['x', drop],
        ],
        'drop',
      ),
      0,
    );
  });
}

test('chains are gone through as the kernel does', () => {
  const jump = { jump: { target: 'x' } };
  assert.is(
    dropped([
      ['input', jump],
      ['x', drop],
    ]),
    2,
  );
  assert.is(
    dropped([
      ['input', jump],
      ['x', { return: null }],
      ['x', drop],
      ['input', { reject: null }],
    ]),
    4,
  );
  assert.is(
    dropped(
      [
        ['input', { goto: { target: 'x' } }],
        ['x', { counter: null }],
        ['input', accept],
      ],
      'drop',
    ),
    0,
  );
  assert.is(dropped([['input', { jump: { target: 'gone' } }]], 'drop'), undefined, 'a chain that is not listed');
  assert.is(
    dropped(
      [
        ['input', jump],
        ['x', jump],
      ],
      'drop',
    ),
    undefined,
    'a circle',
  );
});

test('verdict maps', () => {
  const states = {
    vmap: {
      key: state,
      data: {
        set: [
          ['established', accept],
          ['new', { jump: { target: 'x' } }],
        ],
      },
    },
  };
  assert.is(
    dropped([
      ['input', states],
      ['x', drop],
    ]),
    2,
  );
  assert.is(
    dropped(
      [
        ['input', states],
        ['x', drop],
      ],
      'accept',
      { ...packet, state: 'invalid' },
    ),
    undefined,
  );
  assert.is(dropped([['input', { vmap: { key: state, data: '@map' } }]], 'drop'), undefined);
});

test('what another chain of the hook accepts may still be dropped; the order is that of priorities', () => {
  const bases = {
    late: ['input', 10, 'accept'],
    early: ['input', 0, 'accept'],
    other: ['forward', -5, 'drop'],
  } as const;
  const both = firewall(bases, [
    ['late', drop],
    ['early', accept],
  ]);
  assert.is(both.drops(packet, ['input'])?.chain, 'late');
  assert.is(both.drops(packet, ['input'], ['t']), undefined, 'a table that is left out');
});

test('packets that are changed on the way are not judged, and those with another destination are told', () => {
  const port = match(payload('tcp', 'dport'), 80);
  const mangle = { mangle: { key: meta('mark'), value: 1 } };
  assert.is(dropped([['input', mangle]], 'drop'), undefined);
  assert.is(dropped([['input', { mangle: { key: { 'tcp option': { name: 'maxseg' } }, value: 1400 } }]], 'drop'), 0);
  const translated = firewall({ nat: ['prerouting', -100, 'accept'] }, [['nat', port, { redirect: { port: 8080 } }]]);
  assert.ok(translated.translates(packet));
  assert.not(translated.translates({ ...packet, destinationPort: 443 }));
});

test('flow tables, of hardware and not; and texts that are none', () => {
  const flowtable = { family: 'inet', table: 'fw4', name: 'ft', hook: 'ingress', prio: 0, dev: ['lan1'] };
  const listing = { nftables: [{ flowtable }, { flowtable: { ...flowtable, name: 'hw', flags: 'offload' } }] };
  assert.equal(new Firewall(JSON.stringify(listing)).flowtables, [
    { name: 'ft', hardware: false },
    { name: 'hw', hardware: true },
  ]);
  for (const text of ['', '[]', '{"nftables":7}', '{"nftables":[{"rule":{}},{"chain":null},{"vmap":3}]}']) {
    assert.is(new Firewall(text).drops(packet, ['input']), undefined);
  }
});

test('where it is dropped is told, and what lets it through', () => {
  const rule = { family: 'inet', table: 'fw4', chain: 'z', handle: 17, comment: '!fw4: no' };
  assert.is(describeDrop(rule), "rule 17 (!fw4: no) of chain 'z' in table 'inet fw4'");
  assert.is(passCommand(rule, 'ip saddr 1.2.3.4'), 'nft insert rule inet fw4 z position 17 ip saddr 1.2.3.4 accept');
  const policy = { family: 'ip', table: 'filter', chain: 'INPUT' };
  assert.is(describeDrop(policy), "the policy of chain 'INPUT' in table 'ip filter'");
  assert.is(passCommand(policy, 'tcp dport 80'), 'nft add rule ip filter INPUT tcp dport 80 accept');
});

test.run();
