import type { BenchLab, Burst, ghost } from './bench-lab.ts';

/** A way from the client to the servers. */
export interface Contestant {
  readonly name: string;
  readonly description: string;
  /** Where its packets go; default: to the ghost address. */
  readonly target?: typeof ghost;
  /** Each client has an entry in the router's connection table. */
  readonly tracked?: boolean;
  /** It is left out where there are more; default: it never is. */
  readonly mostServers?: number;
  /** Makes the lab's router work this way; returns what ends it. */
  setUp(lab: BenchLab): Promise<() => Promise<void>>;
  /** Looks at one packet of each client, all of which arrived; says what is wrong, if anything. */
  faultOf?(lab: BenchLab, pass: Burst): Promise<string | undefined>;
}

/** What ends a contestant that nobody has to end. */
export const nothing = (): Promise<void> => Promise.resolve();

/** The flows of one contestant must outlive the turns of the others; in seconds. */
export const keepFlows = { 'net.netfilter.nf_conntrack_udp_timeout': 600 };
