import { candidateWeight } from './candidate-weight.ts';
import type { PolicyFactory } from './policy.ts';
import { weightedRandom } from './weighted-random.ts';

/**
 * Two different backends at random, by weight, and of them the one with fewer requests in flight for its weight. When
 * both are equally busy the first draw stands, so idle backends get exactly the shares of their weights. Many workers
 * that look at the same moment do not all run to the same backend, as they would with least-requests.
 */
export const twoChoices: PolicyFactory = ({ state, random }) => ({
  pick(candidates, count) {
    const one = weightedRandom(candidates, count, state, random);
    if (count === 1) return one;
    const other = weightedRandom(candidates, count, state, random, one);
    const busier =
      state.active(one.slot) * candidateWeight(state, other) > state.active(other.slot) * candidateWeight(state, one);
    return busier ? other : one;
  },
  isSettled: (_candidates, count) => count === 1,
});
