import type { ProbeResult } from './prober.ts';

/** What is thought of a server of a service. */
export interface Health {
  readonly up: boolean;
  /** A few words for people: what the last deciding probe or event said. */
  readonly reason: string;
  /** Clock, in milliseconds, when it last changed. */
  readonly since: number;
  /** Taken out for a while because it came and went too often. */
  readonly damped: boolean;
  /** The last probe, if there was one. */
  readonly lastProbe?: { readonly at: number; readonly result: ProbeResult };
}

/** Events that tell of a server's death without a probe. */
export type EvidenceSource = 'neighbour' | 'link' | 'icmp';
