import type { Table, WritableTable } from '../ubus/blobmsg.ts';
import { UbusClient } from '../ubus/client.ts';
import { Status, UbusError } from '../ubus/status.ts';
import { startTimer } from './system.ts';
import { connectUnix } from './ubus-transport.ts';

/** Path of the daemon's object. */
const OBJECT = 'oneip';
/** Milliseconds that a request may take: the daemon answers when the kernel holds the change, which on a slow router takes seconds. */
const TIMEOUT = 30_000;

/** Nobody can be asked; `message` says whether it is the bus or the daemon that is missing. */
export class NoDaemonError extends Error {}

/** The running daemon, as the command line reaches it. */
export class ControlClient {
  readonly #client: UbusClient;
  readonly #socket: string;

  private constructor(client: UbusClient, socket: string) {
    this.#client = client;
    this.#socket = socket;
  }

  /** Connects to the bus at a socket, and makes sure that the daemon is there. Rejects with `NoDaemonError`. */
  static async connect(socket: string): Promise<ControlClient> {
    let failed: (problem: string) => void = () => undefined;
    const failure = new Promise<string>((resolve) => (failed = resolve));
    const client = new UbusClient({
      open: connectUnix(socket),
      setTimer: startTimer,
      timeout: TIMEOUT,
      report: (problem) => failed(problem),
    });
    client.connect();
    const problem = await Promise.race([client.whenReady(), failure]);
    const control = new ControlClient(client, socket);
    try {
      if (problem !== undefined) throw new NoDaemonError(`no ubus at ${socket}: is ubusd running?`);
      await control.#find();
      return control;
    } catch (error) {
      client.close();
      throw error;
    }
  }

  /** Calls a method of the daemon. Rejects with `UbusError`, or with `NoDaemonError` where the daemon has gone. */
  async call(method: string, args: WritableTable = {}): Promise<Table> {
    try {
      return await this.#client.call(OBJECT, method, args);
    } catch (error) {
      // A status of its own, or that of a daemon which is not there?
      if (error instanceof UbusError && error.status === Status.NOT_FOUND) await this.#find();
      if (error instanceof UbusError && error.status === Status.CONNECTION_FAILED) throw this.#lost();
      throw error;
    }
  }

  /** Follows the daemon's changes, also over its restarts: `left` when it has gone, `joined` when it is back. */
  follow(changed: (event: Table) => void, joined: () => void, left: () => void): void {
    this.#client.subscribe(OBJECT, { notified: (_, event) => changed(event), joined, left });
  }

  close(): void {
    this.#client.close();
  }

  async #find(): Promise<void> {
    try {
      const found = await this.#client.lookup(OBJECT);
      if (found.length === 0) throw new UbusError(Status.PERMISSION_DENIED);
    } catch (error) {
      if (!(error instanceof UbusError)) throw error;
      if (error.status === Status.NOT_FOUND) throw new NoDaemonError('no daemon is running');
      if (error.status === Status.CONNECTION_FAILED) throw this.#lost();
      throw error;
    }
  }

  #lost(): NoDaemonError {
    return new NoDaemonError(`the connection to ubus at ${this.#socket} was lost`);
  }
}
