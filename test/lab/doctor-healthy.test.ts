import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ghostPlaces } from './addresses.ts';
import { examine } from './doctor.ts';
import { withLab, type Lab } from './lab.ts';
import type { Namespace } from './namespace.ts';
import { configuration } from './scenario.ts';
import { startServerDaemons } from './server-programs.ts';
import type { TopologyOptions } from './topology.ts';
import { uciSection } from './uci.ts';

const firewall = { mark: 0x6f690000, mask: 0xffff0000 };

for (const [name, options] of [
  ['ghosts that are routed to the router', { strictReversePath: true }],
  ['ghosts in the subnet of the WAN', { ghosts: Object.values(ghostPlaces.wan), firewall }],
  ['ghosts that are the addresses of the router itself', { ghosts: Object.values(ghostPlaces.router), firewall }],
  ['a dispatcher with one arm', { oneArmed: true }],
  ['large frames on the network of the servers', { lanMtu: 9000, firewall }],
  ['a narrow WAN', { wanMtu: 1400 }],
] as const satisfies readonly (readonly [string, TopologyOptions])[]) {
  test(`${name}: nothing is wrong, neither with the router nor with a server`, () =>
    withLab({ servers: 2, ...options }, async (lab) => {
      const { daemon, router, servers } = lab;
      const source = 'oneArmed' in options ? ['br-lan'] : ['wan', 'br-lan', 'br-guest'];
      await daemon.start(configuration(lab, { web: { options: { port: ['80', '7000'], source } } }));
      const places = ['--state', daemon.stateFolder, '--ubus', daemon.ubusSocket];
      const found = await examine(router, ['--config', daemon.configFile, ...places]);
      assert.equal(found.ids, [], found.text);
      for (const { namespace } of servers) {
        const served = await examine(namespace, ['--config', daemon.configFile]);
        assert.equal(served.ids, [], served.text);
      }
    }));
}

/** What OpenWrt's firewall makes of a router with the zones lan and wan, in the words of its own listing; `extra` opens the forward chain. */
function fw4(extra: string): string {
  return `table inet fw4 {
    chain input {
      type filter hook input priority filter; policy drop;
      iif "lo" accept comment "!fw4: Accept traffic from loopback"
      ct state vmap { established : accept, related : accept } comment "!fw4: Handle inbound flows"
      tcp flags & (fin | syn | rst | ack) == syn jump syn_flood comment "!fw4: Rate limit TCP syn packets"
      iifname { "br-lan", "br-guest" } accept comment "!fw4: Handle lan IPv4/IPv6 input traffic"
      iifname "wan" jump input_wan comment "!fw4: Handle wan IPv4/IPv6 input traffic"
      jump handle_reject
    }
    chain forward {
      type filter hook forward priority filter; policy drop;
      ${extra}
      ct state vmap { established : accept, related : accept } comment "!fw4: Handle forwarded flows"
      iifname { "br-lan", "br-guest" } jump forward_lan comment "!fw4: Handle lan IPv4/IPv6 forward traffic"
      iifname "wan" jump forward_wan comment "!fw4: Handle wan IPv4/IPv6 forward traffic"
      jump handle_reject
    }
    chain handle_reject {
      meta l4proto tcp reject with tcp reset comment "!fw4: Reject TCP traffic"
      reject comment "!fw4: Reject any other traffic"
    }
    chain syn_flood {
      limit rate 25/second burst 50 packets return comment "!fw4: Accept SYN packets below rate-limit"
      drop comment "!fw4: Drop excess packets"
    }
    chain forward_lan {
      jump accept_to_wan comment "!fw4: Accept lan to wan forwarding"
      jump accept_to_lan
    }
    chain accept_to_lan {
      oifname { "br-lan", "br-guest" } counter accept comment "!fw4: accept lan IPv4/IPv6 traffic"
    }
    chain accept_to_wan {
      meta nfproto ipv4 oifname "wan" ct state invalid counter drop comment "!fw4: Prevent NAT leakage"
      oifname "wan" counter accept comment "!fw4: accept wan IPv4/IPv6 traffic"
    }
    chain input_wan {
      icmp type echo-request counter accept comment "!fw4: Allow-Ping"
      icmpv6 type { echo-request, nd-neighbor-solicit, nd-neighbor-advert } accept comment "!fw4: Allow-ICMPv6-Input"
      jump handle_reject
    }
    chain forward_wan {
      icmpv6 type { packet-too-big, echo-request } limit rate 1000/second counter accept comment "!fw4: Allow-ICMPv6-Forward"
      meta l4proto esp counter jump accept_to_lan comment "!fw4: Allow-IPSec-ESP"
      jump handle_reject
    }
    chain dstnat {
      type nat hook prerouting priority dstnat; policy accept;
    }
    chain srcnat {
      type nat hook postrouting priority srcnat; policy accept;
      oifname "wan" meta nfproto ipv4 masquerade comment "!fw4: Masquerade IPv4 wan traffic"
    }
    chain mangle_forward {
      type filter hook forward priority mangle; policy accept;
      iifname "wan" tcp flags syn tcp option maxseg size set rt mtu comment "!fw4: Zone wan IPv4/IPv6 ingress MTU fixing"
      oifname "wan" tcp flags syn tcp option maxseg size set rt mtu comment "!fw4: Zone wan IPv4/IPv6 egress MTU fixing"
    }
  }`;
}

test("a firewall in the words of OpenWrt's: nothing is wrong, until it lacks what the service tells it", () =>
  withLab({ servers: 2 }, async (lab) => {
    const { daemon, router } = lab;
    await daemon.start(configuration(lab, { web: { options: { port: ['80', '7000'], source: ['wan', 'br-guest'] } } }));
    const places = ['--state', daemon.stateFolder, '--ubus', daemon.ubusSocket];
    const look = () => examine(router, ['--config', daemon.configFile, ...places]);
    await router.nft(fw4('meta mark & 0xffff0000 == 0x6f690000 accept comment "!fw4: ubus:oneip"'));
    const found = await look();
    assert.equal(found.ids, [], found.text);
    await router.nft(`delete table inet fw4\n${fw4('')}`);
    const { ids, commands } = await look();
    // Ports of TCP and of UDP meet different rules at its end.
    assert.equal(new Set(ids), new Set(['requests-dropped']));
    for (const command of commands) await router.run(['sh', '-ec', command]);
    assert.equal((await look()).ids, []);
  }));

/** Where servers hear the router. */
function ends(servers: Lab['servers']): (readonly [Namespace, string])[] {
  return servers.map(({ namespace }) => [namespace, 'eth0'] as const);
}

for (const dispatch of ['route', 'broadcast', 'multicast']) {
  test(`servers that set themselves up, dispatch ${dispatch}: nothing is wrong, and a filter that is gone is missed`, () =>
    withLab({ servers: 2, bareServers: true }, async (lab) => {
      // A secret is kept out of what the daemon leaves for others to read, and is no difference for that.
      const key = uciSection('globals', 'globals', { key: 'a-secret-of-the-lab-and-long-enough' });
      const config = key + configuration(lab, { web: { options: { port: ['80', '7000'], source: 'wan', dispatch } } });
      await lab.daemon.start(config);
      const daemons = await startServerDaemons(lab, config);
      const { daemon, router, servers } = lab;
      const places = ['--state', daemon.stateFolder, '--ubus', daemon.ubusSocket];
      const found = await examine(router, ['--config', daemon.configFile, ...places]);
      assert.equal(found.ids, [], found.text);
      for (const { namespace } of servers) {
        const served = await examine(namespace, ['--config', daemon.configFile]);
        assert.equal(served.ids, [], served.text);
      }
      for (const [namespace, device] of dispatch === 'route' ? [] : [[router, 'br-lan'] as const, ...ends(servers)]) {
        await namespace.nft(`table inet other {
          chain input {
            type filter hook input priority filter; policy accept
            iifname "${device}" udp dport 28521 reject
          }
        }`);
        const at = ['--config', daemon.configFile, ...(namespace === router ? places : [])];
        const { ids, commands } = await examine(namespace, at);
        assert.ok(ids.includes('channel-dropped'), ids.join());
        for (const command of commands.filter((each) => each.includes('28521'))) {
          await namespace.run(['sh', '-ec', command]);
        }
        assert.not.ok((await examine(namespace, at)).ids.includes('channel-dropped'));
        await namespace.run(['nft', 'delete', 'table', 'inet', 'other']);
      }
      const [first] = servers;
      const [own] = daemons;
      assert.ok(first && own);
      own.process.signal('SIGSTOP');
      await first.namespace.run(['nft', 'flush', 'ruleset']);
      const { ids } = await examine(first.namespace, ['--config', daemon.configFile]);
      assert.equal(ids, dispatch === 'route' ? [] : ['filter-missing']);
      own.process.signal('SIGCONT');
    }));
}

test.run();
