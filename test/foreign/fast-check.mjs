// fast-check for emulated targets, where everything takes twenty times as long: a few runs of each property show whether the
// target makes a difference; the search for rare cases is this machine's own.
import * as fc from 'fast-check';

/** This part of the runs, but not below so many: tests want to have seen something. */
const PART = 1 / 10;
const LEAST = 20;

export * from 'fast-check';

export function assert(property, parameters = {}) {
  const { numRuns: wanted = 100 } = parameters;
  const numRuns = Math.min(wanted, Math.max(Math.ceil(wanted * PART), LEAST));
  return fc.assert(property, { ...parameters, numRuns });
}

export default { ...fc, assert };
