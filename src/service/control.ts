import type { Decider, ServerState } from '../membership/members.ts';
import type { Simulation } from '../simulate/simulate.ts';
import type { Plan } from '../plan/plan.ts';
import type { Problem } from '../config/problem.ts';

export interface ServerStatus {
  readonly server: string;
  readonly address?: string;
  readonly address6?: string;
  /** Device by which the fast path hands packets to `address`: the servers' device, or the port of it behind which the server is. */
  readonly egress?: string;
  /** The same for `address6`. */
  readonly egress6?: string;
  readonly state: ServerState;
  readonly decider: Decider;
  /** A few words: what the probe said, or the operator. */
  readonly reason: string;
  /** Seconds since when the state holds. */
  readonly since: number;
  /** Seconds until `auto` again, or until a drain ends at the latest. */
  readonly until?: number;
  readonly weight: number;
  /** What the load of the servers makes of the weight; absent: nothing else. */
  readonly effectiveWeight?: number;
  /** Share of the clients that it gets now, 0–1, and its slots; of the family with the larger number. */
  readonly share: number;
  readonly slots: number;
  /** Live connections as they were counted last; absent where nobody counts them, since it is not the load by which they are placed. */
  readonly connections?: number;
  /** Since the daemon's start, from the kernel's counters; absent where all servers get all packets, which nobody counts here. */
  readonly packets?: bigint;
  readonly bytes?: bigint;
  /** `added` at run time, or being taken out (`removing`); absent: as configured. */
  readonly provenance?: 'added' | 'removing';
  readonly damped: boolean;
  readonly probe?: {
    readonly passed: boolean;
    readonly reason: string;
    /** Milliseconds. */
    readonly latency?: number;
    /** Seconds ago. */
    readonly age: number;
  };
  /** What it told last over the channel; absent: it never did. */
  readonly report?: {
    /** Seconds ago. */
    readonly age: number;
    /** Whether its own service is well, where it judges that, and why. */
    readonly well?: boolean;
    readonly reason?: string;
    /** True where it has the slots that it shall have. */
    readonly current: boolean;
    readonly connections?: number;
    /** Share of its processors' time that is used, 0–1. */
    readonly cpu?: number;
    /** Number that a script there has told. */
    readonly script?: number;
  };
}

export interface TransitionStatus {
  /** Seconds since the first change. */
  readonly since: number;
  /** Seconds until its last connections are given up. */
  readonly until: number;
  /** Slots that have moved and whose old connections are still kept. */
  readonly slots: number;
  /** By server: packets of old connections since the beginning, and seconds since the last one. */
  readonly kept: readonly { readonly server: string; readonly packets: bigint; readonly idle: number }[];
}

export interface ServiceStatus {
  readonly service: string;
  readonly ghosts: readonly string[];
  readonly protocols: readonly string[];
  /** `80`, `8000-8099`; empty = all. */
  readonly ports: readonly string[];
  readonly slots: number;
  /** Why it does not run, where it does not: its device is absent, the router refuses it. */
  readonly inactive?: string;
  readonly transition?: TransitionStatus;
  /** Where connections are placed one by one: how many of a family are remembered at most, and packets for which there was no room. */
  readonly flows?: { readonly limit: number; readonly overflow: bigint };
  readonly servers: readonly ServerStatus[];
}

export interface DaemonStatus {
  readonly version: string;
  /** Seconds since its start. */
  readonly uptime: number;
  /** Why the kernel does not hold what it should, where that is so. */
  readonly failing?: string;
  /** Datagrams of the channel that were refused, by reason; absent where there is no channel. */
  readonly refused?: Readonly<Record<string, number>>;
  readonly services: readonly ServiceStatus[];
}

/** What subscribers, the event `oneip` and hotplug scripts are told. */
export interface ServiceEvent {
  /** ACTION of hotplug scripts: `up`, `down`, `draining`, `drained`, `disabled` (new state of a server), `added`, `removed`, `weight`, `reload`, `transition` (one ended), `adapt` (slots have followed the load), `full`, `room` (of a table of connections). */
  readonly action: string;
  readonly service?: string;
  readonly server?: string;
  readonly reason?: string;
}

/** Which server is meant; without `service` in all its services. */
export interface ServerReference {
  readonly server: string;
  readonly service?: string;
}

export interface SetServer extends ServerReference {
  readonly state: 'up' | 'down' | 'drain' | 'auto';
  /** Seconds: how long a drain may take, or how long `up` or `down` holds before `auto`. */
  readonly timeout?: number;
  readonly reason?: string;
  /** Written to the configuration, too: `enabled` of the server (down, drain: 0; up, auto: 1). */
  readonly persist?: boolean;
}

export interface SetWeight extends ServerReference {
  readonly weight: number;
  readonly persist?: boolean;
}

export interface AddServer {
  readonly server: string;
  readonly service: string;
  readonly address?: string;
  readonly address6?: string;
  readonly weight?: number;
  readonly persist?: boolean;
}

export interface RemoveServer extends ServerReference {
  /** Default true: its connections are kept until they end. */
  readonly drain?: boolean;
  readonly persist?: boolean;
}

/** What a program tells about a server that it watches: counts as a probe result of source `ubus`. */
export interface Report extends ServerReference {
  readonly up: boolean;
  readonly reason?: string;
  /** Seconds that it holds; default: what the `ubus` watchdog of the server says, else 60. */
  readonly ttl?: number;
}

/** Why a request was not done. `message` is a whole sentence. */
export class ControlError extends Error {
  readonly kind: 'invalid' | 'not-found' | 'refused';

  constructor(kind: ControlError['kind'], message: string) {
    super(message);
    this.kind = kind;
  }
}

/**
 * The running daemon, as those see it who ask and command it: the ubus object. Whoever changes something is answered when
 * the kernel holds it. All reject with `ControlError` where the request is at fault.
 */
export interface Control {
  status(service?: string): Promise<DaemonStatus>;
  setServer(request: SetServer): Promise<void>;
  setWeight(request: SetWeight): Promise<void>;
  addServer(request: AddServer): Promise<void>;
  removeServer(request: RemoveServer): Promise<void>;
  /** By what is in force. `client`: an address, or ADDRESS:PORT. */
  simulate(request: {
    readonly client: string;
    readonly service?: string;
    readonly port?: number;
  }): Promise<readonly Simulation[]>;
  /** What a reload of the configuration file would change. */
  plan(): Promise<Plan & { readonly problems: readonly Problem[] }>;
  /** What is wrong in the configuration file, or would be if it had this text. */
  check(configuration?: string): Promise<readonly Problem[]>;
  /** Resolves to false where the file has errors and the configuration in force stays. */
  reload(): Promise<boolean>;
  /** All that is in force, for a bug report: configuration text, membership, slot tables, the ruleset as JSON. */
  dump(): Promise<Readonly<Record<string, unknown>>>;
  /** Health told from outside; unknown servers are ignored with a line in the log. */
  report(report: Report): void;
}
