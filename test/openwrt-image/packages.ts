import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ServerPrograms } from '../lab/servers.ts';

const root = process.env['ONEIP_ROOT'] ?? '.';

/** Where guests fetch packages from: a folder that the first server offers over HTTP. */
function offered(programs: readonly Pick<ServerPrograms, 'root'>[]): string {
  const [first] = programs;
  if (!first) throw new Error('there is no server');
  return join(first.root, 'packages');
}

/**
 * Puts packages where guests fetch them, and returns the names of their files. Those of this tree are taken from build/ipk
 * for a processor by opkg's name for it; `folder` may hold others, and the tree's own for other processors or apk.
 */
export function offerPackages(
  programs: readonly Pick<ServerPrograms, 'root'>[],
  architecture: string,
  format: 'ipk' | 'apk',
  folder?: string,
): string[] {
  const target = offered(programs);
  mkdirSync(target);
  const ours = join(root, 'build/ipk');
  const names = new Set<string>();
  const take = (from: string, wanted: (name: string) => boolean) => {
    for (const name of existsSync(from) ? readdirSync(from) : []) {
      if (!name.endsWith(`.${format}`) || !wanted(name)) continue;
      copyFileSync(join(from, name), join(target, name));
      names.add(name);
    }
  };
  const fits = (name: string) => ['all', architecture].some((word) => name.endsWith(`_${word}.ipk`));
  take(ours, (name) => /^(oneip|oneip-runtime|luci-app-oneip)_/.test(name) && fits(name));
  if (folder !== undefined) take(folder, () => true);
  const missing = ['oneip-runtime', 'oneip', 'luci-app-oneip'].filter(
    (name) => ![...names].some((file) => new RegExp(`^${name}[-_]\\d`).test(file)),
  );
  if (missing.length > 0) {
    throw new Error(`no .${format} for ${architecture} of ${missing.join(', ')}: give a folder by OPENWRT_PACKAGES`);
  }
  return [...names].sort();
}

/**
 * Offers later releases and returns their names: those in a folder `upgrade` of OPENWRT_PACKAGES, or else, for opkg only, the
 * offered packages of this tree, the same but for the number. Packages for apk cannot be made here.
 */
export function offerUpgrade(programs: readonly Pick<ServerPrograms, 'root'>[]): string[] {
  const folder = offered(programs);
  const given = join(process.env['OPENWRT_PACKAGES'] || '/nonexistent', 'upgrade');
  if (existsSync(given)) {
    return readdirSync(given).map((name) => {
      copyFileSync(join(given, name), join(folder, name));
      return name;
    });
  }
  const names = readdirSync(folder).filter((name) => /^(oneip|luci-app-oneip).*-r1_.*\.ipk$/.test(name));
  return names.map((name) => {
    const later = name.replace('-r1_', '-r2_');
    const work = mkdtempSync(join(tmpdir(), 'oneip-upgrade-'));
    const script = `
mkdir control
tar -xzf "$1"
tar -C control -xzf control.tar.gz
sed -i '/^Version:/s/-r1$/-r2/' control/control
grep -q '^Version: .*-r2$' control/control
tar -C control --owner=0 --group=0 -czf control.tar.gz .
tar --owner=0 --group=0 -czf "$2" ./debian-binary ./data.tar.gz ./control.tar.gz`;
    execFileSync('sh', ['-euc', script, 'sh', join(folder, name), join(folder, later)], { cwd: work });
    rmSync(work, { recursive: true });
    return later;
  });
}
