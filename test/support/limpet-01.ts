import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Its commit. */
const COMMIT = '5c8c1e5';
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

let main: string | null | undefined;

/**
 * What limpet 0.1 is started with: its sources as its commit has them, in a directory that goes with this process; or
 * why there are none, for whoever skips a test.
 */
export function limpet01(): { readonly main: string; readonly missing: false } | { readonly missing: string } {
  main ??= unpack();
  return main === null
    ? { missing: `the history of this clone does not have limpet 0.1 (${COMMIT})` }
    : { main, missing: false };
}

function unpack(): string | null {
  const archive = spawnSync('git', ['archive', COMMIT, 'src', 'package.json'], { cwd: ROOT, maxBuffer: 1 << 26 });
  if (archive.status !== 0) return null;
  const directory = mkdtempSync(join(tmpdir(), 'limpet-0.1-'));
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
  const sources = join(directory, 'limpet');
  mkdirSync(sources);
  if (spawnSync('tar', ['-x', '-C', sources], { input: archive.stdout }).status !== 0) return null;
  symlinkSync(join(ROOT, 'node_modules'), join(sources, 'node_modules'));
  return join(sources, 'src/cli/main.ts');
}
