import type { Check } from '../../config/model.ts';
import type { Family } from '../../net/address.ts';
import type { ProbeResult, ProbeTarget, Prober } from '../../watchdog/prober.ts';
import { ArpProber } from './arp.ts';
import { Attempt, reasonOf } from './attempt.ts';
import { EchoProber } from './echo.ts';
import { probeHttp } from './http.ts';
import { OwnAddresses } from './own-address.ts';
import { probeByScript } from './script.ts';
import { SolicitationProber } from './solicitation.ts';
import { probeTcp } from './tcp.ts';

/** Asks servers over the network that we are on. Sockets are opened with the first probe that needs them. */
export class HostProber implements Prober {
  readonly #own = new OwnAddresses();
  readonly #echo: Readonly<Record<Family, EchoProber>> = {
    4: new EchoProber(4, this.#own),
    6: new EchoProber(6, this.#own),
  };
  readonly #arp = new ArpProber(this.#own);
  readonly #solicitation = new SolicitationProber(this.#own);
  readonly #attempts = new Set<Attempt>();
  readonly #forget = (attempt: Attempt): void => void this.#attempts.delete(attempt);

  start(check: Check, target: ProbeTarget, timeout: number, done: (result: ProbeResult) => void): { cancel(): void } {
    const attempt = new Attempt(timeout, done, this.#forget);
    this.#attempts.add(attempt);
    try {
      this.#ask(check, target, timeout, attempt);
    } catch (error) {
      attempt.fail(reasonOf(error));
    }
    attempt.returned();
    return attempt;
  }

  /** Ends all probes without a word, and closes everything. Idempotent. */
  close(): void {
    for (const attempt of [...this.#attempts]) attempt.cancel();
    for (const each of [this.#echo[4], this.#echo[6], this.#arp, this.#solicitation]) each.close();
  }

  #ask(check: Check, target: ProbeTarget, timeout: number, attempt: Attempt): void {
    switch (check.type) {
      case 'ping':
        return this.#echo[target.ghost.family].start(target, attempt);
      case 'arp':
        return (target.address.family === 4 ? this.#arp : this.#solicitation).start(target, attempt);
      case 'tcp':
      case 'http': {
        const port = check.port ?? target.port;
        if (port === undefined) return attempt.fail('no port');
        if (check.type === 'tcp') return probeTcp(target, port, this.#own, attempt);
        return probeHttp(check, target, port, this.#own, attempt);
      }
      case 'script':
        return probeByScript(check.path, target, timeout, attempt);
      case 'report':
      case 'ubus':
        return attempt.fail('nobody is asked');
    }
  }
}
