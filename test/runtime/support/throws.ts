import type { SystemError } from 'oneip:runtime';
import * as assert from 'uvu/assert';

/** Asserts that a call fails as a system call does, with the given code. */
export function failsWith(code: string, call: () => unknown): void {
  try {
    call();
  } catch (error) {
    assert.instance(error, Error);
    assert.is((error as SystemError).code, code);
    assert.type((error as SystemError).errno, 'number');
    assert.type((error as SystemError).syscall, 'string');
    return;
  }
  assert.unreachable(`no ${code}`);
}

/** Values of every type; a binding gets those that it does not take. */
const values: Readonly<Record<string, unknown>> = {
  undefined: undefined,
  null: null,
  boolean: true,
  number: 1,
  text: 'text',
  bigint: 1n,
  symbol: Symbol('symbol'),
  object: {},
  array: [],
  function: () => undefined,
  bytes: new Uint8Array(4),
};

/** Asserts that a call with a value of any type but those named throws a TypeError. */
export function refusesAllBut(accepted: readonly string[], call: (value: never) => unknown): void {
  for (const [type, value] of Object.entries(values)) {
    if (accepted.includes(type)) continue;
    assert.throws(
      () => call(value as never),
      (error: unknown) => error instanceof TypeError,
      `${type} was not refused with a TypeError`,
    );
  }
}
