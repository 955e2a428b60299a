import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { observe, type ProbeState, UNPROBED } from '../../src/health/probe-state.ts';

function after(results: readonly boolean[], rise: number, fall: number, from: ProbeState = UNPROBED) {
  const flips: string[] = [];
  let state = from;
  for (const ok of results) {
    const { flipped, health, against } = observe(state, ok, { rise, fall });
    if (flipped) flips.push(health);
    state = { health, against };
  }
  return { health: state.health, flips };
}

test('the first success makes an unknown backend up, whatever rise is (behaviour 41)', () => {
  assert.deepEqual(after([true], 5, 3), { health: 'up', flips: ['up'] });
  assert.deepEqual(after([false, false, true], 5, 3), { health: 'up', flips: ['up'] });
});

test('an unknown backend is down after fall failures, and usable until then (behaviour 41)', () => {
  assert.deepEqual(after([false, false], 2, 3), { health: 'unknown', flips: [] });
  assert.deepEqual(after([false, false, false], 2, 3), { health: 'down', flips: ['down'] });
});

test('fall failures in a row take a backend down, rise successes in a row bring it back (behaviour 40)', () => {
  const up: ProbeState = { health: 'up', against: 0 };
  assert.deepEqual(after([false, false, true, false, false], 2, 3, up), { health: 'up', flips: [] });
  assert.deepEqual(after([false, false, false, false, true, false, true], 2, 3, up), {
    health: 'down',
    flips: ['down'],
  });
  assert.deepEqual(after([false, false, false, true, true, true], 2, 3, up), { health: 'up', flips: ['down', 'up'] });
});

test('a flip needs a streak as long as its threshold, and every such streak is a flip', () => {
  fc.assert(
    fc.property(
      fc.array(fc.boolean(), { maxLength: 60 }),
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 4 }),
      (results, rise, fall) => {
        let state: ProbeState = UNPROBED;
        results.forEach((ok, index) => {
          const before = state.health;
          const needed = ok ? rise : fall;
          const length = index - results.lastIndexOf(!ok, index);
          const next = observe(state, ok, { rise, fall });
          state = { health: next.health, against: next.against };
          const expected = ok && before === 'unknown' ? 'up' : length >= needed ? (ok ? 'up' : 'down') : before;
          assert.equal(next.health, expected);
          assert.equal(next.flipped, next.health !== before);
        });
      },
    ),
  );
});
