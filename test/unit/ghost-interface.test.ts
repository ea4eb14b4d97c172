import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { check } from '../../src/cli/check.ts';
import type { Environment } from '../../src/config/environment.ts';
import { addressesOf, followInterfaces } from '../../src/config/ghost-interface.ts';
import { loadConfiguration } from '../../src/config/validate.ts';
import { FollowedGhosts } from '../../src/deployment/followed-ghosts.ts';
import { connectionsTo } from '../../src/deployment/translation.ts';
import { diffRulesets } from '../../src/plan/ruleset-diff.ts';
import { buildRuleset } from '../../src/ruleset/build.ts';
import { address, deployment, environment, service } from './support/deployments.ts';

/** A service that follows `wan`; `more` are statements of its section. */
function following(more = '', others = ''): string {
  return `config service 'web'
	option ghost_interface 'wan'
	option port '80'
	option dispatch 'nat'
	${more}

config server 'one'
	list service 'web'
	${others === '' ? '' : "list service 'other'"}
	option address '192.168.1.11'

${others}`;
}

/** The router with these addresses on `eth1`, of which netifd says that its interface `wan` has these. */
function router(addresses: readonly string[], given: readonly string[] | undefined = undefined): Environment {
  const known = environment();
  const wan = known.links.get('wan');
  assert.ok(wan);
  return {
    ...known,
    links: new Map([...known.links, ['eth1', { ...wan, name: 'eth1', ifindex: 9 }]]),
    addresses: [
      ...known.addresses.filter(({ device }) => device !== 'wan'),
      ...addresses.map((text) => ({ device: 'eth1', address: address(text), prefixLength: 24 })),
    ],
    interfaces: new Map(given ? [['wan', 'eth1']] : []),
    ...(given ? { interfaceAddresses: new Map([['wan', given]]) } : {}),
  };
}

function texts(addresses: readonly { readonly text: string }[]): string[] {
  return addresses.map(({ text }) => text);
}

function ghostsOf(uci: string, seen: Environment): string[][] {
  const { model } = loadConfiguration(uci, 'oneip');
  return followInterfaces(model, seen).services.map(({ ghosts }) => texts(ghosts));
}

test('an interface has what netifd has given to it and the device has; a device, or one without, all that is there', () => {
  const there = ['203.0.113.7', '192.168.100.2', 'fe80::7', '2001:db8::7'];
  assert.equal(texts(addressesOf(router(there, ['203.0.113.7', '203.0.113.99']), 'wan')), ['203.0.113.7']);
  assert.equal(texts(addressesOf(router(there, []), 'wan')), ['203.0.113.7', '192.168.100.2', '2001:db8::7']);
  assert.equal(texts(addressesOf(router(there), 'eth1')), ['203.0.113.7', '192.168.100.2', '2001:db8::7']);
  assert.equal(texts(addressesOf(router([], ['203.0.113.7']), 'wan')), []);
});

test('a service has the addresses of the families that its servers have, beside its configured ones', () => {
  const there = router(['203.0.113.7', '2001:db8::7'], []);
  assert.equal(ghostsOf(following(), there), [['203.0.113.7']]);
  const both = following("list ghost '198.51.100.1'").replace(
    'list service',
    "option address6 'fd00:1::11'\n\tlist service",
  );
  assert.equal(ghostsOf(both, there), [['198.51.100.1', '203.0.113.7', '2001:db8::7']]);
});

test('an address that another service has stays with that, and is told', () => {
  const other = (more: string) => `config service 'other'\n\t${more}\n`;
  const there = router(['203.0.113.7'], ['203.0.113.7']);
  const sayings = (uci: string) => check(uci, 'oneip', there, false).output.split('\n');
  const fixed = following('', other("option ghost '203.0.113.7'; option port '80'; option dispatch 'nat'"));
  assert.equal(ghostsOf(fixed, there), [[], ['203.0.113.7']]);
  assert.ok(
    sayings(fixed).includes(
      "oneip:2: warning: service 'web': option 'ghost_interface': '203.0.113.7' is a ghost address of service 'other' already, and stays with that; accepted: other ports or another protocol here, or another dispatch there",
    ),
    sayings(fixed).join('\n'),
  );
  const apart = following('', other("option ghost '203.0.113.7'; option port '443'; option dispatch 'nat'"));
  assert.equal(ghostsOf(apart, there), [['203.0.113.7'], ['203.0.113.7']]);
  const routed = following('', other("option ghost '203.0.113.7'; option port '443'"));
  assert.equal(ghostsOf(routed, there), [[], ['203.0.113.7']], 'tracked, or not');
  const byDevice = following('', other("option ghost_interface 'eth1'; option port '80'; option dispatch 'nat'"));
  assert.equal(ghostsOf(byDevice, there), [['203.0.113.7'], []], 'the first of two that follow the same by two names');
});

test('who has no address waits, and is warned of', () => {
  const uci = following("list source 'br-lan'");
  const { output, status } = check(uci, 'oneip', router([], []), false);
  assert.is(status, 0);
  assert.match(
    output,
    "oneip:2: warning: service 'web': option 'ghost_interface': 'wan' has no address at the moment of a family in which a server has one, so that the service waits for it",
  );
  const gone = check(uci, 'oneip', { ...router([]), links: new Map() }, false).output;
  assert.match(gone, "option 'ghost_interface': 'wan' is neither a logical interface that is up nor a device");
  assert.not.match(gone, 'waits for it');
  const here = check(uci, 'oneip', router(['203.0.113.7'], ['203.0.113.7']), false).output;
  assert.not.match(here, 'ghost_interface');
});

test('what the router itself listens on is told of the interface', () => {
  const there = router(['203.0.113.7'], ['203.0.113.7']);
  const listeners = [{ protocol: 'tcp', address: 'any', port: 80 }] as const;
  const { output } = check(following("list source 'br-lan'"), 'oneip', { ...there, listeners }, false);
  assert.match(output, "option 'ghost_interface': this router itself listens on tcp port 80 of '203.0.113.7'");
});

test('the same addresses give the same configuration, others a new one that knows the former', () => {
  const configuration = loadConfiguration(following(), 'oneip');
  const ghosts = new FollowedGhosts();
  const follow = (...addresses: string[]) => ghosts.follow(configuration, router(addresses, []));
  const first = follow('203.0.113.7');
  assert.is(follow('203.0.113.7'), first);
  const waiting = follow();
  const second = follow('203.0.113.8');
  const [one] = configuration.model.services[0]?.servers ?? [];
  assert.ok(one);
  const aimedAt = ({ model }: typeof first) =>
    model.services.flatMap((web) => connectionsTo(web, one).map(({ ghost }) => ghost.text));
  assert.equal([first, waiting, second].map(aimedAt), [
    ['203.0.113.7'],
    ['203.0.113.7'],
    ['203.0.113.8', '203.0.113.7'],
  ]);
  for (let host = 20; host < 60; host++) follow(`203.0.113.${host}`);
  assert.ok(aimedAt(follow('203.0.113.60')).length <= 9);
  const plain = loadConfiguration("config service 'web'\n\toption ghost '198.51.100.1'\n", 'oneip');
  assert.is(ghosts.follow(plain, router([])), plain, 'what follows nothing is let alone');
});

test('another address is one small transaction, whatever the number of slots', () => {
  const at = (ghost: string) => {
    const web = service(3, {
      ...{ dispatch: 'nat', translation: { scheduler: 'hash', masquerade: false }, slots: 4096 },
      ...{ ghosts: [address(ghost)], ghostInterfaces: ['wan'] },
    });
    return buildRuleset(deployment([web]));
  };
  const { commands } = diffRulesets(at('203.0.113.1'), at('203.0.113.9'));
  assert.ok(commands.length > 0 && commands.length <= 40, `${commands.length} commands`);
  assert.not.ok(
    commands.some((command) => command.includes('"web/slot4"') && command.includes('"elem"')),
    'no slot is touched',
  );
});

test.run();
