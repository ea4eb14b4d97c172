import type { Address } from '../net/address.ts';
import type { DeviceReference } from '../network/state.ts';
import type { EvidenceSource } from '../watchdog/watchdog.ts';

export interface Evidence {
  readonly server: string;
  readonly device: string;
  readonly source: EvidenceSource;
  readonly down: boolean;
  readonly reason: string;
}

/** Stands in until servers are followed by netlink: nothing is told. */
export class ServerWatch {
  constructor(_: (evidence: Evidence) => void) {
    return;
  }

  follow(_: readonly { server: string; address: Address; device: DeviceReference }[]): void {
    return;
  }

  close(): void {
    return;
  }
}
