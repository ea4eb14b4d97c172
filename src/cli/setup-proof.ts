import { firstTcpPort } from '../config/model.ts';
import { pause } from '../host/clock.ts';
import { type Request, sendRequests } from '../host/send-request.ts';
import type { Invocation } from './arguments.ts';
import { deploymentInForce } from './commands.ts';
import type { Examination } from './doctor-text.ts';
import { examine } from './doctor.ts';

/** Whether a service that has just been set up works. */
export interface Proof {
  /** What the doctor found; a text says why it has not looked. */
  readonly examination: Examination | string;
  /** It runs, and has no port of TCP to which a request could be sent. */
  readonly unasked: boolean;
  /** Where none was sent although there is such a port, the service does not run. */
  readonly requests: readonly Request[];
  /** All requests were answered, and the doctor has found no error. */
  readonly passed: boolean;
}

/** On OpenWrt the firewall is loaded anew about a second after it was told of a service: looks at it, and milliseconds between. */
const FIREWALL_LOOKS = 20;
const FIREWALL_PAUSE = 500;

/** Looks at all of the router, and sends requests through the service. */
export async function proveService(invocation: Invocation, service: string): Promise<Proof> {
  const general = [...invocation.options].filter(([name]) => ['config', 'state', 'ubus'].includes(name));
  const doctor: Invocation = { command: 'doctor', operands: [], options: new Map(general), flags: new Set() };
  let examination = await examine(doctor);
  for (let look = 1; look < FIREWALL_LOOKS && lacksFirewall(examination); look++) {
    await pause(FIREWALL_PAUSE);
    examination = await examine(doctor);
  }
  const deployment = deploymentInForce(invocation);
  const deployed = deployment?.services.find((each) => each.service.name === service);
  const requests = deployment && deployed ? await sendRequests(deployed, deployment.markBase) : [];
  const unasked = deployed !== undefined && firstTcpPort(deployed.service) === undefined;
  const isServed = unasked || (requests.length > 0 && requests.every(({ passed }) => passed));
  const isWell = typeof examination !== 'string' && examination.findings.every(({ severity }) => severity !== 'error');
  return { examination, requests, passed: isServed && isWell, unasked };
}

/** True where the firewall drops something, which it may do until it has heard of the service. */
function lacksFirewall(examination: Examination | string): boolean {
  const ids = ['requests-dropped', 'answers-dropped', 'channel-dropped'];
  return typeof examination !== 'string' && examination.findings.some(({ id }) => ids.includes(id));
}
