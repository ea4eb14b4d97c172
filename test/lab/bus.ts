import { rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { UbusClient } from '../../src/ubus/client.ts';
import { method } from '../../src/ubus/object.ts';
import type { PublishedObject } from '../../src/ubus/published-object.ts';
import { Broker } from '../ubus/broker.ts';
import { MemoryBus } from '../ubus/memory-bus.ts';

/** A ubus at a unix socket with a netifd on it: `network.interface` with `dump`, and its notifications. */
export class LabBus {
  readonly #path: string;
  readonly #bus = new MemoryBus();
  readonly #server: Server;
  readonly #streams = new Set<Socket>();
  readonly #netifd: UbusClient;
  readonly #object: PublishedObject;
  readonly #devices = new Map<string, string>();
  /** Addresses that it has given to an interface. */
  readonly #addresses = new Map<string, readonly string[]>();

  private constructor(path: string) {
    this.#path = path;
    const broker = new Broker();
    this.#bus.broker = broker;
    this.#server = createServer((stream) => this.#serve(broker, stream));
    // A test that has failed shall not wait for who is on the bus.
    this.#server.unref();
    this.#netifd = this.client();
    this.#object = this.#netifd.publish('network.interface', {
      dump: method({}, () => ({
        interface: [...this.#devices].map(([name, device]) => ({
          ...{ interface: name, up: true, l3_device: device },
          'ipv4-address': this.#addressesOf(name, (address) => !address.includes(':')),
          'ipv6-address': this.#addressesOf(name, (address) => address.includes(':')),
        })),
      })),
    });
  }

  /** Resolves once clients can connect. */
  static async start(path: string, devices: Readonly<Record<string, string>>): Promise<LabBus> {
    const bus = new LabBus(path);
    for (const [name, device] of Object.entries(devices)) bus.#devices.set(name, device);
    await bus.#netifd.whenReady();
    await new Promise<void>((resolve) => bus.#server.listen(path, resolve));
    return bus;
  }

  /** A logical interface comes up on a device, or moves to it. */
  setDevice(name: string, device: string): void {
    this.#devices.set(name, device);
    this.#object.notify('interface.update', { interface: name });
  }

  /** Addresses that netifd has given to a logical interface, as it says when it is asked; `setDevice` tells of it. */
  setAddresses(name: string, addresses: readonly string[]): void {
    this.#addresses.set(name, addresses);
  }

  /** A logical interface goes down. */
  removeInterface(name: string): void {
    this.#devices.delete(name);
    this.#object.notify('interface.down', { interface: name });
  }

  /** A client in this process, which is to be closed by whoever asked for it. */
  client(): UbusClient {
    const client = new UbusClient({ open: this.#bus.open, setTimer });
    client.connect();
    return client;
  }

  async stop(): Promise<void> {
    this.#netifd.close();
    for (const stream of this.#streams) stream.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
    rmSync(this.#path, { force: true });
  }

  #addressesOf(name: string, isWanted: (address: string) => boolean) {
    return (this.#addresses.get(name) ?? []).filter(isWanted).map((address) => ({ address, mask: 32 }));
  }

  #serve(broker: Broker, stream: Socket): void {
    this.#streams.add(stream.unref());
    const client = broker.accept({
      write: (bytes) => {
        stream.write(bytes);
        return bytes.length;
      },
      close: () => stream.destroy(),
    });
    stream.on('data', (bytes) => client.received(bytes));
    stream.on('error', () => undefined);
    stream.on('close', () => {
      this.#streams.delete(stream);
      client.closed();
    });
  }
}

function setTimer(callback: () => void, delay: number): { cancel(): void } {
  const timer = setTimeout(callback, delay);
  return { cancel: () => clearTimeout(timer) };
}
