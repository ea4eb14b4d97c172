import { activate } from '../deployment/activate.ts';
import type { Deployment, Observation } from '../deployment/deployment.ts';
import { slotTables } from '../deployment/slot-tables.ts';
import { parseSnapshot } from '../deployment/snapshot.ts';
import type { Snapshot } from '../deployment/snapshot.ts';
import { formatProblem, hasErrors } from '../config/report.ts';
import { loadConfiguration } from '../config/validate.ts';
import { cleanUp } from '../host/cleanup.ts';
import { print, printError } from '../host/console.ts';
import { directoryExists, readText, readTextIfThere } from '../host/files.ts';
import { observeOnce, readSysctls } from '../host/router.ts';
import { claim, isLittleEndian } from '../host/system.ts';
import { wantedNetwork } from '../network/wanted.ts';
import { formatPlan, planChange } from '../plan/plan.ts';
import { parseClient, simulate } from '../simulate/simulate.ts';
import { optionValue } from './arguments.ts';
import type { Invocation } from './arguments.ts';
import { check } from './check.ts';
import { formatSimulations } from './simulate.ts';

const FAILED = 1;
const WRONG_USAGE = 2;

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
  const observation = await observe(invocation);
  const configuration = loadConfiguration(readText(file), file);
  const { deployment, problems } = activate(configuration, observation, snapshot?.numbers ?? new Map(), slotTables);
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

/** `oneip simulate CLIENT[:PORT] [--service S]`: by what is in force, else by the configuration. */
export async function runSimulate(invocation: Invocation): Promise<number> {
  const text = invocation.operands[0] ?? '';
  const client = parseClient(text);
  if (!client) {
    printError(`oneip: '${text}' is no client; accepted: ADDRESS, ADDRESS:PORT or [ADDRESS6]:PORT\n`);
    return WRONG_USAGE;
  }
  const file = optionValue(invocation, 'config');
  const snapshot = invocation.options.has('config') ? undefined : readSnapshot(invocation);
  const { model } = loadConfiguration(snapshot?.configuration ?? readText(file), file);
  const wanted = invocation.options.get('service');
  const services = model.services.filter(({ name }) => wanted === undefined || name === wanted);
  if (services.length === 0) {
    const known = model.services.map(({ name }) => name).join(', ') || 'none';
    printError(
      `oneip: ${wanted === undefined ? 'no service is configured' : `no service '${wanted}'; there is: ${known}`}\n`,
    );
    return FAILED;
  }
  const port = readPort(invocation.options.get('port'));
  if (port === null) {
    printError(`oneip: '${invocation.options.get('port')}' is no port; accepted: 1–65535\n`);
    return WRONG_USAGE;
  }
  const options = { littleEndian: isLittleEndian(), ...(port === undefined ? {} : { port }) };
  const results = services.map((service) => simulate(service, slotTables(service), client, options));
  print(invocation.flags.has('json') ? `${JSON.stringify(results, null, 2)}\n` : formatSimulations(text, results));
  return 0;
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

function observe(invocation: Invocation): Promise<Observation> {
  return observeOnce(optionValue(invocation, 'ubus'), optionValue(invocation, 'state'));
}

function readPort(text: string | undefined): number | null | undefined {
  if (text === undefined) return undefined;
  return /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65535 ? Number(text) : null;
}

function readSnapshot(invocation: Invocation): Snapshot | undefined {
  const text = readTextIfThere(`${optionValue(invocation, 'state')}/applied.json`);
  return text === undefined ? undefined : parseSnapshot(text);
}

function deploymentOf({ configuration, observation, numbers }: Snapshot): Deployment {
  return activate(loadConfiguration(configuration, 'in force'), observation, numbers, slotTables).deployment;
}
