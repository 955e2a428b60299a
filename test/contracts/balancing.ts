import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Backend } from '../../src/backends/backend.ts';
import type { PolicyFactory } from '../../src/balancing/policy.ts';
import { testPool } from '../backends/test-pool.ts';
import { seeded, seededKey } from '../balancing/seeded.ts';

/** What a policy may rely on and must keep to, whatever it prefers. Every policy of the registry runs this. */
export function balancingContract(name: string, factory: PolicyFactory): void {
  describe(`balancing contract: ${name}`, () => {
    test('the result is one of the candidates, whatever their state, and never one left over behind them (behaviour 31)', () => {
      const backend = fc.record({
        weight: fc.integer({ min: 0, max: 20 }),
        active: fc.nat(10),
        latency: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 500 })),
        slowStart: fc.constantFrom(0.1, 0.5, 1),
      });
      fc.assert(
        fc.property(
          fc.array(backend, { minLength: 1, maxLength: 8 }),
          fc.array(fc.record({ keep: fc.integer({ min: 1, max: 8 }), hasKey: fc.boolean() }), {
            minLength: 1,
            maxLength: 10,
          }),
          fc.nat(),
          (specs, picks, seed) => {
            const random = seeded(seed);
            const { pool, state } = setUp(specs.map(({ weight }) => weight));
            specs.forEach(({ active, latency, slowStart }, slot) => {
              for (let i = 0; i < active; i++) state.begin(slot);
              if (latency > 0) state.recordLatency(slot, latency);
              state.setSlowStart(slot, slowStart);
            });
            const policy = factory({ state, random, slots: state.slots });
            for (const { keep, hasKey } of picks) {
              const candidates = shuffled(pool.backends, random);
              const count = Math.min(keep, candidates.length);
              const picked = policy.pick(candidates, count, hasKey ? seededKey(random) : null);
              assert.ok(candidates.slice(0, count).includes(picked));
            }
          },
        ),
        { numRuns: 40 },
      );
    });

    test('a choice that is settled is the same for every thread, whatever it draws', () => {
      for (const seed of [1, 2, 3, 4, 5, 6]) {
        const random = seeded(seed);
        const { pool, state } = setUp([3, 1, 2]);
        for (let i = 0; i < seed; i++) state.begin(Math.floor(random() * 3));
        const make = () => factory({ state, random, slots: state.slots });
        for (const key of [null, seededKey(random)]) {
          assert.equal(make().isSettled(pool.backends, 1, key), true, 'one candidate leaves no choice');
          if (!make().isSettled(pool.backends, 3, key)) continue;
          const picked = Array.from({ length: 50 }, () => make().pick(pool.backends, 3, key));
          assert.deepEqual([...new Set(picked)].length, 1);
        }
      }
    });

    for (const weights of [
      [1, 1],
      [1, 1, 1, 1, 1],
      [3, 1],
      [5, 2, 1],
      [100, 50, 50],
    ]) {
      test(`idle backends of weights ${weights.join(', ')} get their shares, with keys and without`, () => {
        for (const hasKey of [false, true]) {
          assertShares(factory, weights, weights, hasKey);
        }
      });
    }

    test('candidates that all have weight 0, as in panic mode, share evenly', () => {
      assertShares(factory, [0, 0, 0], [1, 1, 1], false);
      assertShares(factory, [0, 0, 0], [1, 1, 1], true);
    });

    test('a candidate of weight 0 gets next to nothing beside one that has a weight', () => {
      const counts = share(factory, [1, 0], 1000, true);
      assert.ok(counts[1]! <= 1, `${counts[1]} of 1000`);
    });

    test('a backend that is starting slowly gets the share of its effective weight (behaviour 43)', () => {
      const { pool, state } = setUp([1, 1]);
      state.setSlowStart(1, 0.1);
      const counts = pickMany(factory, pool.backends, state, 4000, true);
      assertNear(counts, [10, 1]);
    });

    test('a change of weight shows at once, also from very large to small ones', () => {
      const { pool, state } = setUp([60_000, 1]);
      const random = seeded(3);
      const policy = factory({ state, random, slots: state.slots });
      for (let i = 0; i < 500; i++) policy.pick(pool.backends, 2, seededKey(random));
      state.setWeight(0, 1);
      state.setWeight(1, 1);
      const counts = [0, 0];
      for (let i = 0; i < 2000; i++) counts[policy.pick(pool.backends, 2, seededKey(random)).slot]!++;
      assertNear(counts, [1, 1]);
    });

    test('while one candidate is away the others share what it had, and it does not make up for it when it is back', () => {
      const { pool, state } = setUp([1, 1, 1]);
      const random = seeded(11);
      const policy = factory({ state, random, slots: state.slots });
      const [a, b, c] = pool.backends as [Backend, Backend, Backend];
      const pick = (list: Backend[], times: number): number[] => {
        const counts = [0, 0, 0];
        for (let i = 0; i < times; i++) counts[policy.pick(list, list.length, seededKey(random)).slot]!++;
        return counts;
      };
      pick([a, b, c], 100);
      const [without0, , without2] = pick([b, c], 2000);
      assert.equal(without0, 0);
      assert.ok(Math.abs(without2! - 1000) < 150);
      assertNear(pick([a, b, c], 3000), [1, 1, 1]);
    });
  });
}

function setUp(weights: readonly number[]) {
  return testPool(weights.map((weight, index) => ({ id: `b${index}`, weight })));
}

function share(factory: PolicyFactory, weights: readonly number[], picks: number, hasKey: boolean): number[] {
  const { pool, state } = setUp(weights);
  return pickMany(factory, pool.backends, state, picks, hasKey);
}

function pickMany(
  factory: PolicyFactory,
  backends: readonly Backend[],
  state: ReturnType<typeof setUp>['state'],
  picks: number,
  hasKey: boolean,
): number[] {
  const random = seeded(7);
  const policy = factory({ state, random, slots: state.slots });
  const counts = backends.map(() => 0);
  for (let i = 0; i < picks; i++) {
    counts[policy.pick(backends, backends.length, hasKey ? seededKey(random) : null).slot]!++;
  }
  return counts;
}

function assertShares(
  factory: PolicyFactory,
  weights: readonly number[],
  expected: readonly number[],
  hasKey: boolean,
): void {
  assertNear(share(factory, weights, 4000, hasKey), expected);
}

/**
 * Each count within four and a half standard deviations of what its share says; a policy may be more even than chance.
 */
function assertNear(counts: readonly number[], weights: readonly number[]): void {
  const total = counts.reduce((sum, count) => sum + count, 0);
  const weight = weights.reduce((sum, each) => sum + each, 0);
  counts.forEach((count, index) => {
    const p = weights[index]! / weight;
    const bound = 4.5 * Math.sqrt(total * p * (1 - p));
    assert.ok(Math.abs(count - total * p) <= bound, `${index} got ${count} of ${total}, not ${Math.round(total * p)}`);
  });
}

function shuffled<T>(list: readonly T[], random: () => number): T[] {
  const copy = [...list];
  for (let i = copy.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [copy[i], copy[j]] = [copy[j]!, copy[i]!];
  }
  return copy;
}
