// The whole test run: formatting and lint, types, then every test. `npm test -- test/http1` runs a part of it.
import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
process.chdir(root);

function run(command: string, args: string[]): void {
  const { status } = spawnSync(command, args, { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

const wanted = process.argv.slice(2);
if (wanted.length === 0) {
  run('node_modules/.bin/biome', ['check', '.']);
  run(process.execPath, ['node_modules/typescript/bin/tsc', '--noEmit']);
}
const files = (wanted.length === 0 ? ['test'] : wanted)
  .flatMap((path) => (path.endsWith('.ts') ? [path] : globSync(`${path}/**/*.test.ts`)))
  .sort();
run(process.execPath, ['--test', '--test-concurrency=2', '--test-timeout=120000', ...files]);
