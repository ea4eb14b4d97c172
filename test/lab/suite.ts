import { suite } from 'uvu';
import type { Lab } from './lab.ts';
import { withLab } from './lab.ts';
import { Oracle } from './scenario.ts';
import type { TopologyOptions } from './topology.ts';

/** A lab with the daemon running, as the tests of one suite share it. */
export interface Scene {
  readonly lab: Lab;
  /** What has been configured. */
  readonly config: string;
  readonly oracle: Oracle;
}

/** Tests that share one lab, since building one takes longer than most of what is to be proved in it. */
export interface LabSuite {
  test(name: string, body: (scene: Scene) => Promise<void>): void;
  run(): void;
}

/** The lab is built before the first test, its daemon started with what `configure` makes, and both end after the last. */
export function labSuite(
  name: string,
  options: TopologyOptions,
  configure: (lab: Lab) => string | Promise<string>,
): LabSuite {
  const tests = suite(name);
  let scene: Scene | undefined;
  let finish: () => void = () => undefined;
  let ended: Promise<void> = Promise.resolve();

  tests.before(
    () =>
      new Promise<void>((resolve, reject) => {
        ended = withLab(options, async (lab) => {
          const config = await configure(lab);
          await lab.daemon.start(config);
          scene = { lab, config, oracle: new Oracle(config) };
          const finished = new Promise<void>((done) => (finish = done));
          resolve();
          await finished;
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
        if (!scene) throw new Error('the lab could not be built');
        try {
          await body(scene);
        } catch (error) {
          const { daemon } = scene.lab;
          if (error instanceof Error)
            error.stack = `${error.stack}\nThe daemon's last words:\n${daemon.process.tail(8)}`;
          throw error;
        }
      });
    },
    run: () => tests.run(),
  };
}
