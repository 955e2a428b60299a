// The whole test run: formatting and lint, types, then every test. `npm test -- test/http1` runs a part of it.
import { spawnSync } from 'node:child_process';
import { existsSync, globSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { findRedisServer, REDIS_MISSING } from '../test/support/redis-binary.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
process.chdir(root);

function run(command: string, args: string[]): void {
  const { status } = spawnSync(command, args, { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

/** Several nodes share a real Redis in the tests. Where Debian's packages can be installed, they are; elsewhere it is for a person to do. */
function needRedis(): void {
  if (findRedisServer() !== null) return;
  if (process.platform === 'linux' && process.getuid?.() === 0 && existsSync('/usr/bin/apt-get')) {
    const options = { stdio: 'inherit', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } } as const;
    spawnSync('apt-get', ['update', '-q'], options);
    spawnSync('apt-get', ['install', '-q', '-y', '--no-install-recommends', 'redis-server'], options);
    if (findRedisServer() !== null) return;
  }
  console.error(REDIS_MISSING);
  process.exit(1);
}

const wanted = process.argv.slice(2);
if (wanted.length === 0) {
  run('node_modules/.bin/biome', ['check', '.']);
  run(process.execPath, ['node_modules/typescript/bin/tsc', '--noEmit']);
}
const files = (wanted.length === 0 ? ['test'] : wanted)
  .flatMap((path) => (path.endsWith('.ts') ? [path] : globSync(`${path}/**/*.test.ts`)))
  .sort();
if (files.some((file) => file.includes('redis'))) needRedis();
run(process.execPath, ['scripts/build.ts']);
process.env.LIMPET_COMPILED = '1';
run(process.execPath, ['--test', '--test-concurrency=2', '--test-timeout=120000', ...files]);
