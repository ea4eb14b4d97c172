import type { Problem } from '../config/problem.ts';
import { formatProblem, hasErrors } from '../config/report.ts';
import type { Plan } from '../plan/plan.ts';
import type { Simulation } from '../simulate/simulate.ts';
import type { WritableTable } from '../ubus/blobmsg.ts';
import { double, int64 } from '../ubus/blobmsg.ts';
import { keyed } from './status-reply.ts';
import { wireText } from './wire-text.ts';

/** What `simulate` answers: by service where the client goes, and why. */
export function simulationReply(simulations: readonly Simulation[]): WritableTable {
  return {
    services: keyed(
      simulations,
      ({ service }) => service,
      ({ server, slot, hash, slots, chances, why }) => ({
        server,
        slot,
        hash: hash === undefined ? undefined : int64(hash),
        slots,
        chances: chances && Object.fromEntries(Object.entries(chances).map(([name, share]) => [name, double(share)])),
        why: why.map(wireText),
      }),
    ),
  };
}

/** What `plan` answers. The transaction itself, which may be longer than a message, is not in it. */
export function planReply(plan: Plan & { readonly problems: readonly Problem[] }): WritableTable {
  return {
    changes: plan.nftables.length + plan.network.length > 0,
    nftables: plan.nftables.map(wireText),
    network: plan.network.map(wireText),
    ...checksReply(plan.problems),
  };
}

/** What `check` answers: each problem in its parts, and as the line that `oneip check` prints. */
export function checksReply(problems: readonly Problem[]): WritableTable {
  return {
    ok: !hasErrors(problems),
    problems: problems.map((problem) => ({
      severity: problem.severity,
      file: wireText(problem.file),
      line: problem.line,
      section: problem.section === undefined ? undefined : wireText(problem.section),
      option: problem.option === undefined ? undefined : wireText(problem.option),
      message: wireText(problem.message),
      accepted: problem.accepted === undefined ? undefined : wireText(problem.accepted),
      text: wireText(formatProblem(problem)),
    })),
  };
}
