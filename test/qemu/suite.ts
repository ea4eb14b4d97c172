import { sceneSuite, type SceneSuite } from '../lab/scene.ts';
import type { TopologyOptions } from '../lab/topology.ts';
import { withMachine, type Boot, type MachineLab } from './machine-lab.ts';

/** The machine is booted before the first test, and made a scene of by `prepare`; it is switched off after the last. */
export function machineSuite<Scene>(
  name: string,
  options: TopologyOptions,
  boot: () => Promise<Boot>,
  prepare: (lab: MachineLab) => Promise<Scene>,
): SceneSuite<Scene> {
  const { test, run } = sceneSuite<{ readonly lab: MachineLab; readonly prepared: Scene }>(
    name,
    async (play) => withMachine(options, await boot(), async (lab) => play({ lab, prepared: await prepare(lab) })),
    ({ lab }) => `The console's last words:\n${lab.machine.console.tail(1_500)}`,
  );
  return { test: (title, body) => test(title, ({ prepared }) => body(prepared)), run };
}
