// uvu's `test`, for a file some of whose tests are left out; see skipping.mjs.
import { test as uvuTest } from 'uvu';
import { skips } from 'skips-of-this-file';

const unused = new Set(skips.flatMap(({ names }) => names));

function register(name, body) {
  const skip = skips.find(({ names }) => names.includes(name));
  if (!skip) return uvuTest(name, body);
  unused.delete(name);
  console.log(`# left out: ${name} (${skip.reason})`);
}

export const test = Object.assign(register, uvuTest, {
  run() {
    if (unused.size > 0) throw new Error(`no test has the name: ${[...unused].join(', ')}`);
    uvuTest.run();
  },
});
