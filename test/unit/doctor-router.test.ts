import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { examinationJson, formatExamination } from '../../src/cli/doctor-text.ts';
import type { Service } from '../../src/config/model.ts';
import { examineRouter } from '../../src/doctor/router.ts';
import type { RouterObservation, RoutingRules, ServerSight } from '../../src/doctor/router-observation.ts';
import type { Rule } from '../../src/netlink/rule.ts';
import { address, deployment, environment, service } from './support/deployments.ts';
import { serverStatus, serviceStatus } from './support/fake-control.ts';
import { closedTo } from './support/firewall.ts';

const ghost = address('198.51.100.1');
const OURS = '{"table":{"family":"netdev","name":"oneip"}},{"table":{"family":"inet","name":"oneip"}}';

function server(changes: Partial<ServerSight> = {}): ServerSight {
  return {
    name: 'web1',
    address: address('192.168.1.11'),
    device: 'br-lan',
    resolves: true,
    hardware: '02:00:00:00:02:01',
    path: { answers: true, expected: 1500, largest: 1500 },
    ...changes,
  };
}

function rule(changes: Partial<Rule>): Rule {
  return { family: 4, priority: 0, mark: 0, mask: 0, table: 254, protocol: 0, special: false, ...changes };
}

/** The kernel's own rules and, at 900, ours. */
function routing(...more: Rule[]): RoutingRules[] {
  const rules = [
    rule({ table: 255 }),
    ...more,
    rule({ priority: 900, mark: 0x6f690000, mask: 0xffff0000, table: 0, goto: 32768, protocol: 111 }),
    rule({ priority: 32766 }),
    rule({ priority: 32768, mark: 0x6f690001, mask: 0xffffffff, table: 28417, protocol: 111 }),
  ];
  return [{ family: 4, rules, defaults: new Set([254, 77, 28417]) }];
}

/** A router that is well. */
function seen(changes: Partial<RouterObservation> = {}, serviceChanges: Partial<Service> = {}): RouterObservation {
  return {
    configuration: 'text',
    problems: [],
    deployment: deployment([service(2, { sources: ['wan'], ...serviceChanges })]),
    daemon: { running: true, configuration: 'text' },
    channels: [],
    legacyTables: [],
    lacking: [],
    ruleset: `{"nftables":[${OURS}]}`,
    sysctls: new Map([
      ['net/ipv6/conf/all/forwarding', '1'],
      ['net/bridge/bridge-nf-call-iptables', '0'],
      ['net/netfilter/nf_conntrack_count', '10'],
      ['net/netfilter/nf_conntrack_max', '16384'],
    ]),
    routing: routing(),
    servers: [server()],
    claims: [{ ghost, device: 'wan', by: [] }],
    answers: [{ ghost, server: 'web1', check: 'tcp port 80', passed: true, reason: 'connected' }],
    ...changes,
  };
}

function said(changes: Partial<RouterObservation>, serviceChanges: Partial<Service> = {}): string[] {
  return examineRouter(seen(changes, serviceChanges)).findings.map(
    ({ id, severity, mend }) =>
      `${severity} ${id}: ${mend?.on === undefined ? '' : `on ${mend.on}: `}${mend?.commands.map((each) => each.join(' ')).join(' && ') ?? ''}`,
  );
}

test('of a router that is well nothing is said', () => {
  assert.equal(examineRouter(seen()), { findings: [], unknown: [] });
});

test('what the configuration lacks, as check tells it', () => {
  const problem = {
    severity: 'warning',
    file: 'f',
    line: 3,
    section: "service 'web'",
    message: 'has no server',
  } as const;
  const [found] = examineRouter(seen({ problems: [problem] })).findings;
  assert.is(found?.severity, 'warning');
  assert.is(found?.what, "f:3: service 'web' has no server");
});

test('a daemon that does not run, that runs something else, that says what is wrong with it', () => {
  assert.equal(said({ daemon: { running: false }, answers: [], ruleset: '{}' }), [
    'error not-running: service oneip enable && service oneip start',
  ]);
  assert.equal(said({ daemon: { running: true, configuration: 'other' } }), [
    'warning not-loaded: oneip check && oneip reload',
  ]);
  const down = { state: 'down', decider: 'watchdog', reason: 'timed out' } as const;
  const servers = [serverStatus('web1', down), serverStatus('web2', { ...down, decider: 'operator' })];
  const services = [serviceStatus('web', { servers }), serviceStatus('dns', { inactive: 'no device' })];
  const status = { version: '1', uptime: 1, failing: 'nft refuses', services };
  assert.equal(said({ daemon: { running: true, status } }), [
    'error failing: ',
    'error inactive: ',
    'warning server-down: on web1: oneip doctor --name web1',
  ]);
});

test('tables, routes, sysctls and neighbours that are gone', () => {
  assert.equal(said({ ruleset: '{"nftables":[{"table":{"family":"inet","name":"oneip"}}]}' }), [
    'error tables-missing: oneip reload',
  ]);
  const device = { name: 'br-lan', ifindex: 3 };
  const lacking: RouterObservation['lacking'] = [
    {
      kind: 'route',
      action: 'add',
      entry: { family: 4, table: 254, destination: { address: ghost, length: 32 }, device },
    },
    { kind: 'sysctl', action: 'set', key: 'net/ipv4/conf/eth0.2/accept_local', value: '1', before: '0' },
    { kind: 'neighbour', action: 'add', entry: { family: 4, address: ghost, device, kind: 'managed' } },
  ];
  assert.equal(said({ lacking }), [
    'error lacking: oneip reload',
    'error lacking: sysctl -w net/ipv4/conf/eth0.2/accept_local=1',
    'warning lacking: oneip reload',
  ]);
});

test('settings of the kernel', () => {
  const sysctls = (key: string, value: string) => ({ sysctls: new Map([...seen().sysctls, [key, value]]) });
  assert.equal(said(sysctls('net/ipv6/conf/all/forwarding', '0')), [
    'error forwarding: sysctl -w net.ipv6.conf.all.forwarding=1',
  ]);
  assert.equal(said(sysctls('net/ipv6/conf/all/forwarding', '0'), { ghosts: [ghost] }), []);
  assert.equal(said(sysctls('net/bridge/bridge-nf-call-iptables', '1')), [], 'the device is no bridge');
  assert.equal(said(sysctls('net/netfilter/nf_conntrack_count', '15565')), [
    'warning conntrack-full: sysctl -w net.netfilter.nf_conntrack_max=32768',
  ]);
  assert.equal(said(sysctls('net/netfilter/nf_conntrack_count', '15564')), []);
});

test('flow offload is told of, and is nothing wrong', () => {
  const told = (flags: string) => {
    const flowtable = `{"flowtable":{"family":"inet","table":"fw4","name":"ft"${flags}}}`;
    const { findings } = examineRouter(seen({ ruleset: `{"nftables":[${OURS},${flowtable}]}` }));
    return findings.map(({ id, severity, what, why }) => `${id} ${severity}: ${what} ${why}`).join();
  };
  assert.match(told(',"flags":"offload"'), /^flow-offload information: the hardware .* stays where it is/);
  // The fast path comes before a flow table; hardware that knows a connection comes before both.
  assert.match(told(''), /^flow-offload information: the kernel .* nothing changes for services/);
});

test('flow offload that is configured and not in force is told of, too', () => {
  const offload = (options: string) =>
    examineRouter(seen({ firewallConfiguration: `config defaults\n${options}\nconfig zone\n` })).findings.map(
      ({ id, severity, what }) => `${severity} ${id} ${/option (\w+)/.exec(what)?.[1] ?? ''}`,
    );
  assert.equal(offload("option flow_offloading '1'"), ['information flow-offload flow_offloading']);
  const both = "option flow_offloading 'on'\noption flow_offloading_hw 'yes'";
  assert.equal(offload(both), ['information flow-offload flow_offloading_hw']);
  assert.equal(offload("option flow_offloading '0'"), []);
  // The firewall asks for the first one before it looks at the second.
  assert.equal(offload("option flow_offloading_hw '1'"), []);
});

test('rules that nft does not tell of are said not to be known', () => {
  const { findings, unknown } = examineRouter(seen({ legacyTables: ['ip filter', 'ip nat', 'ip6 filter'] }));
  assert.equal(findings, []);
  assert.is(unknown.length, 1);
  assert.match(unknown[0] ?? '', /\(ip filter, ip nat, ip6 filter\): iptables-legacy-save and ip6tables-legacy-save/);
});

test('servers that do not answer, or not all', () => {
  assert.equal(said({ servers: [server({ resolves: false })] }), ['error server-silent: ']);
  const path = { answers: true, expected: 1500, largest: 1400 };
  assert.equal(said({ servers: [server({ path })] }), ['error path-mtu: ip link set dev br-lan mtu 1400']);
  const { findings, unknown } = examineRouter(seen({ servers: [server({ path: { ...path, answers: false } })] }));
  assert.equal(findings, []);
  assert.match(unknown.join(), '192.168.1.11');
  const answer = { ghost, check: 'tcp port 80', passed: false, reason: 'timed out' };
  assert.equal(said({ answers: [{ ...answer, server: 'web1' }] }), [
    'error no-answer: on web1: oneip doctor --name web1 --fix',
  ]);
  assert.equal(said({ answers: [answer] }), ['error no-answer: ']);
});

test('who answers for the ghost: a server, somebody else, this router by another device', () => {
  const claim = (by: string, device = 'br-lan') => said({ claims: [{ ghost, device, by: [by] }] });
  assert.equal(claim('02:00:00:00:02:01'), ['warning server-answers: on web1: oneip doctor --name web1 --fix']);
  assert.equal(claim('02:00:00:00:09:09', 'wan'), ['error ghost-claimed: ']);
  assert.equal(claim('02:00:00:00:00:01'), []);
  const near = address('192.168.1.180');
  const asked = said({ claims: [{ ghost: near, device: 'br-lan', by: ['02:00:00:00:02:01'] }] }, { ghosts: [near] });
  assert.equal(asked, ['error server-answers: on web1: oneip doctor --name web1 --fix'], 'clients there ask for it');
});

test('rules of others count where they stand before ours, take our packets, and lead somewhere', () => {
  const found = (more: Partial<Rule>) => said({ routing: routing(rule({ priority: 500, table: 77, ...more })) });
  const commands = 'uci set oneip.globals.rule_priority=499 && uci commit oneip && oneip reload';
  assert.equal(found({}), [`error rule-before: ${commands}`]);
  assert.equal(found({ mark: 0x6f690000, mask: 0xffff0000 }), [`error rule-before: ${commands}`]);
  assert.equal(found({ mark: 0x100, mask: 0xff00 }), []);
  assert.equal(found({ table: 78 }), [], 'a table without a default route');
  assert.equal(found({ special: true }), [], 'conditions that we do not know');
  assert.equal(found({ table: 0, goto: 800 }), [], 'leads on to others, which are looked at themselves');
  assert.equal(found({ priority: 901 }), []);
});

/** fw4 in short: forwarding from outside is dropped, with this accepted before. */
function forward(...rules: object[]): string {
  const common = { family: 'inet', table: 'fw4', chain: 'forward' };
  const chain = { ...common, name: 'forward', type: 'filter', hook: 'forward', prio: 0, policy: 'drop' };
  return JSON.stringify({
    nftables: [
      ...(JSON.parse(`[${OURS}]`) as object[]),
      { chain },
      ...rules.map((more, index) => ({ rule: { ...common, handle: index + 1, ...more } })),
    ],
  });
}

test('firewalls that drop answers, or what the stack forwards, and one that does neither', () => {
  const fromLan = { match: { op: '==', left: { meta: { key: 'iifname' } }, right: 'br-lan' } };
  const marked = {
    match: { op: '==', left: { meta: { key: 'mark' } }, right: { prefix: { addr: 0x6f690000, len: 16 } } },
  };
  const answers = { expr: [fromLan, { accept: null }] };
  const requests = { expr: [marked, { accept: null }] };
  const only4 = { ghosts: [ghost] };
  assert.equal(said({ ruleset: forward(answers, requests) }), []);
  assert.equal(said({ ruleset: forward(requests) }, only4), [
    'error answers-dropped: nft add rule inet fw4 forward ip saddr 198.51.100.1 accept',
  ]);
  assert.equal(said({ ruleset: forward(answers) }, only4), [
    'warning requests-dropped: nft add rule inet fw4 forward meta mark and 0xffff0000 == 0x6f690000 accept',
  ]);
  assert.equal(said({ ruleset: forward(answers) }, { ...only4, dispatch: 'broadcast' }), [
    'error requests-dropped: nft add rule inet fw4 forward ip daddr 198.51.100.1 accept',
  ]);
});

test('firewalls that drop what is translated for servers, for all of them or for one', () => {
  const marked = {
    match: { op: '==', left: { meta: { key: 'mark' } }, right: { prefix: { addr: 0x6f690000, len: 16 } } },
  };
  const equal = (field: string, protocol: string, right: unknown) => ({
    match: { op: '==', left: { payload: { protocol, field } }, right },
  });
  const accepted = { expr: [marked, { accept: null }] };
  const nat = { ghosts: [ghost], dispatch: 'nat' } as const;
  const found = (...rules: object[]) =>
    said({ ruleset: forward(...rules) }, nat).filter((line) => line.includes('dropped'));
  const command = (where: string) =>
    `error requests-dropped: nft ${where} meta mark and 0xffff0000 == 0x6f690000 accept`;
  assert.equal(found(accepted), []);
  assert.equal(found(), [command('add rule inet fw4 forward')]);
  assert.equal(found({ expr: [equal('dport', 'tcp', 80), { drop: null }] }, accepted), [
    command('insert rule inet fw4 forward position 1'),
  ]);
  assert.equal(found({ expr: [equal('dport', 'tcp', 443), { drop: null }] }, accepted), []);
  assert.equal(found({ expr: [equal('daddr', 'ip', '192.168.1.12'), { drop: null }] }, accepted), [
    command('insert rule inet fw4 forward position 1'),
  ]);
  assert.equal(found({ expr: [equal('daddr', 'ip', ghost.text), { drop: null }] }, accepted), []);
});

test('a firewall that keeps servers from being heard, whatever it says of neighbours', () => {
  const ruleset = `{"nftables":[${OURS},${closedTo('br-lan')
    .map((each) => JSON.stringify(each))
    .join()}]}`;
  const end = { family: 6, port: 28521 } as const;
  assert.equal(said({ ruleset, channels: [{ ...end, device: 'br-lan' }] }), [
    'error channel-dropped: nft insert rule inet fw4 input position 9 iifname br-lan udp dport 28521 accept',
  ]);
  assert.equal(said({ ruleset, channels: [{ ...end, device: 'br-guest' }] }), []);
  assert.equal(said({ ruleset }), []);
});

test('what is dropped at the device before our chain, and what comes behind it', () => {
  const at = (prio: number, dev?: string) => {
    const common = { family: 'netdev', table: 'bans', chain: 'wan' };
    const chain = {
      ...common,
      name: 'wan',
      type: 'filter',
      hook: 'ingress',
      prio,
      policy: 'accept',
      ...(dev && { dev }),
    };
    const match = { op: '==', left: { payload: { protocol: 'ip', field: 'daddr' } }, right: ghost.text };
    const expr = [{ match }, { drop: null }];
    return `{"nftables":[${OURS},${JSON.stringify({ chain })},${JSON.stringify({ rule: { ...common, handle: 3, expr } })}]}`;
  };
  const found = ['error requests-dropped: nft insert rule netdev bans wan position 3 ip daddr 198.51.100.1 accept'];
  assert.equal(said({ ruleset: at(-500) }), found);
  assert.equal(said({ ruleset: at(-500, 'wan') }), found);
  assert.equal(said({ ruleset: at(-500, 'eth7') }), []);
  assert.equal(said({ ruleset: at(0) }), []);
});

test('two devices with servers of one ghost: the route leads to one, and strict filtering drops answers from the other', () => {
  const around = environment();
  const dmz = { name: 'br-dmz', ifindex: 9, mtu: 1500, up: true, hardware: '02:00:00:00:00:09' };
  const both = deployment(
    [service(2, { sources: ['wan'] }), service(1, { name: 'dns', sources: ['wan'], device: 'br-dmz' })],
    { ...around, links: new Map([...around.links, ['br-dmz', dmz]]) },
  );
  const strict = (...names: string[]) => ({
    deployment: { ...both, observation: { ...both.observation, strictReversePath: new Set(names) } },
  });
  assert.equal(said(strict('br-lan', 'wan')), []);
  assert.equal(said(strict('br-dmz')), ['error rp-filter: sysctl -w net.ipv4.conf.br-dmz.rp_filter=2']);
});

test('the rule against NAT leakage is harmless, since answers are not tracked, unless it takes those as well', () => {
  const leakage = (states: string[]) => ({
    comment: '!fw4: Prevent NAT leakage',
    expr: [{ match: { op: 'in', left: { ct: { key: 'state' } }, right: states } }, { drop: null }],
  });
  const rest = { expr: [{ accept: null }] };
  assert.equal(said({ ruleset: forward(leakage(['invalid']), rest) }), []);
  const [found] = examineRouter(seen({ ruleset: forward(leakage(['invalid', 'untracked']), rest) })).findings;
  assert.is(found?.id, 'answers-dropped');
  assert.match(found?.advice ?? '', 'masq_allow_invalid');
});

test('for people: what, why, the command; what was mended, what is not known, and what it comes to', () => {
  const { findings } = examineRouter(seen({ lacking: [], daemon: { running: false }, answers: [], ruleset: '{}' }));
  const [finding] = findings;
  if (!finding) throw new Error('nothing found');
  const text = formatExamination({
    subject: 'router',
    findings,
    unknown: ['web1 answers no ping'],
    repairs: [{ finding }, { finding, failure: "there is no program 'service'" }],
  });
  assert.is(
    text,
    `mended: no daemon runs here
  by    service oneip enable && service oneip start

not mended: no daemon runs here
  by    service oneip enable && service oneip start
  since there is no program 'service'

error: no daemon runs here
  why   Nobody hands packets to the servers.
  mend  service oneip enable && service oneip start
        Where this is a server, none of its addresses is in the file: --name says which one it is.

not known: web1 answers no ping
What was mended so lasts until the next reboot.
router: 1 error
`,
  );
  assert.is(
    formatExamination({ subject: 'router', findings: [], unknown: [], repairs: [] }),
    'router: nothing is wrong\n',
  );
});

test('for scripts: whether all is well, and which command is for where', () => {
  const { findings } = examineRouter(seen({ claims: [{ ghost, device: 'br-lan', by: ['02:00:00:00:02:01'] }] }));
  const text = examinationJson({ subject: 'router', findings, unknown: [], repairs: [] });
  const { ok, findings: [found] = [] } = JSON.parse(text) as { ok: boolean; findings: Record<string, unknown>[] };
  assert.not(ok);
  assert.equal(
    [found?.['id'], found?.['command'], found?.['on'], found?.['automatic']],
    ['server-answers', 'oneip doctor --name web1 --fix', 'web1', false],
  );
});

test.run();
