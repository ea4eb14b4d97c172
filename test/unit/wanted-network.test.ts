import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Service } from '../../src/config/model.ts';
import type { Deployment } from '../../src/deployment/deployment.ts';
import { describeNetworkChange } from '../../src/network/describe.ts';
import { diffNetworkState } from '../../src/network/diff.ts';
import { EMPTY_NETWORK, neighbourKey, routeKey } from '../../src/network/state.ts';
import { wantedNetwork } from '../../src/network/wanted.ts';
import { address, deployment, environment, service } from './support/deployments.ts';

function web(ghosts: readonly string[], changes: Partial<Service> = {}): Service {
  return service(2, { ghosts: ghosts.map(address), sources: ['wan'], ...changes });
}

/** What is wanted, as the commands that would make it. Sysctls are shown where their value is another. */
function commands(deployed: Deployment): string[] {
  const wanted = wantedNetwork(deployed);
  const current = { ...EMPTY_NETWORK, sysctls: wanted.sysctls.map(({ key }) => ({ key, value: 'other' })) };
  return diffNetworkState(current, wanted).map((change) => describeNetworkChange(change).replace(/ {2}#.*/, ''));
}

test('a ghost routed to the router: its route, and for each server a neighbour, a table and a rule', () => {
  assert.equal(commands(deployment([web(['198.51.100.1'])])), [
    'sysctl -w net/ipv4/neigh/br-lan/mcast_resolicit=3',
    'sysctl -w net/ipv4/conf/br-lan/forwarding=1',
    'sysctl -w net/ipv4/conf/wan/forwarding=1',
    'ip neigh add 192.168.1.11 dev br-lan managed',
    'ip neigh add 192.168.1.12 dev br-lan managed',
    'ip route add 198.51.100.1/32 dev br-lan table main',
    'ip route add default via 192.168.1.11 dev br-lan onlink table 28417',
    'ip route add default via 192.168.1.12 dev br-lan onlink table 28418',
    'ip rule add pref 32768 fwmark 0x6f690001 lookup 28417',
    'ip rule add pref 32768 fwmark 0x6f690002 lookup 28418',
    'ip rule add pref 32769 lookup main',
    'ip rule add pref 900 fwmark 0x6f690000/0xffff0000 goto 32768',
  ]);
});

test('the same for IPv6, whose forwarding is left as it is', () => {
  assert.equal(commands(deployment([web(['2001:db8:100::1'])])), [
    'sysctl -w net/ipv6/neigh/br-lan/mcast_resolicit=3',
    'ip -6 neigh add fd00:1::11 dev br-lan managed',
    'ip -6 neigh add fd00:1::12 dev br-lan managed',
    'ip -6 route add 2001:db8:100::1/128 dev br-lan table main',
    'ip -6 route add default via fd00:1::11 dev br-lan onlink table 28417',
    'ip -6 route add default via fd00:1::12 dev br-lan onlink table 28418',
    'ip -6 rule add pref 32768 fwmark 0x6f690001 lookup 28417',
    'ip -6 rule add pref 32768 fwmark 0x6f690002 lookup 28418',
    'ip -6 rule add pref 32769 lookup main',
    'ip -6 rule add pref 900 fwmark 0x6f690000/0xffff0000 goto 32768',
  ]);
});

test('a ghost in a connected subnet of IPv6 is answered for by a proxy entry', () => {
  const made = commands(deployment([web(['fd00:1::80', '2001:db8::80'])]));
  for (const wanted of [
    'ip -6 neigh add proxy fd00:1::80 dev br-lan',
    'ip -6 neigh add proxy 2001:db8::80 dev wan',
    'sysctl -w net/ipv6/conf/br-lan/proxy_ndp=1',
    'sysctl -w net/ipv6/neigh/br-lan/proxy_delay=0',
    'sysctl -w net/ipv6/conf/wan/proxy_ndp=1',
    'ip -6 route add fd00:1::80/128 dev br-lan table main',
  ]) {
    assert.ok(made.includes(wanted), wanted);
  }
  assert.not(made.some((line) => /proxy fd00:1::80 dev wan/.test(line)));
});

test('a ghost in a connected subnet of IPv4 is answered for by the ruleset alone', () => {
  assert.not(commands(deployment([web(['192.168.1.80'])])).some((line) => /proxy/.test(line)));
});

test("the router's own address: no route, a rule before local that leads on, replies let in", () => {
  const made = commands(deployment([web(['203.0.113.1'])]));
  assert.equal(
    made.filter((line) => /rule|table main|accept_local|rp_filter/.test(line)),
    [
      'sysctl -w net/ipv4/conf/br-lan/accept_local=1',
      'ip rule add pref 32768 fwmark 0x6f690001 lookup 28417',
      'ip rule add pref 32768 fwmark 0x6f690002 lookup 28418',
      'ip rule add pref 32769 lookup main',
      'ip rule add pref 0 fwmark 0x6f690000/0xffff0000 goto 32768',
      'ip rule add pref 0 lookup local; ip rule del pref 0 lookup local',
    ],
  );
});

test("the router's own address under strict reverse path filtering: loose on the servers' device alone", () => {
  const deployed = deployment([web(['203.0.113.1'])]);
  const strict = {
    ...deployed,
    observation: { ...deployed.observation, strictReversePath: new Set(['br-lan', 'wan']) },
  };
  const keys = wantedNetwork(strict).sysctls.filter(({ key }) => key.endsWith('rp_filter'));
  assert.equal(keys, [{ key: 'net/ipv4/conf/br-lan/rp_filter', value: '2' }]);
  const routed = deployment([web(['198.51.100.1'])]);
  const foreign = { ...routed, observation: { ...routed.observation, strictReversePath: new Set(['br-lan', 'wan']) } };
  assert.not(wantedNetwork(foreign).sysctls.some(({ key }) => key.endsWith('rp_filter')));
});

test('a server of two services is wanted once; a rule before local serves both', () => {
  const both = deployment([web(['203.0.113.1']), web(['198.51.100.25'], { name: 'mail' })]);
  const { routes, rules, neighbours, sysctls } = wantedNetwork(both);
  assert.equal(
    rules.map(({ priority, table }) => [priority, table]),
    [
      [32768, 28417],
      [32768, 28418],
      [32769, 254],
      [0, 0],
    ],
  );
  assert.is(new Set(routes.map(routeKey)).size, routes.length);
  assert.is(new Set(neighbours.map(neighbourKey)).size, neighbours.length);
  assert.is(new Set(sysctls.map(({ key }) => key)).size, sysctls.length);
  assert.is(neighbours.length, 2);
});

test('a server without an address of the family takes no part in it', () => {
  const [first, second] = service(2).servers;
  assert.ok(first && second);
  const { address6, ...only4 } = second;
  assert.ok(address6);
  const wanted = wantedNetwork(deployment([web(['2001:db8:100::1'], { servers: [first, only4] })]));
  assert.equal(
    wanted.neighbours.map((entry) => entry.address.text),
    ['fd00:1::11'],
  );
  assert.equal(
    wanted.rules.map(({ table }) => table),
    [28417, 254, 0],
  );
});

test('without servers, devices or services nothing is left of it', () => {
  const idle = wantedNetwork(deployment([web(['198.51.100.1'], { servers: [] })]));
  assert.equal([idle.rules, idle.neighbours], [[], []]);
  assert.is(idle.routes.length, 1, 'the ghost stays on the way to the servers');
  assert.equal(wantedNetwork(deployment([])), EMPTY_NETWORK);
  const absent = deployment([web(['198.51.100.1'], { device: 'br-gone' })]);
  assert.equal(wantedNetwork(absent), EMPTY_NETWORK);
  const clientless = wantedNetwork(deployment([web(['198.51.100.1'])], environment({ wanAbsent: true })));
  assert.is(clientless.neighbours.length, 2);
  assert.not(clientless.sysctls.some(({ key }) => key.includes('/wan/')));
});

test('to all servers: a route by a second ghost address, whose neighbour entry nobody changes', () => {
  const made = commands(
    deployment([
      web(['198.51.100.1', '2001:db8:100::1'], { dispatch: 'broadcast', ghost2: [address('192.168.1.250')] }),
    ]),
  );
  const seconds = made.filter((line) => /table main|permanent/.test(line));
  assert.equal(seconds, [
    'ip neigh add 192.168.1.250 lladdr ff:ff:ff:ff:ff:ff dev br-lan nud permanent',
    'ip -6 neigh add fd00:1::fd9:bc92 lladdr 33:33:00:00:00:01 dev br-lan nud permanent',
    'ip route add 198.51.100.1/32 via 192.168.1.250 dev br-lan onlink table main',
    'ip -6 route add 2001:db8:100::1/128 via fd00:1::fd9:bc92 dev br-lan onlink table main',
  ]);
  // The watchdog asks each server by itself all the same.
  assert.ok(made.includes('ip route add default via 192.168.1.12 dev br-lan onlink table 28418'));
  assert.ok(made.includes('ip rule add pref 32768 fwmark 0x6f690002 lookup 28418'));
});

test('a ghost of services of both kinds leads to all servers, whichever comes first', () => {
  const flooded = web(['198.51.100.1'], { dispatch: 'multicast', ghost2: [address('192.168.1.250')] });
  const routed = web(['198.51.100.1'], { name: 'ssh', ports: [{ first: 22, last: 22 }] });
  for (const services of [
    [flooded, routed],
    [routed, flooded],
  ]) {
    const routes = wantedNetwork(deployment(services)).routes.filter(({ table }) => table === 254);
    assert.equal(
      routes.map(({ via }) => via?.text),
      ['192.168.1.250'],
    );
  }
});

test('another MAC address, or another use, takes the place of a neighbour entry that is there', () => {
  const entry = { family: 4, address: address('192.168.1.250'), device: { name: 'br-lan', ifindex: 3 } } as const;
  const states = [
    { ...entry, kind: 'managed' },
    { ...entry, kind: 'permanent', hardware: 'ff:ff:ff:ff:ff:ff' },
    { ...entry, kind: 'permanent', hardware: '01:00:5e:7f:00:01' },
  ] as const;
  for (const before of states) {
    for (const after of states) {
      const changes = diffNetworkState(
        { ...EMPTY_NETWORK, neighbours: [before] },
        { ...EMPTY_NETWORK, neighbours: [after] },
      );
      const expected = before === after ? [] : [{ kind: 'neighbour', action: 'add', entry: after }];
      assert.equal(changes, expected);
    }
  }
});

test('a server that an order has given a second ghost address: one entry, and no quarrel about it', () => {
  const flooded = web(['198.51.100.1'], { dispatch: 'broadcast', ghost2: [address('192.168.1.11')] });
  const { neighbours } = wantedNetwork(deployment([flooded]));
  assert.is(neighbours.filter((entry) => entry.address.text === '192.168.1.11').length, 1);
});

test.run();
