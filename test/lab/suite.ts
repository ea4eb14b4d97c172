import type { Lab } from './lab.ts';
import { withLab } from './lab.ts';
import { Oracle } from './scenario.ts';
import { sceneSuite, type SceneSuite } from './scene.ts';
import type { TopologyOptions } from './topology.ts';

/** A lab with the daemon running, as the tests of one suite share it. */
export interface Scene {
  readonly lab: Lab;
  /** What has been configured. */
  readonly config: string;
  readonly oracle: Oracle;
}

/** Tests that share one lab. */
export type LabSuite = SceneSuite<Scene>;

/** The lab is built before the first test, its daemon started with what `configure` makes, and both end after the last. */
export function labSuite(
  name: string,
  options: TopologyOptions,
  configure: (lab: Lab) => string | Promise<string>,
): LabSuite {
  return preparedSuite(name, options, configure, (scene) => Promise.resolve(scene));
}

/** The same with more in the scene, which `prepare` adds when the daemon runs. */
export function preparedSuite<More extends Scene>(
  name: string,
  options: TopologyOptions,
  configure: (lab: Lab) => string | Promise<string>,
  prepare: (scene: Scene) => Promise<More>,
): SceneSuite<More> {
  return sceneSuite<More>(
    name,
    (play) =>
      withLab(options, async (lab) => {
        const config = await configure(lab);
        await lab.daemon.start(config);
        await play(await prepare({ lab, config, oracle: new Oracle(config) }));
      }),
    ({ lab }) => `The daemon's last words:\n${lab.daemon.process.tail(8)}`,
  );
}
