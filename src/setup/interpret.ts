import type { Environment, LinkState } from '../config/environment.ts';
import { quote } from '../config/wording.ts';
import { type Answers, type Understood, ghostAddresses } from './answers.ts';
import { readGhost, readPorts, readServers, readWay } from './answers.ts';
import { anotherServiceName, existingService, proposeServiceName, readServiceName } from './names.ts';
import { linkOf, proposeDevice, serviceName } from './propose.ts';

/** What is asked, in this order; `device` and `service` have an answer without being asked. */
export type QuestionName = 'device' | 'port' | 'servers' | 'ghost' | 'dispatch' | 'service';

/** Answers as they were typed; one that is not there has not been given yet. */
export type TypedAnswers = Readonly<Partial<Record<QuestionName, string>>> & {
  /** A service of the same name may be replaced. */
  readonly replace?: boolean;
};

/** The first question without an answer that can be used. */
export interface OpenQuestion {
  readonly question: QuestionName;
  /** What is wrong with the answer that it has, as a sentence without its full stop. */
  readonly problem?: string;
}

/** All questions are answered. */
export interface Interpretation {
  readonly answers: Answers;
  /** Service that is there under the usual name, or the wanted one: the new one has it and replaces that, or has another. */
  readonly existing?: string;
}

/** Where servers live. */
export interface Place {
  /** Of the logical interface, or of the device. */
  readonly name: string;
  readonly link: LinkState;
}

/** Where the servers live, as it was said or as it is proposed; or why that is nowhere. */
export function interpretDevice(device: string | undefined, environment: Environment): Understood<Place> {
  const name = device ?? proposeDevice(environment);
  if (name === undefined) return { problem: 'no device has a private address; --device says where the servers live' };
  const link = linkOf(environment, name);
  if (link) return { value: { name, link } };
  return { problem: `${quote(name)} is neither a logical interface that is up nor a device` };
}

/** Why a way cannot be taken to what clients connect to; undefined where it can. */
export function whyNoWay({ way, ghost }: Pick<Answers, 'way' | 'ghost'>, environment: Environment): string | undefined {
  if (way === 'nat' || ghostAddresses(ghost, environment).length > 0) return undefined;
  return 'with route the address has to be known, and the interface has none';
}

/** Makes of answers what they mean for a router with this configuration (`before`), as far as they have been given. */
export function interpret(
  typed: TypedAnswers,
  before: string,
  environment: Environment,
): Interpretation | OpenQuestion {
  const device = interpretDevice(typed.device, environment);
  if ('problem' in device) return { question: 'device', ...device };
  const ports = answerTo('port', typed, readPorts);
  if ('question' in ports) return ports;
  const servers = answerTo('servers', typed, readServers);
  if ('question' in servers) return servers;
  const ghost = answerTo('ghost', typed, (answer) => readGhost(answer, environment));
  if ('question' in ghost) return ghost;
  const way = answerTo('dispatch', typed, readWay);
  if ('question' in way) return way;
  const obstacle = whyNoWay({ way: way.value, ghost: ghost.value }, environment);
  if (obstacle !== undefined) return { question: 'dispatch', problem: obstacle };
  const usual = proposeServiceName(before, serviceName(ports.value.ranges[0]?.first ?? 0));
  const wanted = readServiceName(before, typed.service ?? usual);
  if ('problem' in wanted) return { question: 'service', ...wanted };
  const isTaken = existingService(before, wanted.value);
  const service = isTaken && typed.replace !== true ? anotherServiceName(before, wanted.value) : wanted.value;
  const answers = { ports: ports.value, servers: servers.value, ghost: ghost.value, way: way.value };
  return {
    answers: { ...answers, device: device.value.name, service },
    ...(isTaken ? { existing: wanted.value } : {}),
  };
}

function answerTo<T>(
  question: QuestionName,
  typed: TypedAnswers,
  read: (answer: string) => Understood<T>,
): { readonly value: T } | OpenQuestion {
  const answer = typed[question];
  if (answer === undefined) return { question };
  const understood = read(answer);
  return 'value' in understood ? understood : { question, ...understood };
}
