import { firstTcpPort } from '../config/model.ts';
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

/** Looks at all of the router, and sends requests through the service. */
export async function proveService(invocation: Invocation, service: string): Promise<Proof> {
  const general = [...invocation.options].filter(([name]) => ['config', 'state', 'ubus'].includes(name));
  const examination = await examine({
    ...{ command: 'doctor', operands: [], options: new Map(general), flags: new Set() },
  });
  const deployment = deploymentInForce(invocation);
  const deployed = deployment?.services.find((each) => each.service.name === service);
  const requests = deployment && deployed ? await sendRequests(deployed, deployment.markBase) : [];
  const unasked = deployed !== undefined && firstTcpPort(deployed.service) === undefined;
  const isServed = unasked || (requests.length > 0 && requests.every(({ passed }) => passed));
  const isWell = typeof examination !== 'string' && examination.findings.every(({ severity }) => severity !== 'error');
  return { examination, requests, passed: isServed && isWell, unasked };
}
