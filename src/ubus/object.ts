import type { BlobmsgTypeName, Table, Value, WritableTable } from './blobmsg.ts';
import { BlobmsgType, decodeTable, encodeTable, int32 } from './blobmsg.ts';
import type { IncomingCall } from './incoming.ts';
import { Status, UbusError, describeError } from './status.ts';

/** What a method's code gets for an argument declared with each type. */
interface ArgumentKinds {
  array: readonly Value[];
  table: Table;
  string: string;
  int64: number | bigint;
  int32: number;
  int16: number;
  int8: boolean;
  double: number;
  /** Any type. */
  unspec: Value;
}

/** Arguments of a method and their types. */
export type ArgumentTypes = Readonly<Record<string, BlobmsgTypeName>>;
/** What the code of a method gets: each argument, unless the caller left it out. */
export type ArgumentsOf<Types extends ArgumentTypes> = {
  readonly [Name in keyof Types]?: ArgumentKinds[Types[Name]];
};

/** The answer to a call: a table (sent before status OK), or nothing (status OK alone). */
export type Answer = WritableTable | undefined;
/** An answer now, or later: the caller waits, and other calls go on meanwhile. */
// `void` so that a handler may simply end without a `return`.
// eslint-disable-next-line @typescript-eslint/no-invalid-void-type
export type Answering = Answer | void | Promise<Answer | void>;

export interface Method {
  readonly argumentTypes: ArgumentTypes;
  readonly handle: (args: Table, call: IncomingCall) => Answering;
}

/** Methods by name. */
export type Methods = Readonly<Record<string, Method>>;

/**
 * Declares a method. Arguments are checked before `handle` sees them: another type is INVALID_ARGUMENT, except that any
 * integer will do where a number or a flag is wanted (JSON callers cannot choose the width). Unknown arguments are
 * ignored, since uhttpd adds `ubus_rpc_session` to every call, and null counts as left out. `handle` throws `UbusError`
 * to answer with a status; `call.reply` sends data ahead of it.
 */
export function method<const Types extends ArgumentTypes>(
  argumentTypes: Types,
  handle: (args: ArgumentsOf<Types>, call: IncomingCall) => Answering,
): Method {
  return { argumentTypes, handle: handle as Method['handle'] };
}

/** The SIGNATURE that tells `ubus -v list` about the methods. */
export function encodeSignature(methods: Methods): Uint8Array {
  const typeNumbers = ({ argumentTypes }: Method): WritableTable =>
    Object.fromEntries(Object.entries(argumentTypes).map(([name, type]) => [name, int32(BlobmsgType[type])]));
  return encodeTable(Object.fromEntries(Object.entries(methods).map(([name, entry]) => [name, typeNumbers(entry)])));
}

/** Answers a method call. */
export function callMethod(methods: Methods, call: IncomingCall, report: (problem: string) => void): void {
  answer(call, report, () => {
    const called = Object.hasOwn(methods, call.method) ? methods[call.method] : undefined;
    if (!called) throw new UbusError(Status.METHOD_NOT_FOUND);
    return called.handle(checkArguments(called.argumentTypes, tableOf(call)), call);
  });
}

/** The arguments of a call or the content of a notification; throws INVALID_ARGUMENT where they cannot be read. */
export function tableOf(call: IncomingCall): Table {
  const table = call.data && decodeTable(call.data);
  if (!table) throw new UbusError(Status.INVALID_ARGUMENT);
  return table;
}

/** Runs code and sends what it returns, or throws, as the answer to a call. */
export function answer(call: IncomingCall, report: (problem: string) => void, code: () => Answering): void {
  const failed = (error: unknown): void => {
    if (error instanceof UbusError) return call.finish(error.status);
    report(`ubus: ${call.method}: ${describeError(error)}`);
    call.finish(Status.UNKNOWN_ERROR);
  };
  const succeeded = (table: unknown): void => {
    if (table !== undefined) call.reply(table as WritableTable);
    call.finish(Status.OK);
  };
  try {
    const result = code();
    if (result instanceof Promise) result.then(succeeded).catch(failed);
    else succeeded(result);
  } catch (error) {
    failed(error);
  }
}

function checkArguments(types: ArgumentTypes, given: Table): Table {
  const checked: Record<string, Value> = {};
  for (const [name, type] of Object.entries(types)) {
    const value = Object.hasOwn(given, name) ? given[name] : undefined;
    if (value === undefined || (value === null && type !== 'unspec')) continue;
    const accepted = acceptAs(type, value);
    if (accepted === undefined) throw new UbusError(Status.INVALID_ARGUMENT);
    checked[name] = accepted;
  }
  return checked;
}

/** The value as the declared type has it; `undefined` where it cannot be meant. */
function acceptAs(type: BlobmsgTypeName, value: Value): Value | undefined {
  const integer = Number.isSafeInteger(value) || typeof value === 'bigint';
  switch (type) {
    case 'unspec':
      return value;
    case 'array':
      return Array.isArray(value) ? value : undefined;
    case 'table':
      return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;
    case 'string':
      return typeof value === 'string' ? value : undefined;
    case 'int64':
      return integer ? value : undefined;
    case 'int32':
      return integer && value === Number(value) && value === (value | 0) ? value : undefined;
    case 'int16':
      return integer && value === Number(value) && value === (value << 16) >> 16 ? value : undefined;
    case 'int8':
      return typeof value === 'boolean' ? value : integer ? Number(value) !== 0 : undefined;
    case 'double':
      return typeof value === 'number' || typeof value === 'bigint' ? Number(value) : undefined;
  }
}
