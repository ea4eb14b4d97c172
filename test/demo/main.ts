import { LabBus } from '../lab/bus.ts';
import { withLab, type Lab } from '../lab/lab.ts';
import type { TopologyOptions } from '../lab/topology.ts';
import { BroadcastScene } from './broadcast-scene.ts';
import { broadcastSteps } from './broadcast-steps.ts';
import { Scene } from './scene.ts';
import { allSteps, type Check, type Step } from './steps.ts';
import { Terminal } from './terminal.ts';

/** Seconds that the demonstration may take once everything stands. */
const limit = 58;

interface Demonstration<Stage extends Scene> {
  readonly title: string;
  readonly topology: TopologyOptions;
  /** What runs on each server. */
  readonly programs: string;
  /** Who has the configuration. */
  readonly place: string;
  readonly scene: new (...options: ConstructorParameters<typeof Scene>) => Stage;
  readonly steps: readonly Step<Stage>[];
}

/** By the name that DEMO gives in `make demo`, with what is done with one. */
const demonstrations: ReadonlyMap<string, () => Promise<boolean>> = new Map([
  [
    'route',
    () =>
      perform({
        title: 'oneip: four web servers behind one address',
        topology: { servers: 4 },
        programs: 'nginx',
        place: 'The router’s /etc/config/oneip:',
        scene: Scene,
        steps: allSteps,
      }),
  ],
  [
    'broadcast',
    () =>
      perform({
        title: 'oneip: four web servers behind one address, each of which gets every packet',
        topology: { servers: 4, bareServers: true },
        programs: 'nginx, oneip server',
        place: 'The same /etc/config/oneip on the router and on the servers:',
        scene: BroadcastScene,
        steps: broadcastSteps,
      }),
  ],
]);

const picture = ({ clients, lab }: Scene, programs: string): string[] => [
  `  ${clients.length} clients on the internet             every server has the ghost address`,
  `  and in two LANs                       ${lab.ghosts.join(' and ')}`,
  `                                       ┌── s1  192.168.1.11  ${programs}`,
  `  clients ──── wan [router] br-lan ────┼── s2  192.168.1.12  ${programs}`,
  `                oneip daemon           ├── s3  192.168.1.13  ${programs}`,
  `                                       └── s4  192.168.1.14  ${programs}`,
];

/** The configuration as far as its first server; the others are like it. */
function excerpt(config: string): string[] {
  const sections = config.slice(0, config.indexOf("config server 's2'")).trimEnd();
  return [...sections.replaceAll('\t', '  ').split('\n'), '', '… and likewise s2, s3 and s4'];
}

async function runStep<Stage extends Scene>(
  terminal: Terminal,
  scene: Stage,
  step: Step<Stage>,
  place: string,
): Promise<Check[]> {
  terminal.print('', terminal.style('bold', `Step ${place}: ${step.title}`));
  terminal.paragraph(step.explanation);
  if (!step.offstage) scene.draw();
  const checks = await step.run(scene);
  if (!step.offstage) terminal.print(...scene.table());
  for (const { held, text } of checks) {
    terminal.print(held ? `  ${terminal.style('green', '✓')} ${text}` : `  ${terminal.style('red', '✗')} ${text}`);
  }
  return checks;
}

async function demonstrate<Stage extends Scene>(
  demonstration: Demonstration<Stage>,
  terminal: Terminal,
  lab: Lab,
): Promise<boolean> {
  const { programs, place, steps } = demonstration;
  const start = performance.now();
  const bus = await LabBus.start(lab.daemon.ubusSocket, {});
  const client = bus.client();
  const scene = new demonstration.scene(lab, terminal, client);
  terminal.print(...picture(scene, programs), '', place, '');
  terminal.print(...excerpt(scene.config()).map((line) => terminal.style('cyan', line === '' ? '' : `    ${line}`)));
  await scene.begin();
  const failed: Check[] = [];
  for (const [index, step] of steps.entries()) {
    const checks = await runStep(terminal, scene, step, `${index + 1} of ${steps.length}`);
    failed.push(...checks.filter(({ held }) => !held));
  }
  client.close();
  await bus.stop();
  terminal.print('');
  const seconds = ((performance.now() - start) / 1000).toFixed(0);
  if (failed.length === 0) terminal.print(terminal.style('green', `Every step held; all of them took ${seconds} s.`));
  else {
    terminal.print(terminal.style('red', `${failed.length} of the checks above did not hold.`));
    for (const { name, daemon } of scene.machines()) terminal.print(`Log of the daemon on ${name}:`, ...daemon.log);
  }
  return failed.length === 0;
}

async function perform<Stage extends Scene>(demonstration: Demonstration<Stage>): Promise<boolean> {
  const terminal = new Terminal();
  terminal.print(terminal.style('bold', demonstration.title), '');
  terminal.print('Building a network of namespaces on this machine; nothing outside of them is touched.', '');
  let held = false;
  await withLab(demonstration.topology, async (lab) => {
    const timer = setTimeout(() => {
      process.stderr.write(`The demonstration did not end within ${limit} seconds.\n`);
      process.exit(1);
    }, limit * 1000);
    held = await demonstrate(demonstration, terminal, lab);
    clearTimeout(timer);
  });
  return held;
}

async function main(): Promise<number> {
  const name = process.argv[2] ?? 'route';
  const show = demonstrations.get(name);
  if (!show) {
    process.stderr.write(`There is no demonstration '${name}': DEMO is ${[...demonstrations.keys()].join(' or ')}.\n`);
    return 1;
  }
  if (process.getuid?.() !== 0) {
    process.stderr.write('make demo builds network namespaces and needs root: try sudo make demo.\n');
    return 1;
  }
  return (await show()) ? 0 : 1;
}

main().then(
  (status) => process.exit(status),
  (error: unknown) => {
    process.stderr.write(`\n${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exit(1);
  },
);
