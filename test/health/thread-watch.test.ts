import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ThreadWatch, Verdict } from '../../src/health/thread-watch.ts';

const HELD = {};

test('M1: a connection is let go when requests wait beside it, and for good when answers follow twice', () => {
  const watch = new ThreadWatch();
  let answers = 10;
  let now = 1_000;
  for (const last of [Verdict.keep, Verdict.never]) {
    const held = {};
    assert.equal(watch.look(held, 1, answers, (now += 200)), Verdict.keep);
    assert.equal(watch.look(held, 1, answers, (now += 200)), Verdict.keep);
    assert.equal(watch.look(held, 1, answers, (now += 200)), Verdict.letGo);
    assert.equal(watch.waits(now + 20), true);
    assert.equal(watch.look(null, 0, ++answers, (now += 20)), last);
  }
});

test('M1: answers that take their time are no sign of one thread', () => {
  const watch = new ThreadWatch();
  let answers = 10;
  let now = 1_000;
  for (let round = 0; round < 20; round++) {
    const held = {};
    for (let looks = 0; looks < 3; looks++) watch.look(held, 1, answers, (now += 200));
    // Now and then one comes by chance in the moment that counts, never twice in a row.
    now += round % 2 === 0 ? 50 : 400;
    assert.notEqual(watch.look(null, 1, ++answers, now), Verdict.never);
    watch.look(null, 1, answers, (now += 400));
  }
});

test('M1: a server that has answered beside the connection is watched no more', () => {
  const watch = new ThreadWatch();
  let answers = 10;
  for (let looks = 0; looks < 6; looks++) watch.look(HELD, 1, ++answers, looks * 200);
  assert.equal(watch.proven, true);
  for (let looks = 6; looks < 20; looks++) assert.equal(watch.look(HELD, 5, answers, looks * 200), Verdict.keep);
});

test('M1: without a request that waits nothing is let go', () => {
  const watch = new ThreadWatch();
  for (let looks = 0; looks < 20; looks++) assert.equal(watch.look(HELD, 0, 10, looks * 200), Verdict.keep);
});
