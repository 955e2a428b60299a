// What `npm test` has no time for: the image in a container, and every test that has a long form (test/support/long.ts)
// in it. Names of files or folders as arguments run a part.
import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { needPrograms } from './need-programs.ts';
import { readyToTest } from './ready-to-test.ts';
import { runTests } from './run-tests.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
process.chdir(root);

const isOnce = process.argv.includes('--once') || process.env.LIMPET_TEST_ONCE === '1';
const wanted = process.argv.slice(2).filter((argument) => argument !== '--once');
const files = globSync('test/**/*.test.ts')
  .filter((file) => readFileSync(file, 'utf8').includes('support/long.ts'))
  .filter((file) => wanted.length === 0 || wanted.some((path) => file.startsWith(path)))
  .sort();
needPrograms(files, true);
readyToTest();
process.env.LIMPET_LONG = '1';
// Of a file, three quarters of an hour.
process.env.LIMPET_TEST_FILE_MS ??= '2700000';
process.exitCode = await runTests(files, root, isOnce, 1_200_000);
