import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { UbusClient } from '../../src/ubus/client.ts';
import { Status, UbusError } from '../../src/ubus/status.ts';
import { Broker } from './broker.ts';
import { ManualClock, MemoryBus } from './memory-bus.ts';

/** A broker, a clock, and clients on them. */
export class Scene {
  readonly clock = new ManualClock();
  readonly bus = new MemoryBus();
  readonly reports: string[] = [];
  readonly #clients: UbusClient[] = [];

  constructor() {
    this.bus.broker = new Broker();
  }

  get broker(): Broker {
    assert.ok(this.bus.broker);
    return this.bus.broker;
  }

  async client(timeout = 1000): Promise<UbusClient> {
    const client = new UbusClient({
      open: this.bus.open,
      setTimer: this.clock.setTimer,
      report: (problem) => this.reports.push(problem),
      timeout,
    });
    this.#clients.push(client);
    client.connect();
    await this.bus.settle();
    return client;
  }

  wait(milliseconds: number): Promise<void> {
    return this.clock.advance(milliseconds, () => this.bus.settle());
  }

  /** Nothing may be left behind: timers would keep a process alive. */
  end(): void {
    for (const client of this.#clients) client.close();
    assert.is(this.clock.pending, 0);
  }
}

/** A test that is played on a scene of its own. */
export function scene(name: string, play: (scene: Scene) => Promise<void>): void {
  test(name, async () => {
    const set = new Scene();
    await play(set);
    set.end();
  });
}

/** What a request came to. */
export async function statusOf(request: Promise<unknown>): Promise<number> {
  try {
    await request;
    return Status.OK;
  } catch (error) {
    assert.instance(error, UbusError);
    return (error as UbusError).status;
  }
}
