/** The commands that talk to the running daemon, as a user calls them, over a socket. What stands for the daemon is a `FakeControl`. */
import { decodeUtf8, getenv, kill, readFile, setTimer, spawn } from 'oneip:runtime';
import type { Process } from 'oneip:runtime';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { connectUnix } from '../../src/host/ubus-transport.ts';
import { ControlError } from '../../src/service/control.ts';
import { publishService } from '../../src/service/object.ts';
import type { Publication } from '../../src/service/object.ts';
import { UbusClient } from '../../src/ubus/client.ts';
import { BrokerServer } from '../ubus/broker-server.ts';
import { FakeControl, serverStatus, serviceStatus } from '../unit/support/fake-control.ts';
import type { Outcome } from './support/script.ts';
import { removeScratch, run, runtime, scratchPath } from './support/script.ts';
import { until } from './support/turns.ts';

const program = `${getenv('ONEIP_ROOT') ?? '.'}/build/lib/oneip/oneip.js`;
const NOWHERE = '/nowhere/oneip';

class Stage {
  readonly socket = scratchPath();
  readonly control = new FakeControl();
  readonly log: string[] = [];
  readonly #server = new BrokerServer(this.socket);
  readonly #client = new UbusClient({ open: connectUnix(this.socket), setTimer });
  #publication: Publication | undefined;

  get publication(): Publication {
    assert.ok(this.#publication);
    return this.#publication;
  }

  /** True while somebody follows the object's changes. */
  get followed(): boolean {
    return (this.#server.broker.byPath('oneip')?.subscribers.length ?? 0) > 0;
  }

  /** Resolves when somebody follows the changes, and the publisher knows it. */
  async whenFollowed(): Promise<void> {
    await until(() => this.followed, 'somebody follows');
    await this.#client.lookup('oneip');
  }

  async start(): Promise<void> {
    this.#client.connect();
    await this.#client.whenReady();
    await this.restart();
  }

  async restart(): Promise<void> {
    this.#publication?.close();
    await until(() => this.#server.broker.byPath('oneip') === undefined, 'the old object has gone');
    this.#publication = publishService(this.#client, this.control, {
      log: (line) => this.log.push(line),
      now: () => 0,
    });
    await until(() => this.#server.broker.byPath('oneip') !== undefined, 'the object is there');
  }

  words(...words: string[]): string[] {
    return [runtime, program, ...words, '--ubus', this.socket, '--state', NOWHERE];
  }

  oneip(...words: string[]): Promise<Outcome> {
    return run(this.words(...words));
  }

  end(): void {
    this.#client.close();
    this.#server.stop();
  }
}

function staged(name: string, play: (stage: Stage) => Promise<void>, start = true): void {
  test(name, async () => {
    const stage = new Stage();
    try {
      if (start) await stage.start();
      await play(stage);
    } finally {
      stage.end();
    }
  });
}

/** What a program has come to so far that goes on until it is told to end. */
class Running {
  readonly ended: Promise<Outcome>;
  readonly #process: Process;

  constructor(argv: readonly string[], env?: Record<string, string>) {
    let resolve: (outcome: Outcome) => void = () => undefined;
    this.ended = new Promise((done) => (resolve = done));
    this.#process = spawn(argv, { timeout: 60_000, ...(env && { env }) }, (result) =>
      resolve({ ...result, stdout: decodeUtf8(result.stdout), stderr: decodeUtf8(result.stderr) }),
    );
  }

  interrupt(): Promise<Outcome> {
    this.#process.kill('SIGINT');
    return this.ended;
  }
}

const commands = ['status', 'events', 'reload', 'failover web1'];

test('no bus: one sentence, and exit 3', async () => {
  for (const line of commands) {
    const { status, stdout, stderr } = await run([runtime, program, ...line.split(' '), '--ubus', NOWHERE]);
    assert.equal([status, stdout], [3, ''], line);
    assert.is(stderr, `oneip: no ubus at ${NOWHERE}: is ubusd running?\n`);
  }
});

staged(
  'a bus without a daemon: one sentence, and exit 3',
  async (stage) => {
    for (const line of commands) {
      const { status, stdout, stderr } = await stage.oneip(...line.split(' '));
      assert.equal([status, stdout, stderr], [3, '', 'oneip: no daemon is running\n'], line);
    }
  },
  false,
);

staged('status: a table without colours where no terminal is, or the reply itself', async (stage) => {
  stage.control.services = [
    serviceStatus('web'),
    serviceStatus('dns', { servers: [serverStatus('ns1', { packets: 2n ** 60n })] }),
  ];
  const table = await stage.oneip('status');
  assert.equal([table.status, table.stderr], [0, '']);
  assert.match(table.stdout, /^web {2}198\.51\.100\.1 {2}tcp 80, 443 {2}4096 slots\n {2}server/);
  assert.not.match(table.stdout, '\x1b');
  assert.match(table.stdout, '\ndns ');
  assert.not.match((await stage.oneip('status', 'dns')).stdout, 'web1');
  const json = (await stage.oneip('status', 'dns', '--json')).stdout;
  assert.match(json, '"packets": 1152921504606846976');
  const reply = JSON.parse(json) as { version: string; services: Record<string, unknown> };
  assert.equal([reply.version, Object.keys(reply.services)], ['1.2.3', ['dns']]);
  const unknown = await stage.oneip('status', 'wep');
  assert.equal([unknown.status, unknown.stdout], [1, '']);
  assert.is(unknown.stderr, "oneip: no service 'wep'; there is: web, dns; did you mean 'web'?\n");
});

staged('orders reach the daemon, and what they have come to is told', async (stage) => {
  const { control } = stage;
  const outcome = await stage.oneip('failover', 'web1', '--timeout', '5m', '--reason', 'disk', '--persist');
  assert.equal([outcome.status, outcome.stderr], [0, '']);
  assert.is(outcome.stdout, 'web: web1 is up; weight 100, share 50.0 %\n', 'a fake does not change');
  const request = { server: 'web1', state: 'down', timeout: 300, reason: 'disk', persist: true };
  assert.equal(control.asked, [['status'], ['setServer', request], ['status']]);
  for (const [line, asked] of [
    ['drain web1', ['setServer', { server: 'web1', state: 'drain' }]],
    ['up web1 --service web', ['setServer', { server: 'web1', service: 'web', state: 'up' }]],
    ['auto web1', ['setServer', { server: 'web1', state: 'auto' }]],
    ['weight web1 0', ['setWeight', { server: 'web1', weight: 0 }]],
    [
      'add web9 --service web --address 192.168.1.19 --weight 5',
      ['addServer', { server: 'web9', service: 'web', address: '192.168.1.19', weight: 5 }],
    ],
    ['remove web1 --now', ['removeServer', { server: 'web1', drain: false }]],
    ['reload', ['reload']],
  ] as const) {
    control.asked.length = 0;
    assert.is((await stage.oneip(...line.split(' '))).status, 0, line);
    assert.equal(
      control.asked.filter(([name]) => name !== 'status'),
      [asked],
    );
  }
});

staged('what makes no sense is said before the daemon is asked for it', async (stage) => {
  for (const [line, status, sentence] of [
    ['drain web9', 1, "no server 'web9'; there is: web1, web2; did you mean 'web1'?"],
    ['weight web1 1001', 2, '1001 is no weight: 0–1000'],
    ['drain web1 --timeout soon', 2, "'soon' is no time; accepted: 90, 90s, 5m, 1h, 2d"],
    ['drain', 2, "'drain' needs SERVER; 'oneip --help' shows what there is"],
    ['simulate 192.0.2.7 --service mail', 1, "no service 'mail'; there is: web"],
  ] as const) {
    const outcome = await stage.oneip(...line.split(' '));
    assert.equal([outcome.status, outcome.stdout, outcome.stderr], [status, '', `oneip: ${sentence}\n`], line);
  }
  assert.ok(stage.control.asked.every(([name]) => name === 'status'));
});

staged('what the daemon refuses ends with 1 and a sentence', async (stage) => {
  const { control } = stage;
  control.setWeight = () => Promise.reject(new ControlError('refused', 'the kernel is full'));
  const refused = await stage.oneip('weight', 'web1', '5');
  assert.equal([refused.status, refused.stdout], [1, '']);
  assert.match(refused.stderr, /^oneip: refused: the log says why/);
  assert.equal(stage.log, ['ubus: set_weight: the kernel is full']);
  control.failing = 'nft: no space';
  assert.is((await stage.oneip('weight', 'web1', '5')).stderr, 'oneip: refused: nft: no space\n');

  control.taken = false;
  control.problems = [{ severity: 'error', file: '/etc/config/oneip', line: 3, message: 'is odd', option: 'port' }];
  const reload = await stage.oneip('reload');
  assert.equal([reload.status, reload.stdout], [1, '']);
  assert.is(
    reload.stderr,
    "/etc/config/oneip:3: error: option 'port' is odd\noneip: the configuration has errors; the one in force stays\n",
  );
});

staged('a drain can be waited for; what becomes of it is the exit status', async (stage) => {
  const { control } = stage;
  const state = (now: 'up' | 'draining' | 'drained'): void => {
    control.services = [serviceStatus('web', { servers: [serverStatus('web1', { state: now, since: 3 })] })];
  };
  control.setServer = () => {
    state('draining');
    return Promise.resolve();
  };
  const looks = () => control.asked.filter(([name]) => name === 'status').length;
  const waiting = stage.oneip('drain', 'web1', '--wait');
  await until(() => looks() >= 3, 'it has looked');
  state('drained');
  const done = await waiting;
  assert.equal([done.status, done.stdout], [0, 'web: web1 is draining; weight 100, share 50.0 %\n']);
  assert.is(done.stderr, 'web1: draining in web for 3s\nweb1: drained; it may be unplugged\n');

  control.asked.length = 0;
  state('up');
  const vain = stage.oneip('drain', 'web1', '--wait');
  await until(() => looks() >= 3, 'it has looked');
  state('up');
  assert.equal(await vain.then(({ status, stderr }) => [status, stderr.split('\n')[1]]), [
    1,
    'web1: up again in web: configured',
  ]);
});

staged('events: a line each, also over a restart of the daemon', async (stage) => {
  const output = scratchPath();
  const printed = (): string[] =>
    decodeUtf8(readFile(output))
      .replace(/^\d\d:\d\d:\d\d/gm, 'TIME')
      .split('\n');
  const people = new Running(['sh', '-c', 'exec "$@" >"$0"', output, ...stage.words('events')]);
  await stage.whenFollowed();
  stage.publication.announce({ action: 'down', service: 'web', server: 'web1', reason: 'no answer' });
  await until(() => printed().length > 1, 'the first is printed');
  await stage.restart();
  await stage.whenFollowed();
  stage.publication.announce({ action: 'reload' });
  await until(() => printed().length > 2, 'the second is printed');
  const { status, stderr } = await people.interrupt();
  assert.is(status, 0);
  assert.equal(printed(), ['TIME  down        web/web1  no answer', 'TIME  reload', '']);
  assert.is(stderr, 'oneip: the daemon has gone; waiting for it\noneip: the daemon is back\n');
});

staged('events as JSON, one object a line', async (stage) => {
  const output = scratchPath();
  const script = new Running(['sh', '-c', 'exec "$@" >"$0"', output, ...stage.words('events', '--json')]);
  await stage.whenFollowed();
  stage.publication.announce({ action: 'up', server: 'web1' });
  await until(() => decodeUtf8(readFile(output)).endsWith('\n'), 'it is printed');
  await script.interrupt();
  const { time, ...event } = JSON.parse(decodeUtf8(readFile(output))) as { time: number };
  assert.equal(event, { action: 'up', server: 'web1' });
  assert.ok(time > 1.7e9);
});

/** `script` runs a command on a terminal of its own; the command's process id is left in a file. */
function onTerminal(stage: Stage, pidFile: string, ...words: string[]): Running {
  const command = stage.words(...words).map((word) => `'${word}'`);
  const line = `echo $$ >${pidFile}; stty cols 60; exec ${command.join(' ')}`;
  return new Running(['script', '-qec', line, '/dev/null'], { PATH: '/usr/bin:/bin', SHELL: '/bin/sh', TERM: 'xterm' });
}

staged('on a terminal: colours, its width, and with --watch a screen that is left as it was', async (stage) => {
  const pidFile = scratchPath();
  const once = await onTerminal(stage, pidFile, 'status').ended;
  assert.is(once.status, 0);
  assert.match(once.stdout, '\x1b[32mup\x1b[0m');
  assert.not.match(once.stdout, '█'); // No room for it.

  const looks = () => stage.control.asked.filter(([name]) => name === 'status').length;
  const before = looks();
  const watching = onTerminal(stage, pidFile, 'status', '--watch');
  await until(() => looks() >= before + 2, 'it has drawn');
  stage.control.services = [serviceStatus('web', { servers: [serverStatus('web1', { packets: 1_000_000n })] })];
  await until(() => looks() >= before + 3, 'it has drawn again');
  kill(Number(decodeUtf8(readFile(pidFile))), 'SIGINT');
  const { status, stdout } = await watching.ended;
  assert.is(status, 0);
  assert.ok(stdout.startsWith('\x1b[?1049h\x1b[?25l\x1b[H'), JSON.stringify(stdout.slice(0, 100)));
  assert.ok(stdout.endsWith('\x1b[?25h\x1b[?1049l'), JSON.stringify(stdout.slice(-100)));
  assert.match(stdout, 'packets/s');
});

staged('--watch goes on while the daemon is away', async (stage) => {
  const watching = new Running(stage.words('status', '--watch', '--json'));
  const looks = () => stage.control.asked.length;
  await until(() => looks() >= 2, 'it has looked');
  await stage.restart();
  const then = looks();
  await until(() => looks() >= then + 2, 'it looks again');
  const { status, stdout } = await watching.interrupt();
  assert.is(status, 0);
  const pictures = stdout.trimEnd().split('\n');
  assert.ok(pictures.length >= 3);
  for (const picture of pictures) assert.is((JSON.parse(picture) as { version: string }).version, '1.2.3');
});

staged('simulate asks the daemon; dump prints what it holds', async (stage) => {
  stage.control.simulations = [{ service: 'web', server: 'web1', slot: 7, hash: 5, slots: 4096, why: ['because'] }];
  const told = await stage.oneip('simulate', '192.0.2.7:4000', '--service', 'web', '--port', '443');
  assert.equal([told.status, told.stdout], [0, '192.0.2.7:4000 → web: web1 (slot 7)\n  because\n']);
  assert.equal(stage.control.asked.at(-1), ['simulate', { client: '192.0.2.7:4000', service: 'web', port: 443 }]);
  const json = await stage.oneip('simulate', '192.0.2.7', '--json');
  assert.equal(JSON.parse(json.stdout), stage.control.simulations);
  stage.control.contents = { configuration: 'x', large: 'y'.repeat(1_100_000) };
  const dump = await stage.oneip('dump');
  assert.equal(JSON.parse(dump.stdout), { configuration: 'x', omitted: ['large'] });
  assert.equal([dump.status, dump.stderr], [0, 'oneip: too large for ubus and left out: large\n']);
});

test.after(removeScratch);
test.run();
