import { spawnSync } from 'node:child_process';
import { globSync, statSync } from 'node:fs';

/**
 * Compiles limpet if that has not been done, and has the tests that follow start the compiled one. Works in the
 * repository's root.
 */
export function readyToTest(): void {
  if (!isBuilt()) {
    const { status } = spawnSync(process.execPath, ['scripts/build.ts'], { stdio: 'inherit' });
    if (status !== 0) process.exit(status ?? 1);
  }
  process.env.LIMPET_COMPILED = '1';
  // Hundreds of limpets are started: what V8 has compiled once need not be compiled by each.
  process.env.NODE_COMPILE_CACHE ??= `${process.cwd()}/node_modules/.cache/v8`;
}

/** Whether dist was made from the sources as they are: `npm ci` has just done that in a fresh clone. */
function isBuilt(): boolean {
  const built = statSync('dist/cli/main.js', { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const sources = ['tsconfig.json', 'package-lock.json', 'scripts/build.ts', ...globSync('src/**')];
  return sources.every((path) => statSync(path).mtimeMs < built);
}
