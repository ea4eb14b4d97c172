import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { NOBODY } from '../../src/allocation/table.ts';
import type { Environment, InterfaceAddress, LinkState } from '../../src/config/environment.ts';
import type { Model, Service } from '../../src/config/model.ts';
import { loadConfiguration } from '../../src/config/validate.ts';
import { ServerController } from '../../src/daemon/server-controller.ts';
import type { ServerHost } from '../../src/daemon/server-controller.ts';
import { slotTables } from '../../src/deployment/slot-tables.ts';
import { parseAddress } from '../../src/net/address.ts';
import type { SlotChange } from '../../src/netlink/slot-elements.ts';
import { describeNetworkChange } from '../../src/network/describe.ts';
import { diffNetworkState } from '../../src/network/diff.ts';
import { EMPTY_NETWORK } from '../../src/network/state.ts';
import type { NetworkState } from '../../src/network/state.ts';
import { serverFilter } from '../../src/server/filter.ts';
import { identify } from '../../src/server/identity.ts';
import type { Identity } from '../../src/server/identity.ts';
import { attach } from '../../src/server/machine.ts';
import type { LinkSettings, Machine } from '../../src/server/machine.ts';
import { Ownership, ownedIn } from '../../src/server/ownership.ts';
import { passageNetwork, passageTables } from '../../src/server/second-chance.ts';
import { misplacedGhosts, wantedServer } from '../../src/server/wanted.ts';

const text = (dispatch = 'broadcast', more = '') => `config service 'web'
	list ghost '192.0.2.80'
	list ghost '2001:db8:80::80'
	option proto 'tcp+udp'
	option slots '256'
	option dispatch '${dispatch}'
config service 'mail'
	list ghost '192.0.2.25'
	list port '25'
config server 's1'
	list service 'web'
	list service 'mail'
	option address '192.168.1.11'
	option address6 'fd00:1::11'
config server 's2'
	list service 'web'
	option address '192.168.1.12'
config server 's3'
	option enabled '0'
	list service 'web'
	option address '192.168.1.13'
${more}`;

function modelOf(configuration: string): Model {
  return loadConfiguration(configuration, 'test').model;
}

function serviceOf(model: Model, name = 'web'): Service {
  const found = model.services.find((service) => service.name === name);
  assert.ok(found);
  return found;
}

function own(address: string, device = 'eth0'): InterfaceAddress {
  const parsed = parseAddress(address);
  assert.ok(parsed);
  return { device, address: parsed, prefixLength: parsed.family === 4 ? 24 : 64 };
}

const links = new Map<string, LinkState>(
  ['lo', 'eth0', 'eth1'].map((name, index) => [name, { name, ifindex: index + 1, mtu: 1500, up: true }]),
);
const quiet = { all: 0, own: 0 };
const usual: LinkSettings = { arpIgnore: quiet, arpAnnounce: quiet, reversePath: quiet, dropsFlooded6: false };

function machineOf(addresses: readonly InterfaceAddress[], settings: Partial<LinkSettings> = {}): Machine {
  const environment: Environment = { links, addresses, interfaces: new Map(), listeners: [] };
  return { environment, settingsOf: () => ({ ...usual, ...settings }), defaultDevice: 2 };
}

const both = [own('192.168.1.11'), own('fd00:1::11')];

function identityOf(configuration = text(), name = 's1'): Identity {
  const identity = identify(modelOf(configuration), name, []);
  assert.ok(typeof identity === 'object', String(identity));
  return identity;
}

/** The commands that a machine would need. */
function commands(identity: Identity, machine: Machine): string[] {
  const wanted = wantedServer(identity, machine, attach(identity.server, machine.environment));
  const current = { ...EMPTY_NETWORK, sysctls: wanted.sysctls.map(({ key }) => ({ key, value: '?' })) };
  return diffNetworkState(current, wanted).map((change) => describeNetworkChange(change).replace(/ +# was .*/, ''));
}

test('who it is: by name, else by address; also one that is switched off', () => {
  const model = modelOf(text());
  const named = (identity: Identity | string) =>
    typeof identity === 'string' ? identity : [identity.server.name, ...identity.services.map(({ name }) => name)];
  assert.equal(named(identify(model, undefined, [own('fd00:1::11')])), ['s1', 'web', 'mail']);
  assert.equal(named(identify(model, undefined, [own('10.0.0.1'), own('192.168.1.12')])), ['s2', 'web']);
  assert.equal(named(identify(model, 's2', both)), ['s2', 'web'], 'the name is stronger');
  assert.equal(named(identify(model, undefined, [own('192.168.1.13')])), ['s3', 'web']);
  assert.match(
    String(identify(model, undefined, [own('192.168.1.14')])),
    /s1 \(192\.168\.1\.11, fd00:1::11\), s2 \(192\.168\.1\.12\), s3 \(192\.168\.1\.13\); --name/,
  );
  assert.match(String(identify(model, 's4', both)), /no server of a service has the name 's4'; there are s1, s2, s3/);
  assert.match(String(identify(modelOf(''), 's1', both)), /no service with servers/);
  const off = modelOf(text('route', "config globals 'globals'\n\toption enabled '0'\n"));
  assert.equal(named(identify(off, 's1', both)), ['s1'], 'switched off: nothing to serve');
});

test('what a server needs: its ghosts, and silence about them where its addresses are', () => {
  assert.equal(commands(identityOf(), machineOf(both)), [
    'sysctl -w net/ipv4/conf/eth0/arp_ignore=1',
    'sysctl -w net/ipv4/conf/eth0/arp_announce=2',
    'ip address add 192.0.2.80/32 dev lo scope host',
    'ip -6 address add 2001:db8:80::80/128 dev lo preferred_lft 0 nodad',
    'ip address add 192.0.2.25/32 dev lo scope host',
  ]);
  assert.equal(
    commands(identityOf(text('multicast'), 's2'), machineOf([own('192.168.1.12', 'eth1')])),
    [
      'sysctl -w net/ipv4/conf/eth1/arp_ignore=1',
      'sysctl -w net/ipv4/conf/eth1/arp_announce=2',
      'ip address add 192.0.2.80/32 dev lo scope host',
      'ip address add 239.255.188.145/32 dev eth1 autojoin',
    ],
    'no ghost of a family in which it has no address; its group',
  );
  assert.equal(commands(identityOf(), machineOf([])), [], 'no address yet: not known where to be silent');
});

test('settings that do already stay: the larger of two values counts', () => {
  const keys = (settings: Partial<LinkSettings>, defaultDevice = 2, dispatch = 'broadcast') => {
    const machine = { ...machineOf(both, settings), defaultDevice };
    return commands(identityOf(text(dispatch)), machine).flatMap((line) => /conf\/eth0\/(\S+)/.exec(line)?.[1] ?? []);
  };
  const announces = { arpAnnounce: { all: 2, own: 0 } };
  assert.equal(keys({ arpIgnore: { all: 1, own: 0 }, ...announces }), []);
  assert.equal(keys({ arpIgnore: { all: 0, own: 2 }, ...announces }), []);
  assert.equal(keys({ arpIgnore: { all: 0, own: 8 }, ...announces }), []);
  assert.equal(keys({ arpIgnore: { all: 0, own: 3 }, ...announces }), ['arp_ignore=1'], 'by scope is not enough');
  assert.equal(keys({ arpIgnore: { all: 1, own: 1 }, arpAnnounce: { all: 1, own: 1 } }), ['arp_announce=2']);
  const silent = { arpIgnore: { all: 1, own: 0 }, ...announces };
  const strict = { ...silent, reversePath: { all: 1, own: 0 } };
  assert.equal(keys(strict), [], 'answers leave by the device that questions come by');
  assert.equal(keys(strict, 3), ['rp_filter=2']);
  assert.equal(keys({ ...silent, reversePath: { all: 1, own: 2 } }, 3), [], 'loose already');
  assert.equal(keys({ ...silent, dropsFlooded6: true }), ['drop_unicast_in_l2_multicast=0']);
  assert.equal(keys({ ...silent, dropsFlooded6: true }, 2, 'route'), [], 'no such frames');
});

test('an address that is gone for a moment was where it was', () => {
  const { server } = identityOf();
  const before = attach(server, machineOf(both).environment);
  assert.equal(attach(server, machineOf([]).environment, before), before);
  const without = { ...machineOf([]).environment, links: new Map([...links].filter(([name]) => name !== 'eth0')) };
  assert.equal(attach(server, without, before), {}, 'the device has gone');
  assert.equal(attach(server, machineOf([own('192.168.1.11', 'eth1')]).environment, before)[4]?.name, 'eth1');
});

test('a ghost on another device than lo is told of', () => {
  const machine = machineOf([...both, own('192.0.2.80', 'lo'), own('192.0.2.25', 'eth1')]);
  assert.equal(
    misplacedGhosts(identityOf(), machine).map(({ ghost, device }) => `${ghost.text} ${device}`),
    ['192.0.2.25 eth1'],
  );
});

test('slots: of the configuration, until somebody has told others; never a guess', () => {
  const service = serviceOf(modelOf(text()));
  let changes = 0;
  let computed = 0;
  const compute = (one: Service) => {
    computed++;
    return slotTables(one);
  };
  const ownership = new Ownership(() => changes++);
  ownership.configure([service], 's1', compute);
  const tables = slotTables(service);
  const mine = ownership.of(service);
  assert.equal(
    [...(mine[4] ?? [])],
    [...(tables[4] ?? [])].map((owner) => (owner === 0 ? 1 : 0)),
  );
  assert.is(
    mine[6]?.every((isOurs) => isOurs === 1),
    true,
    'the only server of IPv6 has all',
  );
  ownership.configure([service], 's1', compute);
  assert.is(computed, 1, 'nothing has changed');

  const told = { 4: new Uint8Array(256).fill(1, 0, 3) };
  ownership.setOwned('web', told);
  assert.equal(ownership.of(service), told);
  ownership.setOwned('web', told);
  assert.is(changes, 1);
  const larger = serviceOf(modelOf(text().replace("slots '256'", "slots '512'")));
  ownership.configure([larger], 's1', compute);
  assert.equal(ownership.of(larger), {}, 'a table of another size');
  ownership.configure([], 's1', compute);
  ownership.configure([service], 's1', compute);
  assert.equal(ownership.of(service), mine, 'a service that comes again is a new one');
});

test('a server that is switched off, or knows of no slots, begins nothing and keeps the filter', () => {
  const { services, server } = identityOf(text(), 's3');
  const [service] = services;
  assert.ok(service);
  const owned = ownedIn(slotTables(service), service, server.name);
  const { tables } = serverFilter([{ service, families: [4], owned }], false);
  assert.is(tables.length, 1);
  assert.equal(
    tables[0]?.slotMaps.map(({ name, slots }) => [name, slots.every((owner) => owner === NOBODY)]),
    [['web/slot4', true]],
  );
  assert.equal(serverFilter([{ service: { ...service, dispatch: 'route' }, families: [4], owned }], false).tables, []);
});

test('second chance: tables that pass on where an address of the family is, and receivers in the filter', () => {
  const configuration = text('route').replace("dispatch 'route'", "dispatch 'route'\n\toption second_chance '1'");
  const { services, server } = identityOf(configuration);
  const filtered = services
    .filter(({ secondChance }) => secondChance)
    .map((service) => ({ service, families: [4, 6] as const, owned: {} }));
  assert.equal(
    filtered.map(({ service }) => service.name),
    ['web'],
  );
  const both4and6 = attach(server, machineOf(both).environment);
  assert.equal(
    passageTables(filtered, both4and6).map(({ family, chains, sets }) => [
      family,
      chains.map(({ bound }) => bound),
      sets.map(({ elements }) => elements),
    ]),
    [
      ['ip', [{ eth0: 2 }], [['192.0.2.80']]],
      ['ip6', [{ eth0: 2 }], [['2001:db8:80::80']]],
    ],
  );
  const { routes, neighbours } = passageNetwork(filtered, both4and6);
  assert.equal(
    neighbours.map(({ address, hardware }) => [address.text, hardware]),
    [
      ['169.254.111.111', 'ff:ff:ff:ff:ff:ff'],
      ['fe80::6f6e:6569:7000:1', '33:33:00:00:00:01'],
    ],
  );
  assert.is(routes.length, 2);
  const only6 = attach(server, machineOf(both.slice(1)).environment);
  assert.equal(
    passageTables(filtered, only6).map(({ family }) => family),
    ['ip6'],
  );
  const [table] = serverFilter(filtered, false).tables;
  assert.ok(table);
  assert.equal(
    table.sets.filter(({ name }) => name.startsWith('ghost')).map(({ elements }) => elements),
    [['192.0.2.80'], ['2001:db8:80::80']],
  );
  assert.equal(table.slotMaps, []);
});

test('second chance is for routed services', () => {
  const configuration = text().replace("dispatch 'broadcast'", "dispatch 'broadcast'\n\toption second_chance '1'");
  const { model, problems } = loadConfiguration(configuration, 'test');
  assert.is(serviceOf(model).secondChance, false);
  const about = problems.filter(({ option }) => option === 'second_chance');
  assert.equal(
    about.map(({ severity }) => severity),
    ['warning'],
  );
});

class FakeHost implements ServerHost {
  machine = machineOf(both);
  refusing = false;
  readonly deeds: string[] = [];
  readonly moves: SlotChange[] = [];
  #wanted: NetworkState = EMPTY_NETWORK;

  observe(): Machine {
    return this.machine;
  }

  clear(kept: readonly string[]): string[] {
    this.deeds.push(`clear all but ${kept.join()}`);
    return [];
  }

  load(commands: string): void {
    if (this.refusing) throw new Error('refused');
    this.deeds.push(commands.includes('"delete":{"chain"') ? 'unload' : 'load');
  }

  moveSlots(change: SlotChange): void {
    if (this.refusing) throw new Error('refused');
    this.moves.push(change);
  }

  holdsTables(): boolean {
    return true;
  }

  establish(wanted: NetworkState): string[] {
    const before = this.#wanted.addresses ?? [];
    const added = (wanted.addresses ?? []).filter((entry) => !before.includes(entry));
    this.deeds.push(...new Set(added.map(({ kind }) => kind)));
    this.#wanted = wanted;
    return [];
  }

  prune(): string[] {
    return [];
  }

  lease(milliseconds: number): void {
    this.deeds.push(`lease ${milliseconds}`);
  }
}

function controllerOf(host: FakeHost): { controller: ServerController; log: string[] } {
  const log: string[] = [];
  return { controller: new ServerController({ host, log: (line) => log.push(line) }), log };
}

test('the filter stands before the ghosts, and the group is joined before', () => {
  const host = new FakeHost();
  const { controller } = controllerOf(host);
  assert.ok(controller.configure(text('multicast'), 'test'));
  assert.equal(host.deeds, ['group', 'clear all but inet', 'load', 'ghost']);
});

test('slots that are told later move by a small change, and nothing else happens', () => {
  const host = new FakeHost();
  const { controller } = controllerOf(host);
  controller.configure(text(), 'test');
  const deeds = host.deeds.length;
  const before = controller.state?.filtered[0]?.owned[4];
  assert.ok(before);
  const after = before.map((isOurs, slot) => (slot < 2 ? 1 - isOurs : isOurs));
  controller.setOwned('web', { ...controller.state?.filtered[0]?.owned, 4: after });
  assert.is(host.deeds.length, deeds);
  const [change] = host.moves;
  assert.ok(change);
  assert.equal(change.emptied, []);
  assert.equal(
    change.moves.map(({ set, less, more }) => [set, less.length + more.length]),
    [['web/slot4', 2]],
  );
  host.refusing = true;
  assert.throws(() => controller.setOwned('web', { 4: before }), 'refused');
  host.refusing = false;
  controller.distrust();
  controller.reconcile();
  assert.equal(controller.state?.filtered[0]?.owned[4], before, 'what was told is not forgotten');
});

test('a configuration with errors is refused later, and one in which this server is missing', () => {
  const { controller, log } = controllerOf(new FakeHost());
  assert.ok(controller.configure(text(), 'test'));
  assert.not.ok(controller.configure(text('everywhere'), 'test'));
  assert.ok(log.some((line) => line.includes("'everywhere'")));
  assert.throws(() => controller.configure("config service 'web'\n\tlist ghost '192.0.2.80'\n", 'test'), 'no service');
  assert.is(controller.state?.identity.server.name, 's1');
});

test('a machine without its addresses serves nothing until they come', () => {
  const host = new FakeHost();
  host.machine = machineOf([]);
  const log: string[] = [];
  const controller = new ServerController({ host, log: (line) => log.push(line), name: 's1' });
  assert.ok(controller.configure(text(), 'test'));
  assert.not.ok(host.deeds.includes('ghost'));
  assert.is(log.filter((line) => line.includes('none of its addresses yet')).length, 1);
  host.machine = machineOf(both);
  controller.reconcile();
  assert.ok(host.deeds.includes('ghost'));
});

test.run();
