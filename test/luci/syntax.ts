import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { SourceFile } from 'typescript';
import type typescript from 'typescript';

/** The compiler, which is larger than all tests together: it is not bundled. */
export const ts = createRequire(join(process.env['ONEIP_ROOT'] ?? '', 'package.json'))(
  'typescript',
) as typeof typescript;

/** A script as a tree. */
export function readScript(file: string): SourceFile {
  return ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.ES2022, true);
}
