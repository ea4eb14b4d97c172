import { suite } from 'uvu';
import type { TopologyOptions } from '../lab/topology.ts';
import { withMachine, type Boot, type MachineLab } from './machine-lab.ts';

/** Tests that share one machine, in their order; booting one takes longer than most of what is to be proved in it. */
export interface MachineSuite<Scene> {
  test(name: string, body: (scene: Scene) => Promise<void>): void;
  run(): void;
}

/** The machine is booted before the first test, and made a scene of by `prepare`; it is switched off after the last. */
export function machineSuite<Scene>(
  name: string,
  options: TopologyOptions,
  boot: () => Promise<Boot>,
  prepare: (lab: MachineLab) => Promise<Scene>,
): MachineSuite<Scene> {
  const tests = suite(name);
  let machine: MachineLab['machine'] | undefined;
  let scene: { readonly value: Scene } | undefined;
  let finish: () => void = () => undefined;
  let ended: Promise<void> = Promise.resolve();

  tests.before(
    () =>
      new Promise<void>((resolve, reject) => {
        ended = boot().then((started) =>
          withMachine(options, started, async (lab) => {
            machine = lab.machine;
            scene = { value: await prepare(lab) };
            const finished = new Promise<void>((done) => (finish = done));
            resolve();
            await finished;
          }),
        );
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
        if (!scene) throw new Error('the machine has not been booted');
        try {
          await body(scene.value);
        } catch (error) {
          const said = machine?.console.tail(1_500) ?? '';
          if (error instanceof Error) error.stack = `${error.stack}\nThe console's last words:\n${said}`;
          throw error;
        }
      });
    },
    run: () => tests.run(),
  };
}
