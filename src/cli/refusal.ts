import type { UbusError } from '../ubus/status.ts';
import { Status, statusText } from '../ubus/status.ts';

/** Why the daemon did not do what it was asked. The bus carries a number; the sentence itself is in the daemon's log. */
export function refusalText(error: UbusError, failing: string | undefined): string {
  const log = 'the log says why (logread -e oneip)';
  switch (error.status) {
    case Status.INVALID_ARGUMENT:
    case Status.NOT_FOUND:
      return `the daemon cannot make sense of it: ${statusText(error.status)}; ${log}`;
    case Status.PERMISSION_DENIED:
      return failing === undefined
        ? `refused: ${log}, unless it is ubus that forbids it to this user`
        : `refused: ${failing}`;
    case Status.METHOD_NOT_FOUND:
    case Status.NOT_SUPPORTED:
      return 'the daemon that runs is of another version, and does not know that';
    case Status.TIMEOUT:
      return 'the daemon did not answer in time; it may still do it';
    default:
      return failing === undefined ? `${statusText(error.status)}; ${log}` : `${statusText(error.status)}: ${failing}`;
  }
}
