import { accessSync, constants } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { bystander, ghost, port, serverAddress } from './bench-lab.ts';
import type { BenchLab, Burst } from './bench-lab.ts';
import { keepFlows, nothing, type Contestant } from './contestant.ts';
import { followConnections } from './firewall.ts';
import { asSimulated, oneip, oneipByBridge, oneipVariants, startDaemon } from './oneip-contestants.ts';
import { peers } from './peers.ts';
import { loadRuleset, oneipConfig, serverNumbers } from './service.ts';

async function routed(lab: BenchLab): Promise<void> {
  await lab.knowServers();
  await lab.router.ip([`route add ${ghost[lab.family]} via ${serverAddress(lab.family, 1)}`]);
}

const policyRule = (lab: BenchLab, rule: string) =>
  lab.router.run(['ip', `-${lab.family}`, 'rule', 'add', ...rule.split(' ')]);

const plain: Contestant = {
  name: 'plain',
  description: 'kernel routing to one server',
  async setUp(lab) {
    await routed(lab);
    return nothing;
  },
  faultOf: allAtServer1,
};

const plainTracked: Contestant = {
  name: 'plain-ct',
  description: 'the same with a firewall that follows connections, one for each client',
  tracked: true,
  async setUp(lab) {
    await routed(lab);
    await followConnections(lab);
    await lab.router.sysctl(keepFlows);
    return nothing;
  },
  faultOf: allAtServer1,
};

/** Plain routing where policy rules are asked that take none of the packets. */
function plainWithRules(name: string, description: string, rulesOf: (lab: BenchLab) => readonly string[]): Contestant {
  return {
    name,
    description,
    async setUp(lab) {
      await routed(lab);
      for (const rule of rulesOf(lab)) await policyRule(lab, rule);
      return nothing;
    },
    faultOf: allAtServer1,
  };
}

/** The slow path's, as the daemon would make them. */
const rulesOfServers = (lab: BenchLab) =>
  serverNumbers(lab).map((number) => `priority 30000 fwmark ${0x6f690000 + number} lookup ${1000 + number}`);

/** Leads all packets that have none of our marks past those. */
const skipRule = 'priority 1 not fwmark 0x6f690000/0xffff0000 goto 32766';

const plainBesideRules: readonly Contestant[] = [
  plainWithRules('plain-rule', 'the same on a router with one policy rule', () => ['fwmark 1 lookup 1000']),
  plainWithRules('plain-rules', 'the same with a policy rule for each server', rulesOfServers),
  plainWithRules('plain-rules-skip', 'the same, and one before them that leads past them', (lab) => [
    ...rulesOfServers(lab),
    skipRule,
  ]),
];

const drop: Contestant = {
  name: 'drop',
  description: 'dropped where it enters the router: the sender alone',
  async setUp(lab) {
    await lab.absorb();
    return nothing;
  },
};

const dnat: Contestant = {
  name: 'dnat',
  description: 'DNAT by nftables, one conntrack entry for each client',
  tracked: true,
  async setUp(lab) {
    const family = lab.family === 4 ? 'ip' : 'ip6';
    const targets = serverNumbers(lab).map((number) => `${number - 1} : ${serverAddress(lab.family, number)}`);
    await lab.knowServers();
    await lab.router.nft(`table ${family} bench {
      chain prerouting {
        type nat hook prerouting priority dstnat
        ${family} daddr ${ghost[lab.family]} udp dport ${port} dnat to numgen inc mod ${lab.servers} map { ${targets.join(', ')} }
      }
    }`);
    await lab.router.sysctl(keepFlows);
    return nothing;
  },
  faultOf(_lab, { byServer }) {
    const most = Math.max(...byServer) - Math.min(...byServer);
    return Promise.resolve(most > 1 ? `servers differ by ${most} clients` : undefined);
  },
};

/** How a router treats packets that belong to no service: without a firewall that follows connections, or with one. */
function bystanders(suffix: string, firewall: (lab: BenchLab) => Promise<void>): Contestant[] {
  const beside = (setUp: Contestant['setUp']): Contestant['setUp'] => {
    return async (lab) => {
      await firewall(lab);
      const end = await setUp(lab);
      await lab.router.sysctl(keepFlows);
      return end;
    };
  };
  const common = { target: bystander, tracked: true, faultOf: allAtServer1 };
  return [
    {
      name: `bystander${suffix}`,
      description: 'packets of no service, oneip daemon beside them',
      setUp: beside((lab) => startDaemon(lab, oneipConfig(lab))),
      ...common,
    },
    {
      name: `bystander${suffix}-skip`,
      description: 'the same, one policy rule before ours leads unmarked packets past them',
      setUp: beside(async (lab) => {
        const end = await startDaemon(lab, oneipConfig(lab));
        await policyRule(lab, skipRule);
        return end;
      }),
      ...common,
    },
    {
      name: `bystander${suffix}-free`,
      description: 'packets of no service, our ruleset without any policy rule',
      setUp: beside(async (lab) => {
        await loadRuleset(lab);
        return nothing;
      }),
      ...common,
    },
  ];
}

function allAtServer1(_lab: BenchLab, { byServer, delivered }: Burst): Promise<string | undefined> {
  return Promise.resolve(byServer[0] === delivered ? undefined : `only ${byServer[0]} of ${delivered} at server 1`);
}

/** The contestants that a run has unless told otherwise; ratios are to the first. */
export const usualContestants: readonly Contestant[] = [plain, oneip, dnat];

/** All that somebody may ask for by `--full`: what people use, and our ways to do the same. */
export const fullContestants: readonly Contestant[] = [plain, oneip, ...oneipVariants, ...peers, dnat];

export const contestants: readonly Contestant[] = [
  ...usualContestants,
  ...oneipVariants,
  ...peers,
  oneipByBridge,
  drop,
  ...plainBesideRules,
  plainTracked,
  ...bystanders('', nothing),
  ...bystanders('-ct', followConnections),
];

/** @throws where there is none of this name */
export function contestantNamed(name: string): Contestant {
  const found = contestants.find((contestant) => contestant.name === name);
  if (!found) throw new RangeError(`no contestant is called '${name}'`);
  return found;
}

/**
 * A contestant made of `NAME=COMMENT[,COMMENT…]`: oneip's ruleset, loaded without the daemon and its policy rules, but for those
 * rules of the fast path that have one of the comments, or see `loadRuleset`. Without comments, it is the whole. Packets go to
 * the service, or to nobody of it.
 */
export function reducedContestant(argument: string, to: 'service' | 'bystander'): Contestant {
  const [, name = argument, list = ''] = /^([^=]+)=(.*)$/.exec(argument) ?? [];
  const comments = list.split(',').filter((comment) => comment !== '');
  const tracked = to === 'bystander' && !comments.includes('conntrack') && !comments.includes('slow path');
  return {
    name,
    description: comments.length > 0 ? `oneip's ruleset without: ${comments.join('; ')}` : "oneip's ruleset, no daemon",
    async setUp(lab) {
      await loadRuleset(lab, comments);
      if (tracked) await lab.router.sysctl(keepFlows);
      return nothing;
    },
    tracked,
    ...(to === 'service'
      ? { faultOf: (lab, pass) => asSimulated(lab, pass, oneipConfig(lab)) }
      : { faultOf: allAtServer1, target: bystander }),
  };
}

/**
 * A contestant made of `[NAME=]FILE`: a ruleset in nft's syntax, loaded in the router. An executable file is run there
 * instead, with SERVERS and FAMILY in its environment, and what it prints is loaded; it may set neighbours and routes.
 */
export function rulesetContestant(argument: string): Contestant {
  const [, name, file = ''] = /^(?:([^=/]+)=)?(.+)$/.exec(argument) ?? [];
  const path = resolve(file);
  return {
    name: name ?? basename(path),
    description: `ruleset of ${file}`,
    async setUp(lab) {
      const environment = ['env', `SERVERS=${lab.servers}`, `FAMILY=${lab.family}`];
      const text = isExecutable(path) ? await lab.router.run([...environment, path]) : await readFile(path, 'utf8');
      await lab.router.nft(text);
      return nothing;
    },
  };
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
