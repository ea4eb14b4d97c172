// Runs the tests, or one program of the test tree, after bundling it.
//
//   node test/run.mjs [--only TEXT]                every test whose path holds TEXT
//   node test/run.mjs --full [--only TEXT]         the long form of those that have one
//   node test/run.mjs --target NAME [--only TEXT]  those of the runtime, in the one that was built for another target
//   node test/run.mjs --program FILE -- ARGUMENTS  one program
//
// Unit tests run in Node and in the runtime; tests of bindings run in the runtime, plain and with sanitizers; tests of the
// lab run in Node and need root. The last line counts tests: `N passed, N failed`.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import { build } from 'esbuild';
import { leftOut, skipping } from './foreign/skipping.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const output = join(root, 'build/test');
/** Folders whose tests wait for most of their time: two of their files need a processor together. */
const WAITING = ['lab'];
/** Folders whose tests fail where they get no processor for a while: those that wait for the kernel or for other programs. */
const TIMED = [
  'runtime',
  'qemu',
  'qemu/router',
  'qemu/long',
  'lab',
  'docs',
  'package',
  'luci/browser',
  'openwrt-image',
];
/** Files of half a minute and more, here or in their long form: they come first, lest one runs on when all others have ended. */
const LONG = [
  'unit/channel-histories',
  'unit/ubus-fuzz',
  'qemu/vlan',
  'qemu/long/bridge',
  'qemu/router/offload',
  'qemu/router/router',
  'lab/adapt',
  'lab/broadcast',
  'lab/broadcast-changes',
  'lab/doctor-router',
  'lab/flows',
  'lab/hitless',
  'lab/hitless-changes',
  'lab/least',
  'lab/path-mtu',
  'lab/ubus-fuzz',
  'lab/watchdog-detection',
  'luci/browser/pages',
  'luci/browser/setup',
  'openwrt-image/image',
].map((name) => `test/${name}.test.ts`);
const runtime = join(root, 'build/bin/oneip-runtime');
const sanitized = join(root, 'build/native-asan/oneip-runtime');
const words = process.argv.slice(2);
const full = words.includes('--full');
const optionOf = (name) => (words.includes(name) ? words[words.indexOf(name) + 1] : undefined);
const target = optionOf('--target');
const colour = process.stdout.isTTY ? (code, text) => `\x1b[${code}m${text}\x1b[0m` : (_, text) => text;

async function bundle(file, platform) {
  const outfile = join(output, platform, relative(root, file).replace(/\.ts$/, '.mjs'));
  await build({
    entryPoints: [file],
    outfile,
    bundle: true,
    format: 'esm',
    platform,
    mainFields: ['module', 'main'],
    target: 'es2022',
    external: ['oneip:runtime'],
    define: { ONEIP_VERSION: '"test"', ONEIP_DOCUMENTED: 'true' },
    banner: { js: `globalThis.ONEIP_FULL = ${full}; globalThis.ONEIP_FOREIGN = ${!!target};` },
    plugins: target ? [skipping(target, relative(root, file))] : [],
    logLevel: 'warning',
  });
  return outfile;
}

function run(command, args, options = {}) {
  return new Promise((done) => {
    const child = spawn(command, args, { cwd: root, ...options });
    let text = '';
    child.stdout?.on('data', (data) => (text += data));
    child.stderr?.on('data', (data) => (text += data));
    child.on('error', (error) => done({ status: 127, text: String(error) }));
    child.on('close', (status, signal) => done({ status: status ?? 128, signal, text }));
  });
}

if (words[0] === '--program') {
  const file = await bundle(join(root, words[1]), 'node');
  const divider = words.indexOf('--');
  const child = spawn(process.execPath, [file, ...(divider < 0 ? [] : words.slice(divider + 1))], {
    cwd: root,
    stdio: 'inherit',
  });
  // The program itself ends in order on these; this one waits for it.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('close', (status) => process.exit(status ?? 1));
} else {
  process.exit(await runTests());
}

function isLong({ file }) {
  return LONG.includes(relative(root, file));
}

function testsIn(folder) {
  const path = join(root, 'test', folder);
  if (!existsSync(path)) return [];
  return readdirSync(path)
    .filter((name) => name.endsWith('.test.ts'))
    .sort()
    .map((name) => join(path, name));
}

async function runTests() {
  const only = optionOf('--only') ?? '';
  const jobs = [];
  const add = (folder, where, platform, command, environment = {}) => {
    const nature = { waits: WAITING.includes(folder), timed: TIMED.includes(folder) };
    for (const file of testsIn(folder)) jobs.push({ file, where, platform, command, environment, ...nature });
  };
  const leaks = { ASAN_OPTIONS: 'detect_leaks=1:abort_on_error=0', UBSAN_OPTIONS: 'print_stacktrace=1' };
  if (target) {
    const foreign = [join(root, 'build/target', target, 'oneip-runtime')];
    for (const folder of ['unit', 'runtime']) add(folder, target, 'neutral', foreign);
    for (const { file, reason } of leftOut(target)) {
      console.log(`       # left out: all of ${file} (${reason})`);
      const place = jobs.findIndex((job) => relative(root, job.file) === file);
      if (place < 0) throw new Error(`there is no ${file}`);
      jobs.splice(place, 1);
    }
  } else {
    add('unit', 'node', 'neutral', [process.execPath]);
    add('unit', 'runtime', 'neutral', [runtime]);
    add('runtime', 'runtime', 'neutral', [runtime]);
    add('runtime', 'sanitized', 'neutral', [sanitized], leaks);
    for (const folder of ['golden', 'docs', 'ubus', 'openwrt', 'luci', 'package', 'qemu', 'qemu/router', 'lab']) {
      add(folder, 'node', 'node', [process.execPath]);
    }
  }

  // A browser is installed for the long tests only.
  if (full) add('luci/browser', 'chromium', 'node', [process.execPath]);
  // Machines that do nothing for the short form, or take minutes.
  for (const folder of full ? ['openwrt-image', 'qemu/long'] : []) add(folder, 'machine', 'node', [process.execPath]);

  const hasLongForm = ({ file, where }) =>
    !full || ['chromium', 'machine'].includes(where) || readFileSync(file, 'utf8').includes('ONEIP_FULL');
  const wanted = jobs
    .filter(({ file, where }) => `${relative(root, file)} ${where}`.includes(only))
    .filter(hasLongForm);
  const started = Date.now();
  const queue = [...wanted.filter(isLong), ...wanted.filter((job) => !isLong(job))];
  const results = [];
  const work = async (next) => {
    for (let place = next(); place >= 0; place = next()) {
      const [job] = queue.splice(place, 1);
      const result = await runFile(job);
      // Several files at a time, on a machine that others share: a deadline of the lab may pass for want of a processor. Such
      // a file is run again by itself, after all the others, and that counts; it is told either way.
      const again = !result.held && job.timed && wanted.length > 1;
      tell(result, again ? 'again later, by itself' : '');
      results.push({ ...result, again });
    }
  };
  // For two processors: two files that wait for most of their time and one that computes, or two that compute.
  const waits = () => queue.findIndex((job) => job.waits);
  const computes = () => queue.findIndex((job) => !job.waits);
  const any = () => (waits() >= 0 ? waits() : computes());
  const computesBeside = () => (waits() >= 0 ? computes() : -1);
  await Promise.all([work(any), work(any), work(computesBeside)]);
  const final = [];
  for (const result of results) {
    if (result.again) {
      const second = await runFile(result.job);
      tell(second, 'second run');
      final.push(second);
    } else final.push(result);
  }
  const sum = (key) => final.reduce((total, result) => total + result[key], 0);
  const repeated = results.filter(({ again }) => again).length;
  const note = repeated > 0 ? `, ${repeated} of them run twice` : '';
  const lost = final.filter(({ held }) => !held);
  if (lost.length > 0 && final.length > 1) {
    console.log('\nonce more, what failed:');
    for (const { job, text } of lost) {
      console.log(`FAIL ${relative(root, job.file)} (${job.where})`);
      for (const line of complaintsOf(text).slice(0, 40)) console.log(`       ${line}`);
    }
  }
  console.log(`${wanted.length} files in ${((Date.now() - started) / 1000).toFixed(0)} s${note}`);
  console.log(`${sum('passed')} passed, ${sum('failed')} failed`);
  return sum('failed') === 0 && sum('passed') > 0 ? 0 : 1;
}

async function runFile(job) {
  const file = await bundle(job.file, job.platform);
  const begin = Date.now();
  const limit = full ? 2400 : 400;
  const environment = {
    ...process.env,
    ...job.environment,
    FORCE_COLOR: '0',
    ONEIP_ROOT: root,
    ONEIP_RUNTIME: job.command[0],
  };
  const { status, text: said } = await run('timeout', ['-k', '10', String(limit), ...job.command, file], {
    env: environment,
  });
  const total = count(said, 'Total');
  const passed = count(said, 'Passed');
  // A file that ended without a count, or with a failure beside full counts, has failed as one more test.
  const broken = total === 0 || (status !== 0 && passed === total) ? 1 : 0;
  const failed = total - passed + broken;
  const text = broken ? `${said}\n${job.command[0]} ended with status ${status}` : said;
  return { job, text, total, passed, failed, held: failed === 0, seconds: (Date.now() - begin) / 1000 };
}

function tell({ job, text, total, passed, held, seconds }, note) {
  const name = `${relative(root, job.file)} (${job.where})`;
  const verdict = held ? colour(32, 'ok  ') : colour(31, 'FAIL');
  console.log(`${verdict} ${name}  ${passed}/${total}  ${seconds.toFixed(1)} s${note && `  ${note}`}`);
  const figures = text.split('\n').filter((line) => line.startsWith('# '));
  // What is wrong comes before the figures, of which there may be hundreds.
  for (const line of [...(held ? [] : complaintsOf(text)), ...figures]) console.log(`       ${line}`);
}

function complaintsOf(text) {
  // A dot or a cross for each test is no complaint. QuickJS knows no FORCE_COLOR, so colours are taken away here.
  return stripVTControlCharacters(text)
    .split('\n')
    .filter((line) => !/^[\s•✘]*$/u.test(line) && !line.startsWith('# '));
}

function count(text, label) {
  return [...text.matchAll(new RegExp(`^\\s*${label}:\\s+(\\d+)`, 'gm'))].reduce(
    (sum, found) => sum + Number(found[1]),
    0,
  );
}
