import type { Table } from './blobmsg.ts';

/** Results of requests (ubusmsg.h, `enum ubus_msg_status`). Servers may send other numbers, too. */
export const Status = {
  OK: 0,
  INVALID_COMMAND: 1,
  INVALID_ARGUMENT: 2,
  METHOD_NOT_FOUND: 3,
  NOT_FOUND: 4,
  NO_DATA: 5,
  PERMISSION_DENIED: 6,
  /** Made by the caller itself, like CONNECTION_FAILED and PARSE_ERROR. */
  TIMEOUT: 7,
  NOT_SUPPORTED: 8,
  UNKNOWN_ERROR: 9,
  CONNECTION_FAILED: 10,
  NO_MEMORY: 11,
  PARSE_ERROR: 12,
  SYSTEM_ERROR: 13,
} as const;

/** Name of a status number, in words. */
export function statusText(status: number): string {
  const name = Object.entries(Status).find(([, number]) => number === status)?.[0];
  return name === undefined ? `status ${status}` : name.toLowerCase().replaceAll('_', ' ');
}

/** A request that ended with a status other than OK. A method handler throws it to answer with that status. */
export class UbusError extends Error {
  readonly status: number;
  /** Data that came with the status. */
  readonly data: Table | undefined;

  constructor(status: number, context?: string, data?: Table) {
    super(context === undefined ? statusText(status) : `${context}: ${statusText(status)}`);
    this.status = status;
    this.data = data;
  }

  override get name(): string {
    return 'UbusError';
  }
}

/** An error of any kind, with its stack, for a report. */
export function describeError(error: unknown): string {
  return error instanceof Error ? `${String(error)}\n${error.stack ?? ''}`.trimEnd() : String(error);
}
