import { loadConfiguration } from '../config/validate.ts';
import type { Configuration } from '../config/validate.ts';
import { type Diagnosis, type Finding, SWITCHED_OFF, isFaulty } from '../doctor/finding.ts';
import { examineRouter } from '../doctor/router.ts';
import { examineServer } from '../doctor/server.ts';
import { type Identity, identify } from '../server/identity.ts';
import { pause } from '../host/clock.ts';
import { runCommand } from '../host/command.ts';
import { print } from '../host/console.ts';
import { readText } from '../host/files.ts';
import { NETLINK_ROUTE, NetlinkChannel } from '../host/netlink-channel.ts';
import { mayAsk } from '../host/observe/connection.ts';
import { observeRouter } from '../host/observe/router.ts';
import { observeServer, readOwnAddresses } from '../host/observe/server.ts';
import { readLinks } from '../host/rtnetlink.ts';
import { terminalState } from '../host/terminal.ts';
import { optionValue } from './arguments.ts';
import type { Invocation } from './arguments.ts';
import type { DaemonStatus } from '../service/control.ts';
import { askStatus, complain, DONE, FAILED, withDaemon, WRONG_USAGE } from './ask.ts';
import { type Examination, type Repair, examinationJson, formatExamination } from './doctor-text.ts';
import { coloured, plain } from './style.ts';

/** Rounds of mending: what one mend brings to light is mended by the next. */
const ROUNDS = 3;

/** Milliseconds that the daemon has to say how it is. */
const DAEMON_PATIENCE = 3000;

/** `oneip doctor [--name NAME] [--fix]`: on a server or on the router, whichever this machine is. */
export async function runDoctor(invocation: Invocation): Promise<number> {
  const examination = await examine(invocation);
  if (typeof examination === 'string') return complain(examination, WRONG_USAGE);
  if (invocation.flags.has('json')) print(examinationJson(examination));
  else print(formatExamination(examination, terminalState().colour ? coloured : plain));
  return isFaulty(examination.findings) ? FAILED : DONE;
}

/** Looks, and mends where it is to. A text says why nothing was looked at. */
export async function examine(invocation: Invocation): Promise<Examination | string> {
  if (!mayAsk()) return 'only root may ask the network; nothing was looked at';
  const file = optionValue(invocation, 'config');
  let text: string;
  try {
    text = readText(file);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  const configuration = loadConfiguration(text, file);
  const channel = new NetlinkChannel(NETLINK_ROUTE);
  try {
    const name = invocation.options.get('name');
    const identity = identify(configuration.model, name, readOwnAddresses(channel, readLinks(channel)));
    if (name !== undefined && typeof identity === 'string') return identity;
    const here = typeof identity === 'string' ? undefined : identity;
    const subject = here ? `server '${here.server.name}'` : 'router';
    const look = () => diagnose(invocation, channel, text, configuration, here);

    let diagnosis = await look();
    const repairs: Repair[] = [];
    for (let round = 0; invocation.flags.has('fix') && round < ROUNDS; round++) {
      const done = await mendAll(invocation, diagnosis.findings, repairs);
      repairs.push(...done);
      if (done.length === 0) break;
      diagnosis = await look();
    }
    return { subject, repairs, ...diagnosis };
  } finally {
    channel.close();
  }
}

async function diagnose(
  invocation: Invocation,
  channel: NetlinkChannel,
  text: string,
  configuration: Configuration,
  identity: Identity | undefined,
): Promise<Diagnosis> {
  if (!configuration.model.globals.enabled) return { findings: [SWITCHED_OFF], unknown: [] };
  if (identity) {
    const seen = await observeServer(channel, identity);
    return examineServer(identity, seen, configuration);
  }
  const places = {
    state: optionValue(invocation, 'state'),
    ubus: optionValue(invocation, 'ubus'),
    firewall: optionValue(invocation, 'config').replace(/[^/]*$/, 'firewall'),
  };
  return examineRouter(await observeRouter(channel, text, configuration, places, await statusOf(invocation)));
}

/** What the daemon says of itself, where it can be asked. One that stands still is not waited for. */
async function statusOf(invocation: Invocation): Promise<DaemonStatus | undefined> {
  let status: DaemonStatus | undefined;
  const asked = withDaemon(
    invocation,
    async (daemon) => {
      status = await askStatus(daemon);
      return DONE;
    },
    () => FAILED,
  );
  await Promise.race([asked, pause(DAEMON_PATIENCE)]);
  return status;
}

/** Gives the commands that are safe, but none for a second time. */
async function mendAll(
  invocation: Invocation,
  findings: readonly Finding[],
  before: readonly Repair[],
): Promise<Repair[]> {
  const tried = new Set(before.map(({ finding }) => finding.what));
  const repairs: Repair[] = [];
  for (const finding of findings) {
    if (!finding.mend?.safe || finding.mend.on !== undefined || tried.has(finding.what)) continue;
    let failure: string | undefined;
    for (const words of finding.mend.commands) {
      failure = await carryOut(invocation, words);
      if (failure !== undefined) break;
    }
    repairs.push({ finding, ...(failure !== undefined && { failure }) });
  }
  return repairs;
}

/** A text is why it was not done. */
async function carryOut(invocation: Invocation, words: readonly string[]): Promise<string | undefined> {
  if (words[0] !== 'oneip') return runCommand(words);
  let failure: string | undefined;
  const status = await withDaemon(
    invocation,
    async (daemon) => {
      await daemon.call('reload');
      return DONE;
    },
    (reason) => {
      failure = reason;
      return FAILED;
    },
  );
  return failure ?? (status === DONE ? undefined : 'the daemon refused');
}
