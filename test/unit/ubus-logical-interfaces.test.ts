import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { LogicalInterfaces, interfacesIn } from '../../src/host/logical-interfaces.ts';
import type { Table } from '../../src/ubus/blobmsg.ts';
import type { UbusClient } from '../../src/ubus/client.ts';
import type { PublishedObject } from '../../src/ubus/published-object.ts';
import { method } from '../../src/ubus/object.ts';
import { Status, UbusError } from '../../src/ubus/status.ts';
import { Broker } from '../ubus/broker.ts';
import type { Scene } from '../ubus/scene.ts';
import { scene } from '../ubus/scene.ts';

/** netifd, as far as it matters here: `dump`, and notifications of `network.interface`. */
class Netifd {
  readonly state = new Map<string, string | undefined>();
  /** Members of `dump` that tell addresses, as netifd writes them (`netifd_dump_status`), by interface. */
  readonly addresses = new Map<string, Table>();
  readonly client: UbusClient;
  dumps = 0;
  failing = false;
  readonly #object: PublishedObject;
  readonly #interfaces = new Map<string, PublishedObject>();

  constructor(client: UbusClient) {
    this.client = client;
    this.#object = client.publish('network.interface', {
      dump: method({}, () => {
        this.dumps++;
        if (this.failing) throw new UbusError(Status.UNKNOWN_ERROR);
        const list = [...this.state].map(([name, device]) => ({
          interface: name,
          up: device !== undefined,
          l3_device: device,
          device: 'eth0',
          ...this.addresses.get(name),
        }));
        return { interface: list };
      }),
    });
  }

  set(name: string, device: string | undefined): void {
    if (!this.#interfaces.has(name)) this.#interfaces.set(name, this.client.publish(`network.interface.${name}`, {}));
    this.state.set(name, device);
    this.#object.notify(device === undefined ? 'interface.down' : 'interface.update', { interface: name });
  }

  remove(name: string): void {
    this.state.delete(name);
    this.#interfaces.get(name)?.cancel();
  }
}

interface Followed {
  readonly interfaces: LogicalInterfaces;
  /** What `changed` was told, as plain objects. */
  readonly changes: Record<string, string>[];
}

async function follow(set: Scene): Promise<Followed> {
  const changes: Record<string, string>[] = [];
  const client = await set.client();
  const interfaces = new LogicalInterfaces(client, set.clock.setTimer, (devices) =>
    changes.push(Object.fromEntries(devices)),
  );
  await set.bus.settle();
  return { interfaces, changes };
}

scene('says the devices of what is up, and follows changes', async (set) => {
  const netifd = new Netifd(await set.client());
  netifd.set('lan', 'br-lan');
  netifd.set('wan', undefined);
  await set.bus.settle();
  const { interfaces, changes } = await follow(set);
  assert.equal(changes, [{ lan: 'br-lan' }]);
  netifd.set('wan', 'pppoe-wan');
  await set.bus.settle();
  netifd.set('wan', 'pppoe-wan');
  await set.bus.settle();
  netifd.set('wan', undefined);
  await set.bus.settle();
  netifd.remove('lan');
  await set.bus.settle();
  assert.equal(changes, [{ lan: 'br-lan' }, { lan: 'br-lan', wan: 'pppoe-wan' }, { lan: 'br-lan' }, {}]);
  netifd.set('guest', 'br-guest');
  await set.bus.settle();
  assert.equal([...interfaces.devices], [['guest', 'br-guest']]);
  interfaces.close();
  netifd.set('guest', 'br-other');
  await set.bus.settle();
  assert.equal([...interfaces.devices], [['guest', 'br-guest']]);
});

scene('says the addresses of an interface, those of a delegated prefix too, and follows them', async (set) => {
  const netifd = new Netifd(await set.client());
  const update = async (addresses: Table) => {
    netifd.addresses.set('wan', addresses);
    netifd.set('wan', 'eth1');
    await set.bus.settle();
  };
  await update({
    'ipv4-address': [{ address: '203.0.113.5', mask: 24 }],
    'ipv6-address': [{ address: '2001:DB8::0005', mask: 64, preferred: 600, valid: 1200 }],
    'ipv6-prefix-assignment': [
      { address: '2001:db8:1::', mask: 60, 'local-address': { address: '2001:db8:1::1', mask: 60 } },
      { address: '2001:db8:2::', mask: 60, 'local-address': {} },
    ],
    inactive: { 'ipv4-address': [{ address: '203.0.113.77', mask: 24 }] },
  });
  const { interfaces, changes } = await follow(set);
  assert.equal([...interfaces.addresses], [['wan', ['2001:db8:1::1', '2001:db8::5', '203.0.113.5']]]);
  await update({ 'ipv4-address': [{ address: '203.0.113.6', mask: 24 }] });
  assert.equal([...interfaces.addresses], [['wan', ['203.0.113.6']]]);
  assert.is(changes.length, 2, 'told although the device is the same');
  await update({ 'ipv4-address': [{ address: '203.0.113.6', mask: 24 }], metric: 5 });
  assert.is(changes.length, 2, 'and not when nothing of it has changed');
  interfaces.close();
});

scene('who has asked anew is told when netifd has answered, or after a time', async (set) => {
  const netifd = new Netifd(await set.client());
  netifd.set('wan', 'eth1');
  const { interfaces } = await follow(set);
  await interfaces.told(100);
  netifd.state.set('wan', 'eth2');
  interfaces.refresh();
  const told = interfaces.told(100).then(() => [...interfaces.devices]);
  await set.bus.settle();
  assert.equal(await told, [['wan', 'eth2']]);
  netifd.client.close();
  interfaces.refresh();
  let isTold = false;
  void interfaces.told(100).then(() => (isTold = true));
  await set.wait(150);
  assert.ok(isTold, 'nobody waits for who does not answer');
  interfaces.close();
});

scene('a burst of changes is not asked about one by one', async (set) => {
  const netifd = new Netifd(await set.client());
  const { changes } = await follow(set);
  netifd.dumps = 0;
  for (let number = 0; number < 20; number++) netifd.set(`lan${number % 4}`, `br-lan${number}`);
  await set.bus.settle();
  assert.ok(netifd.dumps >= 1 && netifd.dumps <= 4, `${netifd.dumps} dumps`);
  assert.equal(changes.pop(), { lan0: 'br-lan16', lan1: 'br-lan17', lan2: 'br-lan18', lan3: 'br-lan19' });
});

scene('is empty without a bus, and joins when one appears', async (set) => {
  const { broker } = set;
  set.bus.broker = undefined;
  const { interfaces, changes } = await follow(set);
  await set.wait(20000);
  assert.is(interfaces.devices.size, 0);
  set.bus.broker = broker;
  await set.wait(5000);
  assert.is(interfaces.devices.size, 0);
  const netifd = new Netifd(await set.client());
  netifd.set('wan', 'eth1');
  await set.bus.settle();
  assert.equal(changes, [{ wan: 'eth1' }]);
});

scene('keeps what it knows while bus and netifd are away', async (set) => {
  const netifd = new Netifd(await set.client());
  netifd.set('wan', 'eth1');
  const { interfaces, changes } = await follow(set);
  netifd.client.close();
  await set.wait(10000);
  set.broker.stop();
  set.bus.broker = undefined;
  await set.wait(10000);
  assert.equal([...interfaces.devices], [['wan', 'eth1']]);
  set.bus.broker = new Broker();
  await set.wait(10000);
  const next = new Netifd(await set.client());
  next.set('wan', 'eth2');
  await set.bus.settle();
  assert.equal(changes, [{ wan: 'eth1' }, { wan: 'eth2' }]);
});

scene('asks again where netifd fails to answer', async (set) => {
  const netifd = new Netifd(await set.client());
  netifd.failing = true;
  netifd.set('wan', 'eth1');
  await set.bus.settle();
  const { changes } = await follow(set);
  await set.wait(4000);
  assert.equal(changes, []);
  netifd.failing = false;
  await set.wait(2000);
  assert.equal(changes, [{ wan: 'eth1' }]);
});

test('passes over what is not of the form of netifd', () => {
  assert.equal([...interfacesIn({})], []);
  assert.equal([...interfacesIn({ interface: 'x' })], []);
  assert.equal(
    [
      ...interfacesIn({
        interface: [null, 1, [], { interface: 1, l3_device: 'a', up: true }, { interface: 'b', up: true }],
      }),
    ],
    [],
  );
  assert.equal([...interfacesIn({ interface: [{ interface: 'down', l3_device: 'a', up: false }] })], []);
});

test.run();
