import { suite } from 'uvu';

/** Tests that share one scene, in their order, since building one takes longer than most of what is to be proved in it. */
export interface SceneSuite<Scene> {
  test(name: string, body: (scene: Scene) => Promise<void>): void;
  run(): void;
}

/**
 * A suite whose scene `build` makes before the first test: it hands it to `play`, which resolves after the last test, and
 * takes it down then. Where a test fails, `lastWords` adds what the scene's programs have said to the error.
 */
export function sceneSuite<Scene>(
  name: string,
  build: (play: (scene: Scene) => Promise<void>) => Promise<void>,
  lastWords: (scene: Scene) => string,
): SceneSuite<Scene> {
  const tests = suite(name);
  let built: { readonly scene: Scene } | undefined;
  let finish: () => void = () => undefined;
  let ended: Promise<void> = Promise.resolve();

  tests.before(
    () =>
      new Promise<void>((resolve, reject) => {
        ended = build((scene) => {
          built = { scene };
          resolve();
          return new Promise((done) => (finish = done));
        });
        ended.catch(reject);
      }),
  );
  tests.after(async () => {
    finish();
    await ended;
  });
  return {
    test: (title, body) => {
      tests(title, async () => {
        if (!built) throw new Error('the scene could not be built');
        try {
          await body(built.scene);
        } catch (error) {
          if (error instanceof Error) error.stack = `${error.stack}\n${lastWords(built.scene)}`;
          throw error;
        }
      });
    },
    run: () => tests.run(),
  };
}
