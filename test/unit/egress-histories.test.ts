import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { egressKey } from '../../src/egress/egress.ts';
import { EgressFollower, MISTRUST } from '../../src/egress/follower.ts';
import type { BridgeLink } from '../../src/netlink/bridge.ts';
import type { ForwardingEntry } from '../../src/netlink/forwarding.ts';
import type { Neighbour } from '../../src/netlink/neighbour.ts';
import { address } from './support/deployments.ts';

const BRIDGE = 1;
const PORTS = [2, 3, 4];
const MACS = ['02:00:00:00:01:01', '02:00:00:00:01:02'];
const server = { ifindex: BRIDGE, address: address('fd00:1::11') };
const key = egressKey(server, server.address);

/** One thing that happens at a bridge, `wait` milliseconds after the last. */
interface Step {
  readonly what:
    | 'learn'
    | 'forget'
    | 'flush'
    | 'state'
    | 'up'
    | 'carrier'
    | 'mtu'
    | 'leave'
    | 'join'
    | 'filter'
    | 'card'
    | 'unknown'
    | 'lost';
  readonly port: number;
  readonly mac: string;
  readonly wait: number;
}

const steps = fc.array(
  fc.record<Step>({
    what: fc.constantFrom(
      ...(['learn', 'learn', 'learn', 'forget', 'flush', 'state', 'up', 'carrier', 'mtu'] as const),
      ...(['leave', 'join', 'filter', 'card', 'card', 'unknown', 'lost'] as const),
    ),
    port: fc.constantFrom(...PORTS),
    mac: fc.constantFrom(...MACS),
    wait: fc.constantFrom(0, 1, 900, MISTRUST - 1, MISTRUST, MISTRUST + 1),
  }),
  { maxLength: 60 },
);

/** A bridge with one server, which tells a follower what happens, as the kernel does. */
class World {
  readonly follower = new EgressFollower();
  now = 0;
  #links = new Map<number, BridgeLink>();
  #places = new Map<string, number>();
  #hardware: string | undefined = MACS[0];
  /** When the place of a MAC address last became another, or none. */
  readonly changed = new Map<string, number>();

  constructor() {
    const works = { up: true, carrier: true, mtu: 1500, filtersVlans: false };
    this.#links.set(BRIDGE, { ...works, ifindex: BRIDGE, name: 'br', kind: 'bridge', forwards: false });
    for (const ifindex of PORTS) {
      this.#links.set(ifindex, { ...works, ifindex, name: `p${ifindex}`, masterIndex: BRIDGE, forwards: true });
    }
    this.follower.follow([server]);
    this.#read();
  }

  /** Port by which the bridge itself would send frames to the server, and to which MAC address; nothing where it has to flood. */
  get truth(): { readonly port: number; readonly hardware: string } | undefined {
    const hardware = this.#hardware;
    const port = hardware === undefined ? undefined : this.#places.get(hardware);
    const link = this.#links.get(port ?? 0);
    const bridge = this.#links.get(BRIDGE);
    if (hardware === undefined || port === undefined || !link || bridge?.filtersVlans !== false) return undefined;
    const works = link.up && link.carrier && link.forwards && link.masterIndex === BRIDGE && link.mtu >= bridge.mtu;
    return works ? { port, hardware } : undefined;
  }

  take({ what, port, mac, wait }: Step): void {
    this.now += wait;
    const link = this.#links.get(port);
    if (!link) throw new Error('no such port');
    switch (what) {
      case 'learn':
        if (link.masterIndex === BRIDGE && link.up && link.forwards) this.#learn(mac, port);
        return;
      case 'forget':
        return this.#forget(mac);
      case 'flush':
        for (const known of [...this.#places.keys()]) this.#forget(known);
        return;
      case 'state':
        if (link.masterIndex !== BRIDGE) return;
        this.#links.set(port, { ...link, forwards: !link.forwards });
        return this.follower.port({ ifindex: port, bridge: BRIDGE, forwards: !link.forwards }, false);
      case 'up':
        if (link.up) this.#forgetBehind(port);
        return this.#tell({ ...link, up: !link.up });
      case 'carrier':
        if (link.carrier) this.#forgetBehind(port);
        return this.#tell({ ...link, carrier: !link.carrier });
      case 'mtu':
        return this.#tell({ ...link, mtu: link.mtu === 1500 ? 1400 : 1500 });
      case 'leave': {
        if (link.masterIndex !== BRIDGE) return;
        this.#forgetBehind(port);
        this.follower.port({ ifindex: port, bridge: BRIDGE, forwards: false }, true);
        const { masterIndex, ...left } = link;
        return this.#tell({ ...left, forwards: masterIndex === undefined });
      }
      case 'join':
        return this.#tell({ ...link, masterIndex: BRIDGE, forwards: true });
      case 'filter': {
        const bridge = this.#links.get(BRIDGE);
        if (bridge) this.#tell({ ...bridge, filtersVlans: !bridge.filtersVlans });
        return;
      }
      case 'card':
      case 'unknown':
        this.#hardware = what === 'card' ? mac : undefined;
        return this.follower.neighbour(this.#neighbour(), false);
      case 'lost':
        this.#read();
    }
  }

  #read(): void {
    const entries = [...this.#places].map(([hardware, port]) => this.#entry(hardware, port));
    this.follower.reset([...this.#links.values()], entries, [this.#neighbour()], this.now);
  }

  #tell(link: BridgeLink): void {
    this.#links.set(link.ifindex, link);
    this.follower.link(link, false);
  }

  #learn(mac: string, port: number): void {
    const before = this.#places.get(mac);
    if (before === port) return;
    if (before !== undefined || this.changed.has(mac)) this.changed.set(mac, this.now);
    this.#places.set(mac, port);
    this.follower.forwarding(this.#entry(mac, port), false, this.now);
  }

  #forget(mac: string): void {
    const port = this.#places.get(mac);
    if (port === undefined) return;
    this.#places.delete(mac);
    // What is forgotten of a host that is no server's counts for nothing.
    if (mac === this.#hardware) this.changed.set(mac, this.now);
    else this.changed.delete(mac);
    this.follower.forwarding(this.#entry(mac, port), true, this.now);
  }

  #forgetBehind(port: number): void {
    for (const [mac, place] of [...this.#places]) if (place === port) this.#forget(mac);
  }

  #entry(hardware: string, port: number): ForwardingEntry {
    return { bridge: BRIDGE, port, hardware, local: false };
  }

  #neighbour(): Neighbour {
    const valid = this.#hardware !== undefined;
    return {
      ...{ family: 6, ...server, valid, failed: !valid, doubted: false, permanent: false, proxy: false },
      ...{ managed: true, externallyLearned: true, protocol: 111 },
      ...(this.#hardware === undefined ? {} : { hardware: this.#hardware }),
    };
  }
}

test('whatever happens, a port is named only where the bridge itself would send by it, and has done so for a while', () => {
  fc.assert(
    fc.property(steps, (history) => {
      const world = new World();
      for (const step of history) {
        world.take(step);
        const egress = world.follower.egresses(world.now).get(key);
        const { truth } = world;
        if (!egress) continue;
        assert.equal({ port: egress.port.ifindex, hardware: egress.hardware }, truth);
        assert.ok(world.now - (world.changed.get(egress.hardware) ?? -Infinity) >= MISTRUST);
      }
    }),
    { numRuns: 2000 },
  );
});

test('whatever has happened, who is left alone leaves by his port in the end, when it was said', () => {
  fc.assert(
    fc.property(steps, (history) => {
      const world = new World();
      for (const step of history) world.take(step);
      const next = world.follower.next(world.now);
      const { truth } = world;
      if (next < Infinity) {
        assert.ok(next > world.now && next <= world.now + MISTRUST);
        assert.is(world.follower.egresses(next - 1).get(key), undefined);
        world.now = next;
      }
      const egress = world.follower.egresses(world.now).get(key);
      assert.equal(egress && { port: egress.port.ifindex, hardware: egress.hardware }, truth);
      assert.is(world.follower.next(world.now), Infinity);
    }),
    { numRuns: 2000 },
  );
});

test.run();
