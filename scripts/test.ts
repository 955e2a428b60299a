// The whole test run: formatting and lint, types, then every test. `npm test -- test/http1` runs a part of it; `--once` gives no file a second
// chance (as LIMPET_TEST_ONCE=1 does).
import { spawnSync } from 'node:child_process';
import { existsSync, globSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { findProgram } from '../test/support/find-program.ts';
import { runTests } from './run-tests.ts';
import { TEST_PROGRAMS } from './test-programs.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
process.chdir(root);

function run(command: string, args: string[]): void {
  const { status } = spawnSync(command, args, { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

/** Where Debian's packages can be installed, they are; elsewhere it is for a person to do. */
function needPrograms(files: readonly string[]): void {
  const isMissing = ({ names, variable }: (typeof TEST_PROGRAMS)[number]) => findProgram(names, variable) === null;
  const needed = TEST_PROGRAMS.filter(
    ({ tests, ...program }) => files.some((file) => tests?.test(file) ?? true) && isMissing(program),
  );
  if (needed.length === 0) return;
  if (process.platform === 'linux' && process.getuid?.() === 0 && existsSync('/usr/bin/apt-get')) {
    // RUNLEVEL=1 keeps the packages' scripts from starting their services.
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
    const options = { stdio: 'inherit', env } as const;
    const packages = needed.map(({ debian }) => debian);
    spawnSync('apt-get', ['update', '-q'], options);
    spawnSync('apt-get', ['install', '-q', '-y', '--no-install-recommends', ...packages], options);
  }
  const missing = needed.filter(isMissing);
  for (const { names, debian, variable } of missing) {
    const otherwise = variable === '' ? '' : ` (or name one in the environment variable ${variable})`;
    console.error(`tests need ${names[0]}: apt-get install ${debian}${otherwise}`);
  }
  if (missing.length > 0) process.exit(1);
}

/** Whether dist was made from the sources as they are: `npm ci` has just done that in a fresh clone. */
function isBuilt(): boolean {
  const built = statSync('dist/cli/main.js', { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const sources = ['tsconfig.json', 'package-lock.json', 'scripts/build.ts', ...globSync('src/**')];
  return sources.every((path) => statSync(path).mtimeMs < built);
}

const isOnce = process.argv.includes('--once') || process.env.LIMPET_TEST_ONCE === '1';
const wanted = process.argv.slice(2).filter((argument) => argument !== '--once');
if (wanted.length === 0) {
  run('node_modules/.bin/biome', ['check', '.']);
  run(process.execPath, ['node_modules/typescript/bin/tsc', '--noEmit']);
}
const files = (wanted.length === 0 ? ['test'] : wanted)
  .flatMap((path) => (path.endsWith('.ts') ? [path] : globSync(`${path}/**/*.test.ts`)))
  .sort();
needPrograms(files);
if (!isBuilt()) run(process.execPath, ['scripts/build.ts']);
process.env.LIMPET_COMPILED = '1';
// Hundreds of limpets are started: what V8 has compiled once need not be compiled by each.
process.env.NODE_COMPILE_CACHE ??= `${root}node_modules/.cache/v8`;
process.exitCode = await runTests(files, root, isOnce);
