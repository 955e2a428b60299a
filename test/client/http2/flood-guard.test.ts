import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FloodGuard } from '../../../src/client/http2/flood-guard.ts';

function passed(guard: FloodGuard, now: number): number {
  let count = 0;
  while (guard.count('reset', now) && count < 10_000) count++;
  return count;
}

test('a burst is let through, and a flood is not', () => {
  assert.equal(passed(new FloodGuard(), 1_000), 200);
});

test('what has been used up comes back with time, up to the burst', () => {
  const guard = new FloodGuard();
  passed(guard, 1_000);
  assert.ok(passed(guard, 2_000) <= 20);
  const rested = new FloodGuard();
  passed(rested, 1_000);
  assert.equal(passed(rested, 1_000_000), 200);
});

test('PINGs about answers are no flood', () => {
  const guard = new FloodGuard();
  for (let i = 0; i < 100_000; i++) {
    assert.ok(guard.count('ping', 1));
    guard.worked();
  }
  let left = true;
  for (let i = 0; i <= 1_000; i++) left = guard.count('ping', 1);
  assert.equal(left, false);
});
