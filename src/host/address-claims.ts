import { setTimer } from 'oneip:runtime';
import { claimKey } from '../deployment/flood.ts';
import type { Claim } from '../deployment/deployment.ts';
import { HostProber } from './probe/prober.ts';

/** Questions for an address, and milliseconds that each may take: a host on the link answers in one, unless it sleeps. */
const QUESTIONS = 3;
const PATIENCE = 200;
/** Milliseconds after which addresses in use are asked for again, once: somebody may have got one meanwhile, as by DHCP. */
const INTERVAL = 15_000;

/**
 * Finds out whether somebody has addresses that we have chosen: by ARP and neighbour solicitation (RFC 5227 §2.1, RFC 4861
 * §7.2), before they are used and then every quarter of a minute.
 */
export class AddressClaims {
  readonly #occupied = new Set<string>();
  /** Those of which nobody has said anything. */
  readonly #free = new Set<string>();
  readonly #lost: (claim: Claim) => void;
  #claims: readonly Claim[] = [];
  #again: { cancel(): void } | undefined;
  #prober: HostProber | undefined;

  /** `lost` is called where somebody turns out to have an address that is in use. */
  constructor(lost: (claim: Claim) => void) {
    this.#lost = lost;
  }

  /** What others were found to have, by `claimKey`. */
  get occupied(): ReadonlySet<string> {
    return this.#occupied;
  }

  /** Takes the addresses that are wanted now, and asks for those that nobody has been asked about. True where one is not free. */
  async contest(claims: readonly Claim[]): Promise<boolean> {
    this.#claims = claims;
    this.#again?.cancel();
    const unknown = claims.filter((claim) => !this.#free.has(keyOf(claim)));
    const taken = await this.#ask(unknown, QUESTIONS);
    for (const claim of unknown) this.#free.add(keyOf(claim));
    for (const claim of taken) this.#occupy(claim);
    if (claims.length > 0) this.#again = setTimer(() => void this.#askAgain(), INTERVAL);
    return taken.length > 0;
  }

  /** Idempotent. */
  close(): void {
    this.#again?.cancel();
    this.#claims = [];
    this.#prober?.close();
    this.#prober = undefined;
  }

  async #askAgain(): Promise<void> {
    const claims = this.#claims;
    const taken = await this.#ask(claims, 1);
    // Asked for others meanwhile, or closed.
    if (this.#claims !== claims) return;
    for (const claim of taken) {
      this.#occupy(claim);
      this.#lost(claim);
    }
    this.#again = setTimer(() => void this.#askAgain(), INTERVAL);
  }

  #occupy(claim: Claim): void {
    this.#free.delete(keyOf(claim));
    this.#occupied.add(keyOf(claim));
  }

  async #ask(claims: readonly Claim[], questions: number): Promise<Claim[]> {
    const answers = await Promise.all(claims.map((claim) => this.#isAnswered(claim, questions)));
    return claims.filter((_, index) => answers[index]);
  }

  async #isAnswered(claim: Claim, questions: number): Promise<boolean> {
    if (questions === 0) return false;
    this.#prober ??= new HostProber();
    const prober = this.#prober;
    const { address, device } = claim;
    const target = { service: '', server: '', ghost: address, address, device, mark: 0 };
    const passed = await new Promise<boolean>((resolve) => {
      prober.start({ type: 'arp' }, target, PATIENCE, (result) => resolve(result.passed));
    });
    return passed || this.#isAnswered(claim, questions - 1);
  }
}

function keyOf({ device, address }: Claim): string {
  return claimKey(device.name, address);
}
