import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Backend } from '../../src/backends/backend.ts';
import { openCandidates } from '../../src/balancing/candidates.ts';
import { testPool } from '../backends/test-pool.ts';

type Setup = ReturnType<typeof testPool>;

function open({ pool, state }: Setup, tried: number[] = [], triedCount = tried.length): string {
  const out: Backend[] = [];
  const count = openCandidates(pool, state, tried, triedCount, out);
  return out
    .slice(0, count)
    .map(({ id }) => id)
    .join(' ');
}

const FOUR = [{ id: 'a' }, { id: 'b' }, { id: 'c', backup: true }, { id: 'd', backup: true }];

test('new sessions go to open backends, not to backups, draining ones or ones of weight 0 (behaviour 13)', () => {
  const setup = testPool([
    ...FOUR,
    { id: 'e', weight: 0 },
    { id: 'f', state: 'drain' },
    { id: 'g', state: 'maintenance' },
  ]);
  assert.equal(open(setup), 'a b');
  setup.state.setHealth(0, 'down');
  assert.equal(open(setup), 'b');
});

test('backups are used when no other backend is left, because it is closed or tried', () => {
  const setup = testPool(FOUR);
  setup.state.setAdminState(0, 'drain');
  assert.equal(open(setup, [1]), 'c d');
  assert.equal(open(setup, [1, 2]), 'd');
});

test('a backend that was tried is not tried again, and the search ends (behaviours 31, 37)', () => {
  const setup = testPool(FOUR);
  assert.equal(open(setup, [0]), 'b');
  assert.equal(open(setup, [0, 1, 2, 3]), '');
  // Entries behind the count are left over.
  assert.equal(open(setup, [0, 1, 2], 1), 'b');
});

test('when all are down nobody is sprayed, unless the pool is told to try (behaviour 36)', () => {
  for (const [whenAllDown, expected] of [
    ['reject', ''],
    ['try', 'a c d'],
  ] as const) {
    const setup = testPool(FOUR, { health: { whenAllDown } });
    for (let slot = 0; slot < 4; slot++) setup.state.setHealth(slot, 'down');
    setup.state.setAdminState(1, 'maintenance');
    assert.equal(open(setup), expected);
    setup.state.vacate(0);
    assert.equal(open(setup), expected.replace('a ', ''));
  }
});

test('a loop of attempts ends for any state of the pool and never comes back to a backend (behaviours 31, 37)', () => {
  const backend = fc.record({
    backup: fc.boolean(),
    weight: fc.nat(1),
    state: fc.constantFrom('ready', 'drain', 'maintenance'),
    health: fc.constantFrom('up' as const, 'down' as const),
    ejected: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(backend, { maxLength: 8 }), fc.constantFrom('reject', 'try'), (specs, whenAllDown) => {
      const { pool, state } = testPool(
        specs.map(({ backup, weight, state }, index) => ({ id: `b${index}`, backup, weight, state })),
        { health: { whenAllDown } },
      );
      for (const [slot, { health, ejected }] of specs.entries()) {
        state.setHealth(slot, health);
        state.setEjected(slot, ejected);
      }
      const tried: number[] = [];
      const out: Backend[] = [];
      for (;;) {
        const count = openCandidates(pool, state, tried, tried.length, out);
        if (count === 0) break;
        for (const { slot } of out.slice(0, count)) {
          assert.ok(!tried.includes(slot));
          assert.notEqual(state.adminState(slot), 'maintenance');
          if (whenAllDown === 'reject') assert.ok(state.isOpen(slot));
        }
        tried.push(out[0]!.slot);
      }
      const usable = specs.filter((_, slot) => state.isOpen(slot)).length;
      assert.ok(tried.length >= usable);
    }),
  );
});
