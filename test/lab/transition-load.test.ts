import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Deployment, SlotTables } from '../../src/deployment/deployment.ts';
import { diffRulesets, transaction } from '../../src/plan/ruleset-diff.ts';
import { buildRuleset } from '../../src/ruleset/build.ts';
import type { Ruleset } from '../../src/ruleset/ruleset.ts';
import { observe, step } from '../../src/transition/state.ts';
import type { TransitionState } from '../../src/transition/state.ts';
import { deployment, environment, service } from '../unit/support/deployments.ts';
import { atExit } from './exit.ts';
import { addNamespaces, labPrefix, Namespace, removeLab } from './namespace.ts';
import { figure } from './scenario.ts';

// Transactions into, within and out of transitions, on a real kernel. What the rules do to packets is proved in
// transition-rules.test.ts.

type Policy = Partial<Parameters<typeof service>[1]>;

/** A service whose slots move, and a kernel that holds its ruleset. */
class Moves {
  readonly #namespace: Namespace;
  readonly #deployment: Deployment;
  #tables: SlotTables;
  #state: TransitionState | undefined;
  #loaded: Ruleset = { tables: [] };
  #now = 0;
  /** Of the last transaction. */
  bytes = 0;
  milliseconds = 0;

  constructor(namespace: Namespace, servers: number, policy: Policy = {}) {
    this.#namespace = namespace;
    const settings = { slots: 4096, protocols: ['tcp', 'udp'] as const, learnTime: 30_000, ...policy };
    this.#deployment = deployment([service(servers, settings)], environment());
    this.#tables = this.#service.tables;
  }

  get #service() {
    const [only] = this.#deployment.services;
    if (!only) throw new Error('the service is not deployed');
    return only;
  }

  get isMoving(): boolean {
    return this.#state !== undefined;
  }

  /** Slots of one server go to the others in turn, in both families or in IPv6 alone; `dead` servers are not alive. */
  async take(from: number, { only6 = false, dead = [] as readonly number[] } = {}): Promise<void> {
    const { service, servers } = this.#service;
    const alive = servers.map((_, index) => index).filter((index) => index !== from && !dead.includes(index));
    const moved = (table: Uint16Array | undefined) =>
      table?.map((owner, slot) => (owner === from ? (alive[(slot >> 3) % alive.length] ?? owner) : owner));
    const table = moved(this.#tables[4]) ?? new Uint16Array();
    const same = this.#tables[4] === this.#tables[6];
    const other = same && !only6 ? table : (moved(this.#tables[6]) ?? table);
    const tables = { 4: only6 ? (this.#tables[4] ?? table) : table, 6: other };
    this.#now += 1000;
    this.#state = step(this.#state, {
      service,
      before: { tables: this.#tables, servers },
      after: { tables, servers },
      alive: (name) => !dead.some((index) => servers[index]?.name === name),
      now: this.#now,
    });
    this.#tables = tables;
    await this.load();
  }

  /** Time goes on, and no old connection has been heard of. */
  async rest(time: number): Promise<void> {
    this.#now += time;
    if (this.#state) this.#state = observe(this.#state, { kept: new Map(), reset: 0n, silence: 0n }, this.#now);
    await this.load();
  }

  /** One transaction from what the kernel holds to what it shall hold; it must take it. */
  async load(): Promise<void> {
    const transition = this.#state?.transition;
    const service = { ...this.#service, tables: this.#tables, ...(transition ? { transition } : {}) };
    const ruleset = buildRuleset({ ...this.#deployment, services: [service] });
    const { commands } = diffRulesets(this.#loaded, ruleset);
    this.#loaded = ruleset;
    if (commands.length === 0) return;
    const text = transaction(commands);
    this.bytes = text.length;
    const begun = performance.now();
    await this.#run(text);
    this.milliseconds = performance.now() - begun;
  }

  /** Loads it anew beside what there is, as after a restart, and compares what the kernel then lists. */
  async listsAsIfNew(): Promise<void> {
    const held = await this.#list();
    const anew = transaction(diffRulesets({ tables: [] }, this.#loaded).commands);
    await this.#run(anew);
    assert.equal(await this.#list(), held);
  }

  /** nft opens its input by name, which no socket has. */
  async #run(json: string): Promise<void> {
    await this.#namespace.run(['sh', '-c', 'cat | nft -j -f -'], json);
  }

  /** Everything that the kernel lists, without the order in which it came and handles. */
  async #list(): Promise<string[]> {
    const { nftables } = JSON.parse(await this.#namespace.run(['nft', '-j', 'list', 'ruleset'])) as {
      nftables: object[];
    };
    const lines = nftables.map((entry) =>
      JSON.stringify(entry, (key, value: unknown) => (key === 'handle' ? undefined : value)),
    );
    const rules = lines.filter((line) => line.startsWith('{"rule"'));
    const byChain = (line: string) => /"chain":"[^"]*"/.exec(line)?.[0] ?? '';
    const inOrder = rules.map((line, index) => ({ line, index }));
    inOrder.sort((a, b) =>
      byChain(a.line) === byChain(b.line) ? a.index - b.index : byChain(a.line) < byChain(b.line) ? -1 : 1,
    );
    const others = lines.filter((line) => !line.startsWith('{"rule"')).map(sortElements);
    return [...others.sort(), ...inOrder.map(({ line }) => line)];
  }
}

/** Elements of hash sets are listed in the order of their hashes. */
function sortElements(line: string): string {
  const entry = JSON.parse(line) as Record<string, { elem?: unknown[] }>;
  for (const value of Object.values(entry))
    value.elem?.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  return JSON.stringify(entry);
}

async function withMoves(body: (namespace: Namespace) => Promise<void>): Promise<void> {
  const prefix = labPrefix();
  const disarm = atExit(() => removeLab(prefix));
  const namespace = new Namespace(`${prefix}-router`);
  await addNamespaces([namespace.name]);
  try {
    await namespace.ip(['link set lo up', 'link add wan type bridge', 'link add br-lan type bridge']);
    await body(namespace);
  } finally {
    removeLab(prefix);
    disarm();
  }
}

const IDLE = 300_000;

test('in, on and out again: every step is one transaction that the kernel takes', async () => {
  await withMoves(async (namespace) => {
    const moves = new Moves(namespace, 4, { slots: 256 });
    await moves.load();
    await moves.take(0);
    await moves.listsAsIfNew();
    await moves.take(1);
    await moves.rest(31_000);
    await moves.listsAsIfNew();
    await moves.take(2, { only6: true });
    await moves.listsAsIfNew();
    await moves.take(3, { dead: [2] });
    await moves.rest(IDLE);
    assert.is(moves.isMoving, false);
    await moves.listsAsIfNew();
  });
});

test('with every answer to lost connections', async () => {
  for (const policy of [{ onChange: 'reset' }, { onFailure: 'reset' }, { onFailure: 'drop' }] as const) {
    await withMoves(async (namespace) => {
      const moves = new Moves(namespace, 4, { slots: 256, ...policy });
      await moves.load();
      await moves.take(0, { dead: [0] });
      await moves.take(1);
      await moves.listsAsIfNew();
      await moves.rest(IDLE);
      assert.is(moves.isMoving, false);
      await moves.listsAsIfNew();
    });
  }
});

test('of services of every kind', async () => {
  for (const policy of [
    { protocols: ['tcp'] },
    { protocols: ['udp'], onChange: 'reset' },
    { protocols: ['all'], ports: [], hash: 'source_port' },
    { protocols: ['tcp'], sources: ['wan'], drainTimeout: 30 * 24 * 3_600_000 },
  ] as const) {
    await withMoves(async (namespace) => {
      const moves = new Moves(namespace, 3, { slots: 256, ...policy });
      await moves.load();
      await moves.take(0);
      await moves.take(1, { only6: true });
      await moves.listsAsIfNew();
      await moves.rest(IDLE);
      assert.is(moves.isMoving, false);
      await moves.listsAsIfNew();
    });
  }
});

test('a drain of one of many, in both families: how long, and how much', async () => {
  for (const servers of [4, 64]) {
    await withMoves(async (namespace) => {
      const moves = new Moves(namespace, servers);
      await moves.load();
      figure(`${servers} servers, full load: ${moves.bytes} bytes, ${moves.milliseconds.toFixed(0)} ms`);
      await moves.take(0);
      figure(`${servers} servers, drain of one begins: ${moves.bytes} bytes, ${moves.milliseconds.toFixed(0)} ms`);
      await moves.rest(31_000);
      figure(`${servers} servers, learning ends: ${moves.bytes} bytes, ${moves.milliseconds.toFixed(0)} ms`);
      await moves.listsAsIfNew();
      await moves.rest(IDLE);
      figure(`${servers} servers, drain ends: ${moves.bytes} bytes, ${moves.milliseconds.toFixed(0)} ms`);
      assert.is(moves.isMoving, false);
      await moves.listsAsIfNew();
    });
  }
});

test.run();
