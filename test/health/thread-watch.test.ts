import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ThreadWatch, Verdict } from '../../src/health/thread-watch.ts';
import { seeded } from '../balancing/seeded.ts';

const HELD = {};

test('M1: a connection is let go when requests wait beside it, and for good when answers follow twice', () => {
  const watch = new ThreadWatch();
  let answers = 10;
  let now = 1_000;
  for (const [keeps, last] of [
    [2, Verdict.keep],
    [4, Verdict.never],
  ] as const) {
    const held = {};
    for (let looks = 0; looks < keeps; looks++) assert.equal(watch.look(held, 1, answers, (now += 200)), Verdict.keep);
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

for (const takes of [420, 460, 490]) {
  test(`M1: a server that takes ${takes} ms for each answer is not taken for one that has one thread`, () => {
    const watch = new ThreadWatch();
    const random = seeded(takes);
    let held: object | null = {};
    let answers = 0;
    let begun = 0;
    for (let now = 10; now < 600_000; now += 10) {
      // Each probe, every two seconds, has a connection that is kept then.
      if (now % 2_000 === 0) held = {};
      // One request after the other, with pauses of up to a second.
      if (now >= begun + takes) {
        answers++;
        begun = now + 10 + Math.floor(random() * 100) * 10;
      }
      if (now % 200 !== 0 && !(watch.waits(now) && now % 20 === 0)) continue;
      const verdict = watch.look(held, begun <= now ? 1 : 0, answers, now);
      assert.notEqual(verdict, Verdict.never, `after ${now} ms`);
      if (verdict === Verdict.letGo) held = null;
    }
  });
}

test('M1: a clock that is set back makes no answer one that has waited for the connection', () => {
  const watch = new ThreadWatch();
  const held = {};
  for (let looks = 1; looks <= 3; looks++) watch.look(held, 1, 10, 10_000_000 + looks * 200);
  assert.equal(watch.waits(10_000_650), true);
  assert.equal(watch.waits(6_400_650), false);
  for (let answers = 11; answers < 20; answers++)
    assert.notEqual(watch.look(null, 1, answers, 6_400_000 + answers * 500), Verdict.never);
});
