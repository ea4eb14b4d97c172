import type { Environment } from '../config/environment.ts';
import { type Server, isTranslated } from '../config/model.ts';
import type { Problem } from '../config/problem.ts';
import { hasErrors } from '../config/report.ts';
import { loadConfiguration } from '../config/validate.ts';
import { print, readInput } from '../host/console.ts';
import { readTextIfThere, writeText } from '../host/files.ts';
import { findHosts, hostNames, partsOfSearch } from '../host/find-hosts.ts';
import { portToAsk, readPorts } from '../setup/answers.ts';
import { interpret, interpretDevice } from '../setup/interpret.ts';
import type { Interpretation, OpenQuestion, TypedAnswers } from '../setup/interpret.ts';
import { proposeDevice, proposeGhost, proposePlaces } from '../setup/propose.ts';
import { type Draft, writeService } from '../setup/write.ts';
import { optionValue } from './arguments.ts';
import type { Invocation } from './arguments.ts';
import { complain, DONE, FAILED, WRONG_USAGE } from './ask.ts';
import { checkConfiguration } from './check.ts';
import { observe } from './commands.ts';
import { examinationObject } from './doctor-text.ts';
import { scriptOf } from './server-script.ts';
import { startDaemon } from './setup-daemon.ts';
import { proveService } from './setup-proof.ts';

// The dialogue in steps, for a program that asks the questions itself, as LuCI's page does: each step is a call that gets a JSON
// object on standard input and prints one. Nothing is remembered from one step to the next. A reply with `problem` says why
// the step was not done, as a sentence without its full stop, and with `question` which answer is to blame.

type Step = (input: Input, scene: Scene) => Promise<object> | object;

/** Answers, and what single steps take besides. */
type Input = TypedAnswers & {
  /** `find`: which part of the search, counted from 0. */
  readonly part?: number;
  /** `write`: the sections that were shown. */
  readonly shown?: string;
};

interface Scene {
  readonly invocation: Invocation;
  readonly environment: Environment;
  readonly file: string;
  /** The configuration as it is. */
  readonly before: string;
}

/** A configuration with the new service, and what is wrong in it. */
type Proposal = Interpretation & { readonly made: Draft; readonly problems: readonly Problem[] };

/** Members of the input, and their types. */
const FIELDS: Readonly<Record<keyof Input, 'string' | 'boolean' | 'number'>> = {
  ...{ device: 'string', port: 'string', servers: 'string', ghost: 'string', dispatch: 'string', service: 'string' },
  ...{ replace: 'boolean', part: 'number', shown: 'string' },
};

const STEPS: Readonly<Record<string, Step>> = { propose, find, draft, write, scripts, prove };

/** `oneip setup STEP` */
export async function runSetupStep(name: string, invocation: Invocation): Promise<number> {
  const step = Object.hasOwn(STEPS, name) ? STEPS[name] : undefined;
  if (!step) return complain(`there is no step '${name}'; there is: ${Object.keys(STEPS).join(', ')}`, WRONG_USAGE);
  let reply: object;
  try {
    const file = optionValue(invocation, 'config');
    const { environment } = await observe(invocation);
    reply = await step(readFields(readInput()), {
      ...{ invocation, environment, file, before: readTextIfThere(file) ?? '' },
    });
  } catch (error) {
    reply = { problem: error instanceof Error ? error.message : String(error) };
  }
  print(`${JSON.stringify(reply)}\n`);
  return 'problem' in reply ? FAILED : DONE;
}

/** What can be chosen from, and what is proposed. */
function propose(_: Input, { environment, before }: Scene): object {
  const { services } = loadConfiguration(before, '').model;
  const device = proposeDevice(environment);
  return {
    ...{ device, port: '80', dispatch: 'nat', services: services.map(({ name }) => name) },
    ...(device === undefined ? {} : { ghost: proposeGhost(environment, device) }),
    places: proposePlaces(environment).map(({ name, addresses }) => ({
      ...{ name, addresses: addresses.map(({ text }) => text) },
    })),
  };
}

/** Hosts of the servers' network; on a large one in several calls. */
async function find({ device, port, part = 0 }: Input, { environment }: Scene): Promise<object> {
  const place = interpretDevice(device, environment);
  if ('problem' in place) return { question: 'device', ...place };
  const ports = readPorts(port ?? '');
  if ('problem' in ports) return { question: 'port', ...ports };
  const hosts = await findHosts(environment, place.value.link, portToAsk(ports.value), part);
  return {
    ...{ asked: portToAsk(ports.value), parts: partsOfSearch(environment, place.value.link) },
    hosts: hosts.map(({ address, ...host }) => ({ address: address.text, ...host })),
  };
}

/** What the answers come to, as far as they have been given. Writes nothing. */
function draft(input: Input, scene: Scene): object {
  const proposal = proposalOf(input, scene);
  if ('question' in proposal) return proposal;
  const { answers, existing, made, problems } = proposal;
  return { service: answers.service, existing, added: made.added, ok: !hasErrors(problems), problems };
}

/** Writes what was shown, and has the daemon take it. */
async function write(input: Input, scene: Scene): Promise<object> {
  const proposal = proposalOf(input, scene);
  if ('question' in proposal) return { problem: 'there has to be an answer', ...proposal };
  const { answers, made, problems } = proposal;
  if (made.added !== input.shown) return { problem: 'the proposal has become another since it was shown' };
  if (hasErrors(problems)) return { problem: 'the configuration would have errors' };
  writeText(scene.file, made.text);
  const { service } = answers;
  const failure = await startDaemon(scene.invocation, service);
  return { service, ...(failure === undefined ? {} : { failure: `${scene.file} is written, but ${failure}` }) };
}

function proposalOf(input: Input, { before, environment, file }: Scene): Proposal | OpenQuestion {
  const read = interpret(input, before, environment);
  if ('question' in read) return read;
  const made = writeService(before, read.answers, environment, hostNames());
  return { ...read, made, problems: checkConfiguration(made.text, file, environment) };
}

/** The scripts for the servers of a service. */
function scripts({ service = '' }: Input, { file, before }: Scene): object {
  const { model } = loadConfiguration(before, file);
  const found = model.services.find(({ name }) => name === service);
  if (!found || isTranslated(found)) return { problem: `no service '${service}' has servers that are to be set up` };
  const script = ({ name, address, address6 }: Server): object => {
    const made = scriptOf(model, name);
    return { server: name, address: (address ?? address6)?.text, ...('value' in made ? { script: made.value } : made) };
  };
  return { scripts: [...found.servers, ...found.disabled].map(script) };
}

/** The doctor's findings, and what became of requests through a service. */
async function prove({ service = '' }: Input, { invocation }: Scene): Promise<object> {
  const { examination, requests, passed, unasked } = await proveService(invocation, service);
  if (typeof examination === 'string') return { problem: examination };
  return { ok: passed, unasked, requests, doctor: examinationObject(examination) };
}

/** Takes what it knows out of an object; rpcd adds something of its own. */
function readFields(text: string): Input {
  const given: unknown = text.trim() === '' ? {} : JSON.parse(text);
  if (typeof given !== 'object' || given === null) throw new Error('the input is no JSON object');
  const fields = Object.entries(FIELDS).map(([name, type]): [string, unknown] => {
    const value = (given as Readonly<Record<string, unknown>>)[name] ?? undefined;
    if (value !== undefined && typeof value !== type) throw new Error(`'${name}' is no ${type}`);
    return [name, value];
  });
  return Object.fromEntries(fields.filter(([, value]) => value !== undefined));
}
