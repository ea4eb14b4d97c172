import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ghostPlaces } from './addresses.ts';
import { withLab, type Lab } from './lab.ts';
import { oneipProgram } from './paths.ts';
import { run, type LineProcess } from './process.ts';
import { difference, listing, repaired, ruleset, served } from './repair.ts';
import { assertSameRouter, differences, routerState } from './router-state.ts';
import { eventually } from './scenario.ts';
import { webService } from './web-service.ts';

/** Starts a daemon with words before its command line, such as `env`; resolves when it is ready. */
async function startWith({ daemon, router }: Lab, words: readonly string[], config: string): Promise<LineProcess> {
  const process = beginWith({ daemon, router }, words, config);
  await process.waitFor((line) => /oneip: ready/.test(line) || undefined);
  return process;
}

function beginWith(
  { daemon, router }: Pick<Lab, 'daemon' | 'router'>,
  words: readonly string[],
  config: string,
): LineProcess {
  daemon.configure(config);
  const paths = ['--config', daemon.configFile, '--state', daemon.stateFolder, '--ubus', daemon.ubusSocket];
  return router.startWithSysfs([...words, oneipProgram, 'daemon', ...paths]);
}

test('nft refuses: the old state stays, the reason is told, and it is tried again', () =>
  withLab({ servers: 2 }, async (lab) => {
    const refusal = join(lab.folder, 'refuse');
    const library = join(lab.folder, 'library');
    mkdirSync(library);
    const real = /libnftables\.so\.1 .*=> (\S+)/.exec(await run(['/sbin/ldconfig', '-p']))?.[1];
    assert.ok(real);
    const source = join(process.cwd(), 'test/lab/refusing/libnftables.c');
    const output = join(library, 'libnftables.so.1');
    await run(['cc', '-shared', '-fPIC', `-DREAL="${real}"`, '-o', output, source, '-ldl']);

    const one = webService(lab, { servers: lab.servers.slice(0, 1) });
    const environment = ['env', `LD_LIBRARY_PATH=${library}`, `REFUSE_NFT=${refusal}`];
    const daemon = await startWith(lab, environment, one);
    const wanted = await ruleset(lab);
    const before = await routerState(lab.router);
    const told = (pattern: RegExp) => daemon.waitFor((line) => pattern.test(line) || undefined);

    writeFileSync(refusal, '');
    lab.daemon.configure(webService(lab));
    let line = told(
      /^oneip: not reloaded: nft refuses: .*Cannot allocate memory; going on with the configuration in force$/,
    );
    daemon.signal('SIGHUP');
    await line;
    assert.equal(difference(wanted, await ruleset(lab)), []);
    await eventually('routes and rules of the refused one are gone', 1_000, async () =>
      differences(await routerState(lab.router), before).length === 0 ? true : undefined,
    );
    await served(lab);

    line = told(/^oneip: nft refuses: .*Cannot allocate memory; trying again in 1 s$/);
    await lab.router.run(['nft', 'delete', 'table', 'netdev', 'oneip']);
    await line;
    rmSync(refusal);
    await repaired(lab, 'repaired by itself', wanted, 2_000);

    line = told(/^oneip: reloaded$/);
    daemon.signal('SIGHUP');
    await line;
    assert.match(await listing(lab), /web\/to\/s2/);
    writeFileSync(refusal, '');
    line = told(/the router is not as it was: nft refuses: .*Cannot allocate memory$/);
    daemon.signal('SIGTERM');
    await line;
    assert.is(await daemon.ended, 1);
    const rules = await lab.router.run(['ip', 'rule']);
    assert.not.match(rules, /proto 111/, 'everything else has been put back');
    const cleanup = await lab.daemon.command(['cleanup', '--state', lab.daemon.stateFolder]);
    assert.is(cleanup.status, 0);
    assert.is(await listing(lab), '');
  }));

test('the kernel refuses since another program owns the table: loaded as soon as that ends', () =>
  withLab({ servers: 1 }, async (lab) => {
    await lab.daemon.start(webService(lab));
    const wanted = await ruleset(lab);
    const owner = lab.router.start(['nft', '-i']);
    const refused = lab.daemon.process.waitFor((line) => /nft refuses: .*trying again in/.test(line) || undefined);
    owner.send('flush ruleset; add table netdev oneip { flags owner; }');
    await refused;
    owner.closeInput();
    await owner.ended;
    // The kernel does not tell that the table has gone with its owner.
    await repaired(lab, 'the ruleset', wanted, 5_000);
  }));

test('no libnftables: one sentence, exit status 1, the router as it was', () =>
  withLab({ servers: 1, ghosts: Object.values(ghostPlaces.lan) }, async (lab) => {
    const before = await routerState(lab.router);
    const library = join(lab.folder, 'library');
    mkdirSync(library);
    writeFileSync(join(library, 'libnftables.so.1'), 'no library');
    const daemon = beginWith(lab, ['env', `LD_LIBRARY_PATH=${library}`], webService(lab));
    assert.is(await daemon.ended, 1);
    assert.match(daemon.tail(1), /^oneip: libnftables cannot be loaded: .*library/);
    assertSameRouter(await routerState(lab.router), before);
  }));

test('SIGTERM in the middle of the start leaves the router as it was', () =>
  withLab({ servers: 8, ghosts: Object.values(ghostPlaces.lan) }, async (lab) => {
    const before = await routerState(lab.router);
    for (const trigger of [/ubus: no connection/, /network: /]) {
      const daemon = beginWith(lab, [], webService(lab));
      await daemon.waitFor((line) => trigger.test(line) || undefined);
      daemon.signal('SIGTERM');
      assert.is(await daemon.ended, 0);
      assertSameRouter(await routerState(lab.router), before);
    }
  }));

/** Words that run a program with a file system of its own, of 16 KiB, in place of a folder, after a shell command there. */
function withTmpfs(folder: string, prepare: string): string[] {
  const script = 'mount -t tmpfs -o size=16k tmpfs "$0" && cd "$0" && eval "$1" && cd / && shift && exec "$@"';
  return ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', script, folder, prepare];
}

const fill = 'head -c 1000000 /dev/zero > filler 2>/dev/null || true';

test('no room in the state directory: what needs no undo journal runs, and it is said', () =>
  withLab({ servers: 2 }, async (lab) => {
    mkdirSync(lab.daemon.stateFolder);
    const before = await routerState(lab.router);
    const daemon = await startWith(lab, withTmpfs(lab.daemon.stateFolder, fill), webService(lab));
    const isSaid = (line: string) => /cannot write \S+applied\.json: No space left on device/.test(line);
    // It may have come with the line that tells that all is ready.
    if (!daemon.log.some(isSaid)) await daemon.waitFor((line) => isSaid(line) || undefined);
    const omitted = daemon.log.filter((line) => line.includes('no room for the undo journal, so not done: '));
    assert.is(omitted.length, 2, 'the sysctl of each family that can be done without');
    await served(lab);
    assert.is(await daemon.stop(), 0);
    assertSameRouter(await routerState(lab.router), before);
  }));

test('no room for the undo journal: nothing is changed that could not be put back', () =>
  withLab({ servers: 2, ghosts: Object.values(ghostPlaces.lan) }, async (lab) => {
    mkdirSync(lab.daemon.stateFolder);
    const before = await routerState(lab.router);
    for (const prepare of [fill, 'mount -o remount,ro "$PWD"']) {
      const daemon = beginWith(lab, withTmpfs(lab.daemon.stateFolder, prepare), webService(lab));
      assert.is(await daemon.ended, 1);
      assert.match(daemon.tail(1), /^oneip: .*(No space left on device|Read-only file system)$/);
      assertSameRouter(await routerState(lab.router), before);
    }
  }));

test.run();
