import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { InitScript, zones, type FirewallRule } from './service.ts';

const test = suite('what the firewall is told to accept');

function rulesFor(oneip: string, others: Readonly<Record<string, string>> = {}): readonly FirewallRule[] {
  const script = new InitScript({ ...zones, ...others, oneip });
  try {
    const { status, text } = script.run('start');
    assert.is(status, 0, text);
    return script.rules;
  } finally {
    script.remove();
  }
}

const service = (options: string) => `
config service 'web'
	list ghost '198.51.100.1'
${options.replace(/^\s*(?=\S)/gm, '\t')}
`;

const ACCEPT = { type: 'rule', target: 'ACCEPT' };
const DROP = { type: 'rule', target: 'DROP' };
const ghost = ['198.51.100.1'];
const slowPath = { ...ACCEPT, src: '*', dest: '*', proto: ['all'], mark: '0x6f690000/0xffff0000' };
const unmasqueraded = { type: 'nat', target: 'ACCEPT', src: 'wan', src_ip: '198.51.100.1' };

test('an option that is not set is not that of another file’s section of the same name', () => {
  const [accept] = rulesFor(service("list port '80'"), {
    'oneip-server': "config globals 'globals'\noption enabled '0'",
    network: `${zones.network ?? ''}\nconfig interface 'web'\noption device 'tap7'\noption proto 'static'`,
  });
  assert.equal(accept, {
    ...ACCEPT,
    src: 'lan',
    dest: 'wan',
    src_ip: ghost,
    proto: ['tcp'],
    src_port: ['80'],
  });
});

test('servers in the LAN, clients in the WAN', () => {
  const ports = `
    list port '80'
    list port '8000-8010'`;
  assert.equal(rulesFor(service(ports)), [
    { ...ACCEPT, src: 'lan', dest: 'wan', src_ip: ghost, proto: ['tcp'], src_port: ['80', '8000-8010'] },
    { ...ACCEPT, src: 'lan', dest: 'wan', src_ip: ghost, proto: ['icmp'] },
    { ...DROP, src: 'wan', dest: '*', dest_ip: ghost, proto: ['tcp'], dest_port: ['80', '8000-8010'] },
    unmasqueraded,
    slowPath,
  ]);
});

test('servers in a zone that may not speak to the router: answers to probes, on ports that clients use', () => {
  const oneip = `${service(`
    list ghost '2001:db8:80::1'
    option proto 'tcp+udp'
    option port '53'
    option device 'eth0.3'`)}
config watchdog 'alive'
	option type 'http'
	option port '8080'
config watchdog 'off'
	option enabled '0'
	option port '8081'
`;
  const [first, last] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').trim().split(/\s+/);
  const both = [...ghost, '2001:db8:80::1'];
  assert.equal(rulesFor(oneip), [
    { ...ACCEPT, src: 'dmz', dest: 'wan', src_ip: both, proto: ['tcp', 'udp'], src_port: ['53'] },
    { ...ACCEPT, src: 'dmz', dest: 'wan', src_ip: both, proto: ['icmp'] },
    { ...DROP, src: 'wan', dest: '*', dest_ip: both, proto: ['tcp', 'udp'], dest_port: ['53'] },
    unmasqueraded,
    { ...unmasqueraded, src_ip: '2001:db8:80::1' },
    {
      ...{ ...ACCEPT, src: 'dmz', src_ip: both, proto: ['tcp'] },
      ...{ src_port: ['53', '8080'], dest_port: [`${first}-${last}`] },
    },
    { ...ACCEPT, src: 'dmz', src_ip: both, proto: ['icmp'], icmp_type: ['echo-reply'] },
    {
      ...{ ...ACCEPT, src: 'dmz', family: 'ipv6', proto: ['icmp'] },
      icmp_type: ['neighbour-solicitation', 'neighbour-advertisement'],
    },
    slowPath,
  ]);
});

test('with a key, what servers say is accepted where their zone is closed, once', () => {
  const key = "config globals 'globals'\noption key 'a-secret-of-some-length'";
  const device = (name: string) => `option port '80'\noption device '${name}'\n`;
  const said = (text: string) => rulesFor(text).filter(({ proto }) => String(proto) === 'udp');
  const two = service(device('eth0.3')) + service(device('dmz')).replace("'web'", "'dns'");
  assert.equal(said(`${key}\n${two}`), [{ ...ACCEPT, src: 'dmz', proto: ['udp'], dest_port: ['28521'] }]);
  assert.equal(
    said(`${key}\noption channel_port '5000'\n${two}`).map(({ dest_port }) => dest_port),
    [['5000']],
  );
  assert.equal(said(`${key}\n${service(device('br-lan'))}`), [], 'lan takes everything');
  assert.equal(said(two), []);
});

test('every protocol: no ports', () => {
  assert.equal(rulesFor(service("option proto 'all'")), [
    { ...ACCEPT, src: 'lan', dest: 'wan', src_ip: ghost, proto: ['all'] },
    { ...DROP, src: 'wan', dest: '*', dest_ip: ghost, proto: ['all'] },
    unmasqueraded,
    slowPath,
  ]);
});

test('what goes to all servers is forwarded by the stack, so that the firewall lets it in', () => {
  for (const dispatch of ['broadcast', 'multicast']) {
    const options = `option dispatch '${dispatch}'\noption port '80'`;
    const rules = [
      { ...ACCEPT, src: 'lan', dest: 'wan', src_ip: ghost, proto: ['tcp'], src_port: ['80'] },
      { ...ACCEPT, src: 'lan', dest: 'wan', src_ip: ghost, proto: ['icmp'] },
      { ...ACCEPT, src: 'wan', dest: 'lan', dest_ip: ghost, proto: ['tcp'], dest_port: ['80'] },
      { ...ACCEPT, src: 'wan', dest: 'lan', dest_ip: ghost, proto: ['icmp'] },
      unmasqueraded,
      slowPath,
    ];
    assert.equal(rulesFor(service(options)), rules);
    // Whoever has no zone for the servers gets no rule to a zone, and needs one all the same.
    const elsewhere = rulesFor(service(`${options}\noption device 'eth9'`));
    assert.equal(elsewhere[0], { ...rules[2], dest: '*' });
  }
});

test('what is translated is known by its mark, and nothing else is opened', () => {
  const options = `option dispatch 'nat'\noption port '80'\noption device 'eth0.3'`;
  assert.equal(rulesFor(service(options)), [slowPath]);
  const following = `${options}\noption ghost_interface 'wan'`;
  assert.equal(rulesFor(service(following).replace(/.*list ghost .*\n/, '')), [slowPath]);
});

test('a zone is found by interface, by the device of one, and by a device of its own, and named once', () => {
  const places = (options: string) =>
    rulesFor(service(options)).flatMap(({ src, dest, src_ip }) =>
      src_ip && dest ? [`${String(src)} ${String(dest)}`] : [],
    );
  const clients = "list source 'wan'\nlist source 'eth1'\nlist source 'br-lan'\noption port '80'";
  for (const device of ['dmz', 'eth0.3', 'tap7']) {
    assert.equal(places(`${clients}\noption device '${device}'`), ['dmz wan', 'dmz wan', 'dmz lan', 'dmz lan'], device);
  }
});

test('what is in no zone is opened to nobody, least of all the router itself', () => {
  for (const options of ["option device 'eth9'", "list source 'eth9'\noption device 'dmz'", "list source 'eth7'"]) {
    for (const { src, dest, target, icmp_type, dest_port, type } of rulesFor(service(`option port '80'\n${options}`))) {
      assert.ok(src, options);
      if (type === 'rule' && target === 'ACCEPT') assert.ok(dest || icmp_type || dest_port, options);
    }
  }
  assert.equal(rulesFor(service("option device 'eth9'\nlist source 'eth7'")), [slowPath]);
});

test('nothing for what is switched off', () => {
  assert.equal(rulesFor(service("option enabled '0'")), []);
  assert.equal(rulesFor(`config globals 'globals'\noption enabled 'off'\n${service('')}`), []);
  assert.equal(rulesFor("config globals 'globals'"), []);
});

/** Marks that a rule takes, from and to. */
function span(mark: string): [first: number, last: number] {
  const [value = 0, mask = 0] = mark.split('/').map(Number);
  return [value, value + (0xffffffff - mask)];
}

test('the marks of all servers and no others, whatever the base', () => {
  const bases = ['65536', '0x10003', '0x7fffffff', '4294901760', '4294836225', '123456789', '0x6F690000', '0x80000000'];
  for (const base of bases) {
    const oneip = `config globals 'globals'\noption mark_base '${base}'\n${service('')}`;
    const spans = rulesFor(oneip).flatMap(({ mark }) => (typeof mark === 'string' ? [span(mark)] : []));
    let next = Number(base);
    for (const [first, last] of spans) {
      assert.is(first, next, base);
      assert.ok(first % (last - first + 1) === 0, `${base}: a mask fits`);
      next = last + 1;
    }
    assert.is(next, Number(base) + 65536, base);
  }
});

test('a base that makes no sense is the default one', () => {
  for (const base of ['', '0', '65535', '4294901761', '0x', 'seven', '1+1', '0x1g', '-70000']) {
    const oneip = `config globals 'globals'\noption mark_base '${base}'\n${service('')}`;
    assert.equal(rulesFor(oneip).at(-1), slowPath, base);
  }
});

test.run();
