import { Daemon } from '../lab/daemon.ts';
import { eventually, Oracle } from '../lab/scenario.ts';
import { clientAddress, clientPort, port } from './bench-lab.ts';
import type { BenchLab, Burst } from './bench-lab.ts';
import { keepFlows, type Contestant } from './contestant.ts';
import { oneipConfig, patience, serverNumbers, serviceName } from './service.ts';

type Configure = (lab: BenchLab) => string;

/** A daemon whose servers have exactly the clients that `oneip simulate` gives them, by its configuration. */
function stateless(
  name: string,
  description: string,
  configure: Configure,
  more: Partial<Contestant> = {},
): Contestant {
  return {
    name,
    description,
    setUp: (lab) => startDaemon(lab, configure(lab)),
    faultOf: (lab, pass) => asSimulated(lab, pass, configure(lab)),
    ...more,
  };
}

/** Other options of every service, as they stand in its section. */
export function withOption(configuration: string, option: string): string {
  return configuration.replaceAll('\tlist source', `\t${option}\n\tlist source`);
}

export const oneip = stateless('oneip', 'oneip daemon, 4096 slots, counters on', (lab) => oneipConfig(lab));

export const oneipByBridge = stateless(
  'oneip-bridge',
  "the same without leaving by the bridge's ports (bridge_bypass '0')",
  (lab) => `config globals 'globals'\n\toption bridge_bypass '0'\n${oneipConfig(lab)}`,
  {
    async setUp(lab) {
      const daemon = new Daemon(lab.router, lab.folder);
      await daemon.start(`config globals 'globals'\n\toption bridge_bypass '0'\n${oneipConfig(lab)}`, patience);
      return async () => void (await daemon.stop());
    },
  },
);

const byPort: Configure = (lab) => withOption(oneipConfig(lab), "option hash 'source_port'");

const services = 20;

/** For longer than anybody measures. */
const lastingChange = ["option learn_time '1h'", "option idle_timeout '1d'", "option drain_timeout '30d'"].join('\n\t');
const beforeChange: Configure = (lab) => withOption(oneipConfig(lab), lastingChange);

/** Every second server is left a tenth of its weight, with which it loses four slots of five. */
function afterChange(lab: BenchLab): string {
  const isReduced = (number: number) => number % 2 === 0;
  return beforeChange(lab).replace(/config server 'server(\d+)'/g, (section, number: string) =>
    isReduced(Number(number)) ? `${section}\n\toption weight '10'` : section,
  );
}

/** Packets of slots that have moved ask the histories first, and all clients are where they were before. */
const transition = stateless(
  'oneip-transition',
  'the same in the middle of a change that moves two slots of five',
  beforeChange,
  {
    async setUp(lab) {
      const daemon = new Daemon(lab.router, lab.folder);
      await daemon.start(beforeChange(lab), patience);
      await leaveByPorts(lab);
      await daemon.reload(afterChange(lab), patience);
      const chains = await lab.router.run(['nft', 'list', 'chains', 'netdev']);
      if (!chains.includes(`${serviceName}/moved`)) throw new Error('the change is over');
      return async () => void (await daemon.stop());
    },
  },
);

/** A flow is remembered for each client. */
const flows: Contestant = {
  name: 'oneip-flows',
  description: "the same with scheduler 'random', one flow for each client",
  setUp: (lab) =>
    startDaemon(
      lab,
      oneipConfig(lab).replace(/option device .*/, "$&\n\toption scheduler 'random'\n\toption flow_limit '262144'"),
    ),
};

const nat: Contestant = {
  name: 'oneip-nat',
  description: "oneip daemon, dispatch 'nat' in turns",
  tracked: true,
  async setUp(lab) {
    // Questions for 256 servers at once, each at all ports of the bridge, would lose each other, and packets for those servers.
    await lab.knowServers();
    const daemon = new Daemon(lab.router, lab.folder);
    await daemon.start(
      withOption(oneipConfig(lab), "option dispatch 'nat'\n\toption scheduler 'round_robin'"),
      patience,
    );
    await lab.router.sysctl(keepFlows);
    return async () => void (await daemon.stop());
  },
};

/** What else the daemon can be told to do. */
export const oneipVariants: readonly Contestant[] = [
  stateless('oneip-port', "the same with hash 'source_port'", byPort),
  transition,
  stateless(`oneip-${services}`, `the same with ${services} services`, (lab) => oneipConfig(lab, services), {
    mostServers: 64,
  }),
  flows,
  nat,
];

/** Runs the daemon; resolves once packets leave by the bridge's ports, with what ends it. */
export async function startDaemon(lab: BenchLab, configuration: string): Promise<() => Promise<void>> {
  const daemon = new Daemon(lab.router, lab.folder);
  await daemon.start(configuration, patience);
  await leaveByPorts(lab);
  return async () => void (await daemon.stop());
}

/** Resolves once the daemon knows behind which port of the bridge every server is, and the kernel's rules do. */
export async function leaveByPorts(lab: BenchLab): Promise<void> {
  await eventually('packets leave by ports', patience, async () => {
    const listing = await lab.router.run(['nft', 'list', 'table', 'netdev', 'oneip']);
    return !/fwd ip6? to \S+ device "br-lan"/.test(listing) || undefined;
  });
}

/** Whether every server got exactly the clients that `oneip simulate` gives it. */
export function asSimulated(lab: BenchLab, { byServer }: Burst, configuration: string): Promise<string | undefined> {
  const expected = expectedClients(lab, configuration);
  const wrong = serverNumbers(lab).find((number) => byServer[number - 1] !== (expected.get(`server${number}`) ?? 0));
  const fault =
    wrong && `server${wrong} got ${byServer[wrong - 1]} clients, not ${expected.get(`server${wrong}`) ?? 0}`;
  return Promise.resolve(fault || undefined);
}

/** Set-ups ask for the same again. */
const simulated = new Map<string, ReadonlyMap<string, number>>();

/** How many clients each server has. */
function expectedClients(lab: BenchLab, configuration: string): ReadonlyMap<string, number> {
  const { family } = lab;
  const { clients } = lab.options;
  const key = `${family} ${clients} ${configuration}`;
  const known = simulated.get(key);
  if (known) return known;
  const oracle = new Oracle(configuration);
  const expected = new Map<string, number>();
  for (let number = 0; number < clients; number += 1) {
    const ports = { client: clientPort(number), service: port };
    const server = oracle.server(serviceName, clientAddress(family, number), ports);
    expected.set(server, (expected.get(server) ?? 0) + 1);
  }
  simulated.set(key, expected);
  return expected;
}
