import { setTimer } from 'oneip:runtime';

/** Waits. */
export function sleep(milliseconds: number): Promise<void> {
  return new Promise((done) => {
    setTimer(done, milliseconds);
  });
}

/** Waits until the condition holds; throws where it does not within five seconds. */
export async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (let turn = 0; turn < 1000; turn++) {
    if (await condition()) return;
    await sleep(5);
  }
  throw new Error(`it never came to this: ${what}`);
}
