import { LabBus } from '../lab/bus.ts';
import { withLab, type Lab } from '../lab/lab.ts';
import { readRouterState } from './router-state.ts';
import { Scene } from './scene.ts';
import { allSteps, type Check, type Step } from './steps.ts';
import { Terminal } from './terminal.ts';

/** Seconds that the demonstration may take once everything stands. */
const limit = 58;

const picture = ({ clients, lab }: Scene): string[] => [
  `  ${clients.length} clients on the internet             every server has the ghost address`,
  `  and in two LANs                       ${lab.ghosts.join(' and ')}`,
  '                                       ┌── s1  192.168.1.11  nginx',
  '  clients ──── wan [router] br-lan ────┼── s2  192.168.1.12  nginx',
  '                oneip daemon           ├── s3  192.168.1.13  nginx',
  '                                       └── s4  192.168.1.14  nginx',
];

/** The configuration as far as its watchdog and first server; the others are like it. */
function excerpt(config: string): string[] {
  const sections = config.trim().split('\n\n').slice(0, 3).join('\n\n');
  return [...sections.replaceAll('\t', '  ').split('\n'), '', '… and likewise s2, s3 and s4'];
}

async function runStep(terminal: Terminal, scene: Scene, step: Step, number: number, count: number): Promise<Check[]> {
  terminal.print('', terminal.style('bold', `Step ${number} of ${count}: ${step.title}`));
  terminal.paragraph(step.explanation);
  if (!step.offstage) scene.draw();
  const checks = await step.run(scene);
  if (!step.offstage) terminal.print(...scene.table());
  for (const { held, text } of checks) {
    terminal.print(held ? `  ${terminal.style('green', '✓')} ${text}` : `  ${terminal.style('red', '✗')} ${text}`);
  }
  return checks;
}

async function demonstrate(terminal: Terminal, lab: Lab): Promise<boolean> {
  const bus = await LabBus.start(lab.daemon.ubusSocket, {});
  const client = bus.client();
  const scene = new Scene(lab, terminal, client);
  const untouched = await readRouterState(lab.router);
  terminal.print(...picture(scene), '', 'The router’s /etc/config/oneip:', '');
  terminal.print(...excerpt(scene.config()).map((line) => terminal.style('cyan', line === '' ? '' : `    ${line}`)));
  await lab.daemon.start(scene.config());
  await scene.refresh();
  const steps = allSteps(untouched);
  const failed: Check[] = [];
  for (const [index, step] of steps.entries()) {
    const checks = await runStep(terminal, scene, step, index + 1, steps.length);
    failed.push(...checks.filter(({ held }) => !held));
  }
  client.close();
  await bus.stop();
  terminal.print('');
  if (failed.length === 0) terminal.print(terminal.style('green', 'Every step held.'));
  else
    terminal.print(
      terminal.style('red', `${failed.length} of the checks above did not hold.`),
      'The daemon’s log:',
      ...lab.daemon.log,
    );
  return failed.length === 0;
}

async function main(): Promise<number> {
  if (process.getuid?.() !== 0) {
    process.stderr.write('make demo builds network namespaces and needs root: try sudo make demo.\n');
    return 1;
  }
  const terminal = new Terminal();
  terminal.print(terminal.style('bold', 'oneip: four web servers behind one address'), '');
  terminal.print('Building a network of namespaces on this machine; nothing outside of them is touched.', '');
  let held = false;
  await withLab({ servers: 4 }, async (lab) => {
    const timer = setTimeout(() => {
      process.stderr.write(`The demonstration did not end within ${limit} seconds.\n`);
      process.exit(1);
    }, limit * 1000);
    held = await demonstrate(terminal, lab);
    clearTimeout(timer);
  });
  return held ? 0 : 1;
}

main().then(
  (status) => process.exit(status),
  (error: unknown) => {
    process.stderr.write(`\n${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exit(1);
  },
);
