import { setTimeout } from 'node:timers/promises';

/** Asks again and again until the answer is neither `undefined` nor false, and returns it; rejects after `limit` milliseconds. */
export async function eventually<T>(ask: () => Promise<T | undefined | false>, limit = 5_000): Promise<T> {
  const end = performance.now() + limit;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    if (performance.now() > end) throw new Error(`did not come true within ${limit} ms`);
    await setTimeout(5);
  }
}
