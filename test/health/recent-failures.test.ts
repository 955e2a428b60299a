import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RecentFailures } from '../../src/health/recent-failures.ts';
import { testPool } from '../backends/test-pool.ts';

test('M1, 38: what a process did that has ended says nothing of the one that answers in its place', () => {
  const { pool } = testPool([{ id: 'a' }, { id: 'b' }]);
  const [a, b] = pool.backends;
  const failures = new RecentFailures();
  assert.equal(failures.ago(a!, 500), Number.POSITIVE_INFINITY);
  a!.life.answer();
  failures.note(a!, 100);
  assert.equal(failures.ago(a!, 500), 400);
  assert.equal(failures.ago(b!, 500), Number.POSITIVE_INFINITY);
  // Its process is dead, and refuses on and on.
  a!.life.end(1, 1);
  assert.equal(failures.ago(a!, 500), Number.POSITIVE_INFINITY);
  failures.note(a!, 600);
  assert.equal(failures.ago(a!, 700), 100);
  // It is back.
  a!.life.answer();
  assert.equal(failures.ago(a!, 700), Number.POSITIVE_INFINITY);
  failures.note(a!, 800);
  assert.equal(failures.ago(a!, 900), 100, 'a failure of the new one');
});
