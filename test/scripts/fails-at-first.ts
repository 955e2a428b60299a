/** A test that fails as many times as FAILS says, counted in the file RUNS, and passes then: see run-tests.test.ts. */
import assert from 'node:assert/strict';
import { appendFileSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

test('a test', () => {
  appendFileSync(process.env.RUNS!, '.');
  assert.ok(readFileSync(process.env.RUNS!).length > Number(process.env.FAILS));
});
