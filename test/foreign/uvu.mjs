// uvu's `test`, for a file some of whose tests are left out; see skipping.mjs.
import { test as uvuTest } from 'uvu';
import { skips } from 'skips-of-this-file';

const unused = new Set(skips);

function register(name, body) {
  const skip = skips.find(({ names }) => names === undefined || names.includes(name));
  if (!skip) return uvuTest(name, body);
  unused.delete(skip);
  console.log(`# left out: ${name} (${skip.reason})`);
}

export const test = Object.assign(register, uvuTest, {
  run() {
    for (const { names = ['every test'] } of unused) throw new Error(`nothing is called any of: ${names.join(', ')}`);
    uvuTest.run();
  },
});
