// The whole test run: formatting and lint, types, then every test. `npm test -- test/http1` runs a part of it; `--once`
// gives no file a second chance (as LIMPET_TEST_ONCE=1 does). What takes longer: scripts/test-real.ts.
import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { needPrograms } from './need-programs.ts';
import { readyToTest } from './ready-to-test.ts';
import { runTests } from './run-tests.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
process.chdir(root);

function run(command: string, args: string[]): void {
  const { status } = spawnSync(command, args, { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
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
needPrograms(files, false);
readyToTest();
process.exitCode = await runTests(files, root, isOnce);
