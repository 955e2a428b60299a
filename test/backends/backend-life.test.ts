import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BackendLife } from '../../src/backends/backend-life.ts';
import { SharedState } from '../../src/backends/shared-state.ts';
import { SlotRegistry } from '../../src/backends/slots.ts';

function newLife(generation = 1): { life: BackendLife; state: SharedState; again: BackendLife } {
  const memory = SharedState.allocate(2, 4);
  const state = new SharedState(memory, 0);
  state.reset(2, { admin: 'ready', weight: 1 });
  const other = new SharedState(memory, 1);
  return {
    state,
    life: new BackendLife(state.layout, 2, generation),
    again: new BackendLife(other.layout, 2, generation),
  };
}

test('M1, 114: a life ends once, whichever threads see it end', () => {
  const { life, again } = newLife();
  assert.deepEqual([life.number, life.began, life.stamp], [1, 0, 1]);
  assert.equal(life.end(1, 1000), true);
  assert.equal(again.end(1, 1001), false, 'it is over');
  assert.deepEqual([again.number, again.began, again.stamp], [2, 1000, 2]);
  assert.equal(life.end(2, 2000), true);
  assert.deepEqual([life.number, life.began], [3, 2000]);
});

test('M1, 114: a crash loop is one life: it has not answered in it', () => {
  const { life, again } = newLife();
  assert.equal(life.hasAnswered, false);
  again.answer();
  assert.equal(life.hasAnswered, true);
  life.end(1, 1000);
  assert.equal(life.hasAnswered, false);
  assert.equal(life.isBack, false);
  again.accept();
  assert.deepEqual([life.isBack, life.hasAnswered], [true, false], 'that its system accepts is no answer');
  life.answer();
  again.accept();
  assert.deepEqual([again.isBack, again.hasAnswered], [true, true]);
});

test('M1, 114: the number of another process is taken over when it is a later one', () => {
  const { life } = newLife();
  assert.equal(life.reach(1, 500), false);
  assert.equal(life.reach(5, 700), true);
  assert.deepEqual([life.number, life.began], [5, 700]);
  assert.equal(life.reach(4, 900), false);
  assert.equal(life.reach(7, 900), true);
  assert.deepEqual([life.number, life.began], [7, 900], 'a life of the same parity');
});

test('L14: a number that no cell can hold is not taken over', () => {
  const { life } = newLife();
  for (const number of [2 ** 31, 2 ** 32 + 5, 2 ** 53, Number.POSITIVE_INFINITY, Number.NaN]) {
    assert.equal(life.reach(number, 500), false, String(number));
    life.stampBy(number, 0, 500);
    assert.deepEqual([life.number, life.began], [1, 0]);
  }
});

test('M1, 114: a cookie from before the life began is of the one before, but for the skew of the clocks', () => {
  const { life } = newLife(9);
  assert.equal(life.stampAt(1), 9, 'there was no other life');
  life.end(1, 100_000);
  assert.equal(life.stampAt(97_999), 9);
  assert.equal(life.stampAt(98_000), 10);
  assert.equal(life.stampAt(200_000), 10);
});

test('M1, 12: every stamp names one life of one backend of its slot, over any number of lives and users of the slot', () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.constant('end'), fc.constant('leave'), fc.nat(40)), { maxLength: 200 }),
      (steps) => {
        const state = new SharedState(SharedState.allocate(1, 1), -1);
        const slots = new SlotRegistry(
          1,
          () => false,
          () => 0,
          (slot) => state.layout.life[slot]!,
        );
        let life!: BackendLife;
        let name = 0;
        const stamps: { name: number; number: number; stamp: number }[] = [];
        const join = (): void => {
          const { slot, generation } = slots.assign('shop', `b${++name}`);
          state.reset(slot, { admin: 'ready', weight: 1 });
          life = new BackendLife(state.layout, slot, generation);
        };
        join();
        for (const step of steps) {
          if (step === 'leave') {
            slots.release('shop', `b${name}`);
            join();
          } else if (step === 'end') life.end(life.number, 1);
          else life.reach(life.number + step, 1);
          stamps.push({ name, number: life.number, stamp: life.stamp });
          assert.equal(life.isNow(life.stamp), true);
          for (const one of stamps) {
            const own = one.name === name;
            assert.equal(life.owns(one.stamp), own, `${JSON.stringify(one)} of ${name}`);
            assert.equal(life.numberOf(one.stamp), own ? one.number : 0);
            assert.equal(life.isNow(one.stamp), own && one.number === life.number);
            if (own) assert.equal(life.stampOf(one.number), one.stamp);
            if (own) assert.equal(life.endsWith(one.stamp & 7), true);
          }
        }
      },
    ),
    { numRuns: 300 },
  );
});

test('12: stamps go around after 65535, and a life that is too long ago is of a backend that is gone', () => {
  const { life } = newLife(65_000);
  const first = life.stamp;
  life.reach(1_000, 1);
  assert.equal(life.owns(first), true);
  assert.equal(life.numberOf(first), 1);
  life.reach(40_000, 1);
  assert.equal(life.owns(first), false);
  assert.equal(life.numberOf(life.stampOf(39_000)), 39_000);
});
