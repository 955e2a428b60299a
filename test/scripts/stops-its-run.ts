/**
 * A test that ends the run that it is a part of, once the other file has failed, and passes when it runs again: see
 * run-tests.test.ts.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { eventually } from '../support/eventually.ts';

test('a test', async () => {
  const done = `${process.env.RUNS!}-ended`;
  if (existsSync(done)) return;
  await eventually('the other file to have run', () => existsSync(process.env.RUNS!));
  writeFileSync(done, '');
  // Until the runner has heard of it.
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  process.kill(process.ppid, 'SIGTERM');
  await new Promise(() => {});
});
