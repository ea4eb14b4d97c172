import type { Check } from '../config/model.ts';
import type { Address } from '../net/address.ts';
import type { DeviceReference } from '../network/state.ts';

/** Whom to ask, and how to get there: the way that client packets go, by the server's own neighbour entry. */
export interface ProbeTarget {
  /** One of the services that want the answer; of a script the only one. */
  readonly service: string;
  readonly server: string;
  /** Where the probe goes to: a ghost, without which a server is down, whatever else still answers; or the server's own address. */
  readonly ghost: Address;
  /** The server's own address of the same family: what `arp` asks for. */
  readonly address: Address;
  /** Device where the servers live. */
  readonly device: DeviceReference;
  /** Firewall mark of the server, by which policy routing takes the probe to it. */
  readonly mark: number;
  /** Of `tcp` and `http` the port to ask: the check's own, else the service's first; of a script the latter, if there is one. */
  readonly port?: number;
}

export interface ProbeResult {
  readonly passed: boolean;
  /** Milliseconds from request to answer; absent where none came. */
  readonly latency?: number;
  /**
   * Of a failure: the server itself has refused or reset the connection. Nobody listens there, which no lost packet looks like.
   */
  readonly refused?: boolean;
  /** A few words, such as `timed out`, `connection refused`, `status 503`; of a success, e.g. `status 200`. */
  readonly reason: string;
}

/** Asks servers. `src/host/probe/` has the real one. */
export interface Prober {
  /**
   * Starts a probe; `done` is called once, never before `start` has returned, and not at all once it was cancelled. Nothing
   * throws: what cannot be sent has failed. Checks of type `ubus` are never started; those of
   * type `report` wait for what the server tells.
   */
  start(check: Check, target: ProbeTarget, timeout: number, done: (result: ProbeResult) => void): { cancel(): void };
}
