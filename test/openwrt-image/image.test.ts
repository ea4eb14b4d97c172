import { existsSync } from 'node:fs';
import { eventually, figure } from '../lab/scenario.ts';
import { ghostPlaces, lanHost, routerAddresses, wanHost } from '../lab/addresses.ts';
import { ping } from '../lab/ping.ts';
import { cards, type Boot, type MachineLab } from '../qemu/machine-lab.ts';
import { machineSuite } from '../qemu/suite.ts';
import { PARTS, partsOf, type Guest, type Part } from './guest.ts';
import { OpenWrt } from './openwrt.ts';
import { offerPackages } from './packages.ts';
import { oracleOf, wholeState, type Scene } from './scene.ts';
import { bootStandIn, StandIn } from './standin.ts';
import { stepsWith } from './steps.ts';
import { architectureOf, imageMachine, targetOf, type Target } from './target.ts';

// From an OpenWrt image to a router that dispatches, and back. OPENWRT_IMAGE names the image, OPENWRT_PACKAGES a folder of
// further packages, OPENWRT_TARGET the target where the image's name does not tell; without an image a stand-in is booted,
// which has little of OpenWrt: the steps that need more are left out, and named.

const image = process.env['OPENWRT_IMAGE'] ?? '';
const folder = process.env['OPENWRT_PACKAGES'] || undefined;
const target = ((process.env['OPENWRT_TARGET'] || undefined) as Target | undefined) ?? targetOf(image);

/** Milliseconds for booting OpenWrt on an emulated processor. */
const PATIENCE = 600_000;

const files: string[] = [];
const steps = stepsWith(files);

function bootImage(): Promise<Boot> {
  if (!existsSync(image)) throw new Error(`there is no ${image}`);
  if (!target) throw new Error(`${image}: of which target? OPENWRT_TARGET=x86-64, armsr-armv8 or malta-be`);
  const command = imageMachine(target, image, [cards.lan, cards.wan]);
  return Promise.resolve({ command, ready: /press Enter to activate this console/i, patience: PATIENCE });
}

async function prepare(lab: MachineLab): Promise<Scene> {
  const { shell } = lab;
  // What the kernel says shall not come between a command and its output.
  await shell.attempt('dmesg -n 1');
  const parts = await partsOf(shell);
  const unexpected = image === '' ? [...parts] : PARTS.filter((part) => !parts.has(part));
  if (unexpected.length > 0) {
    throw new Error(image === '' ? `the stand-in has ${unexpected.join()}` : `the image has no ${unexpected.join()}`);
  }
  figure(
    await shell.run(
      '[ ! -e /etc/openwrt_release ] || . /etc/openwrt_release; echo "${DISTRIB_DESCRIPTION:-a stand-in}, Linux $(uname -rm)"',
    ),
  );
  const guest: Guest = image === '' ? new StandIn(lab) : new OpenWrt(shell);
  await guest.setUpNetwork();
  await eventually('LAN and WAN', 120_000, async () => {
    const reached = [
      await ping(lab.lan, lanHost[4], routerAddresses.lan[4]),
      await ping(lab.lan, lanHost[6], routerAddresses.lan[6]),
      await ping(lab.wan, wanHost[4], routerAddresses.wan[4]),
      await ping(lab.wan, wanHost[6], routerAddresses.wan[6]),
    ];
    return reached.every(Boolean) || undefined;
  });
  const format = (await shell.attempt('command -v apk')).status === 0 ? 'apk' : 'ipk';
  files.push(...offerPackages(lab.programs, target ? architectureOf(target) : 'x86_64', format, folder));
  return { lab, guest, shell, before: await wholeState(shell), oracle: oracleOf(lab) };
}

const { elsewhere } = ghostPlaces;
const { test, run } = machineSuite(
  image === '' ? 'stand-in for OpenWrt' : image,
  { servers: 3, ghosts: [elsewhere[4], elsewhere[6]] },
  image === '' ? bootStandIn : bootImage,
  prepare,
);

for (const { title, needs, run: body } of steps) {
  const missing: readonly Part[] = image === '' ? needs : [];
  if (missing.length === 0) test(title, body);
  else figure(`left out, for the stand-in has no ${missing.join(', ')}: ${title}`);
}

run();
