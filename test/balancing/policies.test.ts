import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SharedState } from '../../src/backends/shared-state.ts';
import { hash } from '../../src/balancing/hash.ts';
import { leastRequests } from '../../src/balancing/least-requests.ts';
import { leastTime } from '../../src/balancing/least-time.ts';
import { roundRobin } from '../../src/balancing/round-robin.ts';
import { twoChoices } from '../../src/balancing/two-choices.ts';
import { testPool } from '../backends/test-pool.ts';
import { seeded, seededKey } from './seeded.ts';

const IDS = ['a', 'b', 'c', 'd', 'e', 'f'];

function setUp(...weights: number[]) {
  return testPool(weights.map((weight, index) => ({ id: IDS[index]!, weight })));
}

const loads = fc.array(fc.record({ weight: fc.integer({ min: 1, max: 9 }), active: fc.nat(9) }), {
  minLength: 2,
  maxLength: 6,
});

test('round-robin is smooth: 5, 1, 1 give a a b a c a a', () => {
  const { pool, state } = setUp(5, 1, 1);
  const policy = roundRobin({ state, random: () => 0, slots: state.slots });
  const picked = Array.from({ length: 14 }, () => policy.pick(pool.backends, 3, null).id);
  assert.equal(picked.join(' '), 'a a b a c a a a a b a c a a');
});

test('round-robin gives each its exact weight in each round, for any weights', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 6 }), fc.nat(), (weights, seed) => {
      const { pool, state } = setUp(...weights);
      const policy = roundRobin({ state, random: seeded(seed), slots: state.slots });
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      for (let round = 0; round < 3; round++) {
        const counts = weights.map(() => 0);
        for (let i = 0; i < total; i++) counts[policy.pick(pool.backends, weights.length, null).slot]!++;
        assert.deepEqual(counts, weights);
      }
    }),
    { numRuns: 50 },
  );
});

test('round-robin of many workers does not begin with the same backend in all of them', () => {
  const { pool, state } = setUp(1, 1, 1, 1);
  const first = new Set<string>();
  for (let worker = 0; worker < 20; worker++) {
    first.add(roundRobin({ state, random: seeded(worker), slots: state.slots }).pick(pool.backends, 4, null).id);
  }
  assert.ok(first.size > 1);
});

test('least-requests never takes one that is strictly busier for its weight than another', () => {
  fc.assert(
    fc.property(loads, fc.nat(), (specs, seed) => {
      const { pool, state } = setUp(...specs.map(({ weight }) => weight));
      for (const [slot, { active }] of specs.entries()) for (let i = 0; i < active; i++) state.begin(slot);
      const policy = leastRequests({ state, random: seeded(seed), slots: state.slots });
      const { slot } = policy.pick(pool.backends, specs.length, null);
      const load = ({ active, weight }: { active: number; weight: number }) => active / weight;
      assert.equal(load(specs[slot]!), Math.min(...specs.map(load)));
    }),
    { numRuns: 200 },
  );
});

test('least-requests counts the requests of all workers', () => {
  const { pool, state, memory } = setUp(1, 1);
  new SharedState(memory, 1).begin(0);
  const policy = leastRequests({ state, random: seeded(1), slots: state.slots });
  for (let i = 0; i < 50; i++) assert.equal(policy.pick(pool.backends, 2, null).id, 'b');
});

test('two-choices never takes the strictly busier of two, and looks at more than the best', () => {
  fc.assert(
    fc.property(loads, fc.nat(), (specs, seed) => {
      const { pool, state } = setUp(...specs.map(({ weight }) => weight));
      for (const [slot, { active }] of specs.entries()) for (let i = 0; i < active; i++) state.begin(slot);
      const policy = twoChoices({ state, random: seeded(seed), slots: state.slots });
      const busiest = Math.max(...specs.map(({ active, weight }) => active / weight));
      const { active, weight } = specs[policy.pick(pool.backends, specs.length, null).slot]!;
      const ties = specs.filter((spec) => spec.active / spec.weight === busiest).length;
      // The single busiest one loses against every other.
      if (ties === 1) assert.notEqual(active / weight, busiest);
    }),
    { numRuns: 200 },
  );
  const { pool, state } = setUp(1, 1, 1);
  state.begin(1);
  state.begin(2);
  state.begin(2);
  const policy = twoChoices({ state, random: seeded(5), slots: state.slots });
  const picked = new Set(Array.from({ length: 100 }, () => policy.pick(pool.backends, 3, null).id));
  assert.deepEqual([...picked].sort(), ['a', 'b']);
});

test('hash gives a key the same backend in every thread and for every order of the candidates', () => {
  const { pool, state, memory } = setUp(1, 2, 3, 4);
  const here = hash({ state, random: seeded(1), slots: state.slots });
  const there = hash({ state: new SharedState(memory, 1), random: seeded(2), slots: state.slots });
  const random = seeded(3);
  for (let i = 0; i < 200; i++) {
    const key = seededKey(random);
    assert.equal(here.pick(pool.backends, 4, key), there.pick(pool.backends.toReversed(), 4, key));
  }
});

test('hash never hashes a missing key: such requests spread (behaviour 15)', () => {
  const { pool, state } = setUp(1, 1, 1);
  const policy = hash({ state, random: seeded(1), slots: state.slots });
  const picked = new Set(Array.from({ length: 100 }, () => policy.pick(pool.backends, 3, null).id));
  assert.equal(picked.size, 3);
});

/** Picks without the one in 32 that is random. */
function leastTimePicks(setup: ReturnType<typeof setUp>, picks: number): string[] {
  const policy = leastTime({ state: setup.state, random: seeded(4), slots: setup.state.slots });
  return Array.from({ length: picks }, () => policy.pick(setup.pool.backends, setup.pool.backends.length, null).id);
}

test('least-time weighs the response time by requests in flight and weight', () => {
  const setup = setUp(1, 1, 1);
  const { state } = setup;
  for (const [slot, ms] of [30, 10, 100].entries()) state.recordLatency(slot, ms);
  assert.equal(
    leastTimePicks(setup, 31).every((id) => id === 'b'),
    true,
  );
  for (let i = 0; i < 3; i++) state.begin(1);
  assert.equal(
    leastTimePicks(setup, 31).every((id) => id === 'a'),
    true,
  );
  state.setWeight(2, 11);
  assert.equal(
    leastTimePicks(setup, 31).every((id) => id === 'c'),
    true,
  );
});

test('least-time counts a backend that was not measured as the fastest, so it is tried but not flooded', () => {
  const setup = setUp(1, 1, 1);
  const { state } = setup;
  state.recordLatency(0, 10);
  state.recordLatency(1, 500);
  assert.deepEqual([...new Set(leastTimePicks(setup, 31))].sort(), ['a', 'c']);
  state.begin(2);
  assert.deepEqual([...new Set(leastTimePicks(setup, 31))], ['a']);
});

test('least-time looks again at a backend that was slow once', () => {
  const setup = setUp(1, 1);
  setup.state.recordLatency(0, 1);
  setup.state.recordLatency(1, 10_000);
  const picked = leastTimePicks(setup, 3200).filter((id) => id === 'b').length;
  assert.ok(picked > 20 && picked < 80, `${picked} of 3200`);
});
