import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Daemon } from '../lab/daemon.ts';
import { oneipProgram } from '../lab/paths.ts';
import { eventually } from '../lab/scenario.ts';
import { ghost, port, serverAddress, type BenchLab } from './bench-lab.ts';

/** Milliseconds for what takes seconds, and many where others use the processor: 64 servers in 20 services, or 256 in one. */
export const patience = 120_000;

/** The service's name in the configuration. */
export const serviceName = 'bench';

export function serverNumbers({ servers }: Pick<BenchLab, 'servers'>): number[] {
  return Array.from({ length: servers }, (_, index) => index + 1);
}

/** Configuration of services with all of a lab's servers, `server1` and so on: `serviceName`, and others at the ports behind it. */
export function oneipConfig(lab: Pick<BenchLab, 'family' | 'servers'>, services = 1): string {
  const key = lab.family === 4 ? 'address' : 'address6';
  const names = Array.from({ length: services }, (_, index) =>
    index === 0 ? serviceName : `${serviceName}${index + 1}`,
  );
  const sections = names.map(
    (name, index) => `
config service '${name}'
	option enabled '1'
	list ghost '${ghost[lab.family]}'
	option proto 'udp'
	list port '${port + index}'
	list source 'wan'
	option device 'br-lan'
`,
  );
  const servers = serverNumbers(lab).map(
    (number) => `
config server 'server${number}'
	option enabled '1'
${names.map((name) => `	list service '${name}'\n`).join('')}	option ${key} '${serverAddress(lab.family, number)}'
`,
  );
  return [...sections, ...servers].join('');
}

/** A statement or match of libnftables' JSON, as far as it is looked at here. */
type Statement = Readonly<Record<string, unknown>>;

interface Rule {
  readonly family: string;
  readonly chain: string;
  readonly expr: readonly Statement[];
  readonly comment: string;
}

/** What a command of a plan adds or deletes. */
interface Subject {
  readonly rule?: Rule;
  readonly chain?: { readonly family: string; readonly name: string };
  readonly [other: string]: { readonly family: string } | undefined;
}

interface Command {
  readonly add?: Subject;
  readonly delete?: Subject;
}

/** Changes a rule; `undefined` where it goes. */
type Reduction = (rule: Rule, lab: BenchLab) => Rule | undefined;

/** What may be left out of the fast path, other than whole rules. */
const fastPathReductions: Readonly<Record<string, Reduction>> = {
  counters: (rule) => ({ ...rule, expr: rule.expr.filter((statement) => !('counter' in statement)) }),
  /** A counter of the rule's own in each one's place, which the kernel calls without looking for an object first. */
  'counter objects': (rule) => ({
    ...rule,
    expr: rule.expr.map((statement) => ('counter' in statement ? { counter: null } : statement)),
  }),
  /** Of the look-ups of the service, those for packets to other addresses: that of the ghost is asked for first. */
  'look-ups of others': (rule, lab) => {
    if (rule.comment !== '!oneip: find the service') return rule;
    const left = { payload: { protocol: lab.family === 4 ? 'ip' : 'ip6', field: 'daddr' } };
    return { ...rule, expr: [{ match: { op: '==', left, right: ghost[lab.family] } }, ...rule.expr] };
  },
  /** The service's address and port matched in the rule itself. */
  'service map': (rule, lab) => {
    if (rule.comment !== '!oneip: find the service') return rule;
    const text = JSON.stringify(rule);
    // With one port there is no map of ports.
    if (text.includes('"goto"')) return rule;
    if (!text.includes('/port')) return undefined;
    const equal = (protocol: string, field: string, right: unknown) => ({
      match: { op: '==', left: { payload: { protocol, field } }, right },
    });
    const address = equal(lab.family === 4 ? 'ip' : 'ip6', 'daddr', ghost[lab.family]);
    const chain = { goto: { target: `${rule.chain}/${serviceName}/udp${lab.family}` } };
    return { ...rule, expr: [address, equal('udp', 'dport', port), chain] };
  },
  /** Straight out of the bridge's port behind which the server is; right only as long as it stays there. */
  bridge: (rule) => {
    const number = /\/to\/server(\d+)$/.exec(rule.chain)?.[1];
    const out = (statement: Statement) =>
      'fwd' in statement ? { fwd: { ...(statement['fwd'] as Statement), dev: `lan${number}` } } : statement;
    return number === undefined ? rule : { ...rule, expr: rule.expr.map(out) };
  },
};

/** What may be left out of the slow path, which other packets pay for too. */
const slowPathReductions: Readonly<Record<string, Reduction>> = {
  /** The mention of conntrack's state, with which the kernel would begin to track, and to reassemble. */
  conntrack: (rule) => ({
    ...rule,
    expr: rule.expr.filter((statement) => !JSON.stringify(statement).includes('"ct"')),
  }),
};

function reduce(command: Command, lab: BenchLab, what: string): Command | undefined {
  const subject = command.add ?? command.delete ?? {};
  const { rule, chain } = subject;
  const family = Object.values(subject)[0]?.family;
  if (what === 'fast path') return family === 'netdev' ? undefined : command;
  if (what === 'slow path') return family === 'inet' ? undefined : command;
  if (what.startsWith('hook '))
    return family === 'inet' && `hook ${rule?.chain ?? chain?.name}` === what ? undefined : command;
  const reduction = (family === 'netdev' ? fastPathReductions : slowPathReductions)[what];
  if (!rule || (!reduction && family !== 'netdev')) return command;
  if (!reduction) return rule.comment === `!oneip: ${what}` ? undefined : command;
  const reduced = reduction(rule, lab);
  return reduced && { ...command, add: { rule: reduced } };
}

/**
 * Loads the ruleset that the daemon would load, without a daemon, and without the policy rules and routes beside it. Left out
 * is what `without` names: rules of the fast path by their comments, or as in `fastPathReductions`; "conntrack"; a base
 * chain of the slow path ("hook NAME"); "fast path" or "slow path" as a whole. Rejects where there is no such
 * thing.
 */
export async function loadRuleset(lab: BenchLab, without: readonly string[] = []): Promise<void> {
  mkdirSync(lab.folder, { recursive: true });
  const file = join(lab.folder, 'oneip');
  writeFileSync(file, oneipConfig(lab));
  const plan = await lab.router.run([oneipProgram, 'plan', '--json', '--state', join(lab.folder, 'state'), file]);
  let { nftables } = (JSON.parse(plan) as { transaction: { nftables: readonly Command[] } }).transaction;
  for (const what of without) {
    const before = JSON.stringify(nftables);
    nftables = nftables.flatMap((command) => reduce(command, lab, what) ?? []);
    if (JSON.stringify(nftables) === before) throw new RangeError(`the ruleset has nothing called '${what}'`);
  }
  const loaded = join(lab.folder, 'ruleset.json');
  writeFileSync(loaded, JSON.stringify({ nftables }));
  await lab.router.run(['nft', '-j', '-f', loaded]);
  await lab.knowServers();
}

/** Deletes the tables; resolves when the daemon has made them again. */
export async function loadAnew(lab: BenchLab, daemon: Daemon): Promise<void> {
  const noticed = daemon.process.waitFor((line) => /loading the ruleset again/.test(line) || undefined, patience);
  await lab.router.nft('flush ruleset');
  await noticed;
  // nft commits all or nothing, so that one table tells of all.
  await eventually('the tables again', patience, async () => {
    const { status } = await lab.router.attempt(['nft', '-t', 'list', 'table', 'netdev', 'oneip']);
    return status === 0 || undefined;
  });
}
