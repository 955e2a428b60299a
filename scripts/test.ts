// The whole test run: formatting and lint, types, then every test. `npm test -- test/http1` runs a part of it.
import { spawnSync } from 'node:child_process';
import { existsSync, globSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { CHROMIUM_MISSING, findChromium } from '../test/support/chromium.ts';
import { findPhp, PHP_MISSING } from '../test/support/php-binary.ts';
import { findRedisServer, REDIS_MISSING } from '../test/support/redis-binary.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
process.chdir(root);

function run(command: string, args: string[]): void {
  const { status } = spawnSync(command, args, { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

/** Programs that some tests run: those tests, how the program is found, the Debian package it is in, what to say when it is missing. */
const PROGRAMS = [
  { tests: /redis/, find: findRedisServer, debian: 'redis-server', missing: REDIS_MISSING },
  { tests: /presets\/php/, find: findPhp, debian: 'php-cli', missing: PHP_MISSING },
  { tests: /presets\/browser/, find: findChromium, debian: 'chromium', missing: CHROMIUM_MISSING },
];

/** Where Debian's packages can be installed, they are; elsewhere it is for a person to do. */
function needPrograms(files: readonly string[]): void {
  const needed = PROGRAMS.filter(({ tests, find }) => find() === null && files.some((file) => tests.test(file)));
  if (needed.length === 0) return;
  if (process.platform === 'linux' && process.getuid?.() === 0 && existsSync('/usr/bin/apt-get')) {
    const options = { stdio: 'inherit', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } } as const;
    const packages = needed.map(({ debian }) => debian);
    spawnSync('apt-get', ['update', '-q'], options);
    spawnSync('apt-get', ['install', '-q', '-y', '--no-install-recommends', ...packages], options);
  }
  const missing = needed.filter(({ find }) => find() === null);
  for (const program of missing) console.error(program.missing);
  if (missing.length > 0) process.exit(1);
}

/** Whether dist was made from the sources as they are: `npm ci` has just done that in a fresh clone. */
function isBuilt(): boolean {
  const built = statSync('dist/cli/main.js', { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const sources = ['tsconfig.json', 'tsconfig.build.json', 'package-lock.json', ...globSync('src/**')];
  return sources.every((path) => statSync(path).mtimeMs < built);
}

const wanted = process.argv.slice(2);
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
run(process.execPath, ['--test', '--test-concurrency=3', '--test-timeout=120000', ...files]);
