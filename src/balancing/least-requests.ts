import { candidateWeight } from './candidate-weight.ts';
import type { PolicyFactory } from './policy.ts';

/**
 * The backend with the fewest requests in flight for its weight, over all workers. Several that are equally busy share
 * by weighted random: otherwise the first of the list would get every session of a quiet hour.
 */
export const leastRequests: PolicyFactory = ({ state, random }) => ({
  pick(candidates, count) {
    let best = candidates[0]!;
    let bestActive = state.active(best.slot);
    let bestWeight = candidateWeight(state, best);
    let tied = bestWeight;
    for (let i = 1; i < count; i++) {
      const candidate = candidates[i]!;
      const active = state.active(candidate.slot);
      const weight = candidateWeight(state, candidate);
      // active / weight, multiplied out: exact for whole weights.
      const difference = active * bestWeight - bestActive * weight;
      if (difference > 0) continue;
      tied = difference < 0 ? weight : tied + weight;
      if (difference < 0 || random() * tied < weight) {
        best = candidate;
        bestActive = active;
        bestWeight = weight;
      }
    }
    return best;
  },
  isSettled(candidates, count) {
    let best = candidates[0]!;
    let isTied = false;
    for (let i = 1; i < count; i++) {
      const candidate = candidates[i]!;
      const difference =
        state.active(candidate.slot) * candidateWeight(state, best) -
        state.active(best.slot) * candidateWeight(state, candidate);
      if (difference < 0) best = candidate;
      isTied = difference === 0 || (isTied && difference > 0);
    }
    return !isTied;
  },
});
