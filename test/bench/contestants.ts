import { accessSync, constants } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { Daemon } from '../lab/daemon.ts';
import { ghost, port, serverAddress, type BenchLab } from './bench-lab.ts';

/** A way from the client to the servers. */
export interface Contestant {
  readonly name: string;
  readonly description: string;
  /** Makes the lab's router work this way; returns what ends it. */
  setUp(lab: BenchLab): Promise<() => Promise<void>>;
}

const nothing = (): Promise<void> => Promise.resolve();

const plain: Contestant = {
  name: 'plain',
  description: 'kernel routing to one server',
  async setUp(lab) {
    await lab.router.ip([`route add ${ghost[lab.family]} via ${serverAddress(lab.family, 1)}`]);
    return nothing;
  },
};

const oneip: Contestant = {
  name: 'oneip',
  description: 'oneip daemon, 4096 slots, counters on',
  async setUp(lab) {
    const daemon = new Daemon(lab.router, lab.folder);
    await daemon.start(oneipConfig(lab));
    return async () => void (await daemon.stop());
  },
};

function oneipConfig(lab: BenchLab): string {
  const key = lab.family === 4 ? 'address' : 'address6';
  const service = `
config service 'bench'
	option enabled '1'
	list ghost '${ghost[lab.family]}'
	option proto 'udp'
	list port '${port}'
	list source 'wan'
	option device 'br-lan'
`;
  const servers = serverNumbers(lab).map(
    (number) => `
config server 'server${number}'
	option enabled '1'
	list service 'bench'
	option ${key} '${serverAddress(lab.family, number)}'
`,
  );
  return [service, ...servers].join('');
}

const dnat: Contestant = {
  name: 'dnat',
  description: 'DNAT by nftables, one conntrack entry per client',
  async setUp(lab) {
    const family = lab.family === 4 ? 'ip' : 'ip6';
    const targets = serverNumbers(lab).map((number) => `${number - 1} : ${serverAddress(lab.family, number)}`);
    // The flows of one contestant must outlive the turns of the others.
    await lab.router.nft(`table ${family} bench {
      chain prerouting {
        type nat hook prerouting priority dstnat
        ${family} daddr ${ghost[lab.family]} udp dport ${port} dnat to numgen inc mod ${lab.servers} map { ${targets.join(', ')} }
      }
    }`);
    await lab.router.sysctl({ 'net.netfilter.nf_conntrack_udp_timeout': 600 });
    return nothing;
  },
};

function serverNumbers(lab: BenchLab): number[] {
  return Array.from({ length: lab.servers }, (_, index) => index + 1);
}

/** The contestants that a run has unless told otherwise; ratios are to the first. */
export const contestants: readonly Contestant[] = [plain, oneip, dnat];

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
