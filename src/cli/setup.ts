import type { Environment } from '../config/environment.ts';
import { formatProblem, hasErrors } from '../config/report.ts';
import { UciEditError } from '../config/uci-edit.ts';
import { ask, print, printError } from '../host/console.ts';
import { readTextIfThere, writeText } from '../host/files.ts';
import { findHosts, hostNames } from '../host/find-hosts.ts';
import { mayAsk } from '../host/observe/connection.ts';
import type { Request } from '../host/send-request.ts';
import { terminalState } from '../host/terminal.ts';
import { type Answers, type Understood, formatPorts, portToAsk } from '../setup/answers.ts';
import { interpretDevice, whyNoWay } from '../setup/interpret.ts';
import { anotherServiceName, existingService, proposeServiceName, readServiceName } from '../setup/names.ts';
import { serviceName } from '../setup/propose.ts';
import {
  type Question,
  ghostQuestion,
  portQuestion,
  prompt,
  serversQuestion,
  wayQuestion,
} from '../setup/questions.ts';
import { type Draft, writeService } from '../setup/write.ts';
import { optionValue } from './arguments.ts';
import type { Invocation } from './arguments.ts';
import { complain, DONE, FAILED, NO_DAEMON, WRONG_USAGE } from './ask.ts';
import { checkConfiguration } from './check.ts';
import { observe } from './commands.ts';
import { examinationObject, formatExamination } from './doctor-text.ts';
import { startDaemon } from './setup-daemon.ts';
import { proveService } from './setup-proof.ts';
import { runSetupStep } from './setup-steps.ts';
import { coloured, plain } from './style.ts';

/** Nothing was written; `status` is the exit status. */
class Abort extends Error {
  readonly status: number;

  constructor(message: string, status: number) {
    super(message);
    this.status = status;
  }
}

/** `oneip setup [STEP]`: asks, writes a service into the configuration, puts it into force, and looks whether it works. */
export async function runSetup(invocation: Invocation): Promise<number> {
  if (!mayAsk()) return complain('only root may ask the network; nothing was looked at', WRONG_USAGE);
  const [step] = invocation.operands;
  if (step !== undefined) return runSetupStep(step, invocation);
  try {
    return await new Setup(invocation, (await observe(invocation)).environment).run();
  } catch (error) {
    if (error instanceof Abort) return complain(`${error.message}; nothing was written`, error.status);
    if (error instanceof UciEditError)
      return complain(`${optionValue(invocation, 'config')}: ${error.message}; nothing was written`, FAILED);
    throw error;
  }
}

class Setup {
  readonly #invocation: Invocation;
  readonly #environment: Environment;
  readonly #file: string;
  readonly #isSilent: boolean;
  readonly #isJson: boolean;

  constructor(invocation: Invocation, environment: Environment) {
    this.#invocation = invocation;
    this.#environment = environment;
    this.#file = optionValue(invocation, 'config');
    this.#isSilent = invocation.flags.has('yes');
    this.#isJson = invocation.flags.has('json');
  }

  async run(): Promise<number> {
    const before = readTextIfThere(this.#file) ?? '';
    const answers = await this.#askAll(before);
    const draft = writeService(before, answers, this.#environment, hostNames());
    this.#check(draft.text);
    this.#say(`\n${draft.added}\n`);
    if (!this.#agrees(`Write this to ${this.#file}?`, true)) throw new Abort('as you wish', FAILED);
    writeText(this.#file, draft.text);
    const failure = await startDaemon(this.#invocation, answers.service);
    if (failure !== undefined) return complain(`${this.#file} is written, but ${failure}`, NO_DAEMON);
    if (answers.way === 'route') this.#sendToServers(draft, answers);
    return this.#prove(draft, answers);
  }

  async #askAll(before: string): Promise<Answers> {
    const environment = this.#environment;
    const place = interpretDevice(this.#invocation.options.get('device'), environment);
    if ('problem' in place) throw new Abort(place.problem, FAILED);
    const { name: device, link } = place.value;
    const ports = this.#answer('port', portQuestion);
    const isNamed = this.#invocation.options.has('servers');
    if (!isNamed) this.#say(`Looking for hosts on ${device} …\n`);
    const hosts = isNamed ? [] : await findHosts(environment, link, portToAsk(ports));
    const servers = this.#answer('servers', serversQuestion(hosts, ports, device));
    const ghost = this.#answer('ghost', ghostQuestion(environment, device));
    const way = this.#answer('dispatch', wayQuestion);
    const obstacle = whyNoWay({ way, ghost }, environment);
    if (obstacle !== undefined) throw new Abort(obstacle, FAILED);
    return {
      ports,
      servers,
      ghost,
      way,
      device,
      service: this.#nameService(before, serviceName(ports.ranges[0]?.first ?? 0)),
    };
  }

  /** The value of an option where it is given; else what was typed, or proposed where nobody types. */
  #answer<T>(option: string, question: Question<T>): T {
    const given = this.#invocation.options.get(option);
    if (given !== undefined) return valueOf(question.read(given), `--${option}: `);
    if (this.#isSilent) {
      if (question.fallback === undefined) throw new Abort(`nothing was found to propose for --${option}`, FAILED);
      return valueOf(question.read(question.fallback), `--${option}: `);
    }
    for (;;) {
      const typed = this.#ask(`\n${prompt(question)}`);
      const understood = question.read(typed === '' ? (question.fallback ?? '') : typed);
      if ('value' in understood) return understood.value;
      this.#say(`${understood.problem}.\n`);
    }
  }

  /** A service that is there is not replaced unless somebody says so. */
  #nameService(before: string, usual: string): string {
    const { options, flags } = this.#invocation;
    const chosen = options.get('service') ?? proposeServiceName(before, usual);
    const wanted = valueOf(readServiceName(before, chosen), '--service: ');
    if (!existingService(before, wanted) || flags.has('replace')) return wanted;
    if (this.#isSilent)
      throw new Abort(
        `there is a service '${wanted}' already: --replace takes its place, --service is another name`,
        FAILED,
      );
    const isReplaced = this.#agrees(`\nThere is a service '${wanted}' already. Replace it?`, false);
    return isReplaced ? wanted : anotherServiceName(before, wanted);
  }

  #check(text: string): void {
    const problems = checkConfiguration(text, this.#file, this.#environment);
    for (const problem of problems) printError(`${formatProblem(problem)}\n`);
    if (hasErrors(problems)) throw new Abort('the configuration would have errors', FAILED);
  }

  /** With `route` the servers carry the ghost: nothing works before they do. */
  #sendToServers({ servers }: Draft, answers: Answers): void {
    const lines = servers.map(
      (name, index) =>
        `  oneip server-script ${name} | ssh root@${answers.servers[index]?.address.text ?? ''} sh -s start`,
    );
    this.#say(`\nEach server has to be set up once, or by its own daemon (oneip server):\n\n${lines.join('\n')}\n`);
    if (!this.#isSilent) this.#ask('\nPress Enter when that is done. ');
  }

  /** Looks at all of it, and sends requests. */
  async #prove(draft: Draft, answers: Answers): Promise<number> {
    const { examination, requests, passed, unasked } = await proveService(this.#invocation, answers.service);
    if (typeof examination === 'string') printError(`oneip: ${examination}\n`);
    else if (!this.#isJson) print(`\n${formatExamination(examination, terminalState().colour ? coloured : plain)}`);
    for (const request of requests) this.#say(`${requestText(request)}\n`);
    if (unasked) this.#say('no request was sent: what is answered over UDP is not known here\n');
    else if (requests.length === 0) this.#say(`'${answers.service}' does not run: no request was sent\n`);
    if (this.#isJson) {
      const { service, way, ports } = answers;
      const told = {
        ...{ ok: passed, service, dispatch: way, port: formatPorts(ports), servers: draft.servers },
        ...{ requests, doctor: typeof examination === 'string' ? null : examinationObject(examination) },
      };
      print(`${JSON.stringify(told, null, 2)}\n`);
    }
    return passed ? DONE : FAILED;
  }

  #agrees(question: string, usual: boolean): boolean {
    if (this.#isSilent) return usual;
    for (;;) {
      const typed = this.#ask(`${question} [${usual ? 'y' : 'n'}] `).toLowerCase();
      if (typed === '') return usual;
      if (['y', 'yes'].includes(typed)) return true;
      if (['n', 'no'].includes(typed)) return false;
    }
  }

  #ask(text: string): string {
    const line = ask(text, (shown) => this.#say(shown));
    if (line === undefined) throw new Abort('there was no answer', FAILED);
    return line.trim();
  }

  /** What is said beside JSON is no part of it. */
  #say(text: string): void {
    if (this.#isJson) printError(text);
    else print(text);
  }
}

function valueOf<T>(understood: Understood<T>, where: string): T {
  if ('value' in understood) return understood.value;
  throw new Abort(`${where}${understood.problem}`, WRONG_USAGE);
}

function requestText({ ghost, port, server, passed, reason }: Request): string {
  const to = ghost.includes(':') ? `[${ghost}]:${port}` : `${ghost}:${port}`;
  return `request to ${to}${server === undefined ? '' : ` at ${server}`}: ${passed ? '' : 'failed, '}${reason}`;
}
