import type { Backend } from '../backends/backend.ts';
import { candidateWeight } from './candidate-weight.ts';
import { leastRequests } from './least-requests.ts';
import type { PolicyFactory } from './policy.ts';
import { weightedRandom } from './weighted-random.ts';

/** One pick of so many is random by weight. */
const EXPLORE_EVERY = 32;

/**
 * The backend that is expected to answer first: average response time x (requests in flight + 1) / weight.
 *
 * One that was not measured yet counts as fast as the fastest, so it is tried, and its requests in flight keep it from
 * being flooded before it has answered. While none is measured, this is least-requests. One pick in 32 is random by
 * weight: a backend that was slow once, and would never be chosen again, gets a chance to show that it has recovered.
 */
export const leastTime: PolicyFactory = (context) => {
  const { state, random } = context;
  const unmeasured = leastRequests(context);
  let picks = 0;
  return {
    pick(candidates, count, key) {
      let fastest = Infinity;
      for (let i = 0; i < count; i++) {
        const latency = state.latency(candidates[i]!.slot);
        if (latency > 0 && latency < fastest) fastest = latency;
      }
      if (fastest === Infinity) return unmeasured.pick(candidates, count, key);
      picks = (picks + 1) % EXPLORE_EVERY;
      if (picks === 0) return weightedRandom(candidates, count, state, random);

      let best: Backend = candidates[0]!;
      let bestTime = Infinity;
      let tied = 0;
      for (let i = 0; i < count; i++) {
        const candidate = candidates[i]!;
        const weight = candidateWeight(state, candidate);
        const latency = state.latency(candidate.slot) || fastest;
        const time = (latency * (state.active(candidate.slot) + 1)) / weight;
        if (time > bestTime) continue;
        tied = time < bestTime ? weight : tied + weight;
        if (time < bestTime || random() * tied < weight) best = candidate;
        bestTime = time;
      }
      return best;
    },
    isSettled: (_candidates, count) => count === 1,
  };
};
