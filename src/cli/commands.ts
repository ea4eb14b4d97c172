import { activate } from '../deployment/activate.ts';
import type { Deployment, Observation } from '../deployment/deployment.ts';
import { NO_ORDERS } from '../membership/orders.ts';
import { recall } from '../membership/recall.ts';
import { parseSnapshot } from '../membership/snapshot.ts';
import type { Snapshot } from '../membership/snapshot.ts';
import { isFollowing } from '../config/ghost-interface.ts';
import { formatProblem, hasErrors } from '../config/report.ts';
import { loadConfiguration } from '../config/validate.ts';
import { cleanUp } from '../host/cleanup.ts';
import { print, printError } from '../host/console.ts';
import { directoryExists, readText, readTextIfThere } from '../host/files.ts';
import { observeOnce, readSysctls } from '../host/router.ts';
import type { Findings } from '../host/router.ts';
import { claim, isLittleEndian } from '../host/system.ts';
import { wantedNetwork } from '../network/wanted.ts';
import { formatPlan, planChange } from '../plan/plan.ts';
import { parseClient, simulate } from '../simulate/simulate.ts';
import type { Client, Simulation } from '../simulate/simulate.ts';
import { optionValue } from './arguments.ts';
import type { Invocation } from './arguments.ts';
import { complain, DONE, FAILED, NO_DAEMON, withDaemon, WRONG_USAGE } from './ask.ts';
import { check } from './check.ts';
import { missingService } from './membership.ts';
import { formatSimulations, readSimulations } from './simulate.ts';
import { namesOfServices } from './status-reader.ts';

/** Where no daemon has left anything. */
const NOTHING_ORDERED = { orders: NO_ORDERS, standings: [] };

/** `oneip check [FILE]` */
export async function runCheck(invocation: Invocation): Promise<number> {
  const file = invocation.operands[0] ?? optionValue(invocation, 'config');
  const { environment } = await observe(invocation);
  const { output, status } = check(readText(file), file, environment, invocation.flags.has('json'));
  print(output);
  return status;
}

/** `oneip plan [FILE]`: against what the daemon has put into force, or against nothing where none runs. */
export async function runPlan(invocation: Invocation): Promise<number> {
  const file = invocation.operands[0] ?? optionValue(invocation, 'config');
  const snapshot = readSnapshot(invocation);
  const observation = await observe(invocation, snapshot?.observation);
  const configuration = loadConfiguration(readText(file), file);
  const { configuration: meant, tablesOf } = recall(
    configuration,
    snapshot ?? NOTHING_ORDERED,
    observation.environment,
  );
  const { deployment, problems } = activate(meant, observation, snapshot?.numbers ?? new Map(), tablesOf);
  const all = [...configuration.problems, ...problems];
  for (const problem of all) printError(`${formatProblem(problem)}\n`);
  if (snapshot && hasErrors(configuration.problems)) {
    printError(`oneip: ${file} has errors; the daemon would refuse it and go on as it is\n`);
    return FAILED;
  }
  const keys = wantedNetwork(deployment).sysctls.map(({ key }) => key);
  const plan = planChange(snapshot && deploymentOf(snapshot), deployment, readSysctls(keys));
  print(invocation.flags.has('json') ? planAsJson(plan) : formatPlan(plan));
  return 0;
}

function planAsJson({ nftables, network, transaction }: ReturnType<typeof planChange>): string {
  const commands: unknown = transaction === '' ? null : JSON.parse(transaction);
  return `${JSON.stringify({ summary: { nftables, network }, transaction: commands }, null, 1)}\n`;
}

/** `oneip simulate CLIENT[:PORT] [--service S]`: the daemon tells; where none runs, what it left, else the configuration. */
export async function runSimulate(invocation: Invocation): Promise<number> {
  const text = invocation.operands[0] ?? '';
  const client = parseClient(text);
  if (!client)
    return complain(`'${text}' is no client; accepted: ADDRESS, ADDRESS:PORT or [ADDRESS6]:PORT`, WRONG_USAGE);
  const port = readPort(invocation.options.get('port'));
  if (port === null) return complain(`'${invocation.options.get('port')}' is no port; accepted: 1–65535`, WRONG_USAGE);

  const told = invocation.options.has('config') ? undefined : await askForSimulation(invocation, text, port);
  if (typeof told === 'number') return told;
  const results = told ?? (await simulateAlone(invocation, client, port));
  if (typeof results === 'string') return complain(results, FAILED);
  print(invocation.flags.has('json') ? `${JSON.stringify(results, null, 2)}\n` : formatSimulations(text, results));
  return DONE;
}

/** What the daemon says; its exit status where it refuses; nothing where none runs. */
async function askForSimulation(
  invocation: Invocation,
  client: string,
  port: number | undefined,
): Promise<readonly Simulation[] | number | undefined> {
  const service = invocation.options.get('service');
  let simulations: readonly Simulation[] = [];
  const status = await withDaemon(
    invocation,
    async (daemon) => {
      const known = namesOfServices(await daemon.call('status'));
      const missing = service === undefined ? undefined : missingService(known, service);
      if (missing !== undefined) return complain(missing, FAILED);
      if (known.length === 0) return complain('no service is configured', FAILED);
      const request = { client, ...(service !== undefined && { service }), ...(port !== undefined && { port }) };
      simulations = readSimulations(await daemon.call('simulate', request));
      return DONE;
    },
    () => NO_DAEMON,
  );
  return status === NO_DAEMON ? undefined : status === DONE ? simulations : status;
}

/** Computed here. A text says why not. */
async function simulateAlone(
  invocation: Invocation,
  client: Client,
  port: number | undefined,
): Promise<readonly Simulation[] | string> {
  const file = optionValue(invocation, 'config');
  const snapshot = invocation.options.has('config') ? undefined : readSnapshot(invocation);
  const read = loadConfiguration(snapshot?.configuration ?? readText(file), file);
  const seen = snapshot?.observation ?? (isFollowing(read.model) ? await observe(invocation) : undefined);
  const { configuration, tablesOf } = recall(read, snapshot ?? NOTHING_ORDERED, seen?.environment);
  const { model } = configuration;
  const wanted = invocation.options.get('service');
  const services = model.services.filter(({ name }) => wanted === undefined || name === wanted);
  if (wanted === undefined && services.length === 0) return 'no service is configured';
  const known = model.services.map(({ name }) => name);
  const missing = wanted === undefined ? undefined : missingService(known, wanted);
  if (missing !== undefined) return missing;
  const options = { littleEndian: isLittleEndian(), ...(port === undefined ? {} : { port }) };
  return services.map((service) => simulate(service, tablesOf(service), client, options));
}

/** `oneip cleanup`: not behind the back of a daemon, which would go on with half of what it has made. */
export async function runCleanup(invocation: Invocation): Promise<number> {
  const state = optionValue(invocation, 'state');
  if (directoryExists(state) && !claim(`${state}/daemon.lock`)) {
    printError(`oneip: a daemon runs with ${state}; stop it, and it cleans up itself\n`);
    return FAILED;
  }
  for (const line of await cleanUp(state)) print(`${line}\n`);
  return 0;
}

/** The router as it is. */
export function observe(invocation: Invocation, found?: Findings): Promise<Observation> {
  return observeOnce(optionValue(invocation, 'ubus'), optionValue(invocation, 'state'), found);
}

function readPort(text: string | undefined): number | null | undefined {
  if (text === undefined) return undefined;
  return /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65535 ? Number(text) : null;
}

/** What the daemon has put into force, where it has. */
export function deploymentInForce(invocation: Invocation): Deployment | undefined {
  const snapshot = readSnapshot(invocation);
  return snapshot && deploymentOf(snapshot);
}

function readSnapshot(invocation: Invocation): Snapshot | undefined {
  const text = readTextIfThere(`${optionValue(invocation, 'state')}/applied.json`);
  return text === undefined ? undefined : parseSnapshot(text);
}

function deploymentOf(snapshot: Snapshot): Deployment {
  const { configuration, tablesOf } = recall(
    loadConfiguration(snapshot.configuration, 'in force'),
    snapshot,
    snapshot.observation.environment,
  );
  return activate(configuration, snapshot.observation, snapshot.numbers, tablesOf).deployment;
}
