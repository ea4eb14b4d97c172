import type { Namespace } from './namespace.ts';
import type { LineProcess } from './process.ts';

/** What happened in a namespace, as nft(8) and ip(8) tell it. */
export interface Changes {
  /** Events of nftables, a line each; each transaction ends with `# new generation N`. */
  readonly nftables: readonly string[];
  /** Events of links, addresses, routes, rules, neighbours and settings (netconf). */
  readonly network: readonly string[];
}

/** A change of our own, made to know where the events of others begin and end. */
const MARK = 'marker';
const MARKED_ROUTE = 'blackhole 198.51.100.254 table 4242';

/** Listens to everything that is changed in a namespace by netlink. */
export class ChangeMonitor {
  readonly #namespace: Namespace;
  readonly #nftables: LineProcess;
  readonly #network: LineProcess;

  private constructor(namespace: Namespace) {
    this.#namespace = namespace;
    this.#nftables = namespace.start(['stdbuf', '-oL', 'nft', 'monitor']);
    this.#network = namespace.start(['stdbuf', '-oL', 'ip', 'monitor', 'all']);
  }

  /** Resolves once both listen. */
  static async start(namespace: Namespace): Promise<ChangeMonitor> {
    const monitor = new ChangeMonitor(namespace);
    // Marks until one is heard: neither program tells that it has begun to listen.
    await monitor.#heard(monitor.#nftables, /delete table ip marker/);
    await monitor.#heard(monitor.#network, /Deleted blackhole 198\.51\.100\.254/);
    return monitor;
  }

  /** What was changed while `body` ran, in order. */
  async during(body: () => Promise<void>): Promise<Changes> {
    await this.#mark();
    const from = { nftables: this.#nftables.log.length, network: this.#network.log.length };
    await body();
    await this.#mark();
    return {
      nftables: this.#nftables.log.slice(from.nftables).filter(isOthers).slice(0, -1),
      network: this.#network.log.slice(from.network).filter(isOthers),
    };
  }

  async stop(): Promise<void> {
    await Promise.all([this.#nftables.stop(), this.#network.stop()]);
  }

  async #mark(): Promise<void> {
    const ends = [
      this.#nftables.waitFor((line) => (/delete table ip marker/.test(line) ? true : undefined)),
      this.#network.waitFor((line) => (/Deleted blackhole 198\.51\.100\.254/.test(line) ? true : undefined)),
    ];
    // The generation is told behind its changes.
    const generation = this.#nftables.waitFor((line) =>
      /new generation/.test(line) && this.#nftables.log.at(-2)?.startsWith('delete table ip') ? true : undefined,
    );
    await this.#change();
    await Promise.all([...ends, generation]);
  }

  async #heard(listener: LineProcess, pattern: RegExp): Promise<void> {
    for (;;) {
      const heard = listener.waitFor((line) => (pattern.test(line) ? true : undefined), 200).catch(() => false);
      await this.#change();
      if (await heard) return;
    }
  }

  async #change(): Promise<void> {
    await this.#namespace.run(['nft', `add table ip ${MARK}; delete table ip ${MARK}`]);
    await this.#namespace.ip([`route add ${MARKED_ROUTE}`, `route delete ${MARKED_ROUTE}`]);
  }
}

function isOthers(line: string): boolean {
  return !/ip marker|198\.51\.100\.254/.test(line);
}
