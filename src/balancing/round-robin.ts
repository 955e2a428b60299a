import { candidateWeight } from './candidate-weight.ts';
import type { PolicyFactory } from './policy.ts';

/**
 * Smooth weighted round-robin, as nginx does it: each turn every candidate gains its weight, the richest is chosen and
 * pays the sum of all. Weights 5, 1, 1 give a a b a c a a and not a a a a a b c.
 *
 * Credits are kept by slot, so they outlive a change of candidates or weights. Each starts with a random crumb, smaller
 * than any weight: it decides ties, so that several workers do not all begin with the first backend of the list.
 */
export const roundRobin: PolicyFactory = ({ state, random, slots }) => {
  const credits = Float64Array.from({ length: slots }, () => random() * 1e-9);
  return {
    pick(candidates, count) {
      let total = 0;
      for (let i = 0; i < count; i++) total += candidateWeight(state, candidates[i]!);
      let best = candidates[0]!;
      let most = -Infinity;
      for (let i = 0; i < count; i++) {
        const candidate = candidates[i]!;
        // A credit never leaves -total..total by itself. One that was earned with weights of another scale, before a
        // reload, would shut others out for thousands of turns.
        const before = Math.min(total, Math.max(-total, credits[candidate.slot]!));
        const credit = before + candidateWeight(state, candidate);
        credits[candidate.slot] = credit;
        if (credit > most) {
          best = candidate;
          most = credit;
        }
      }
      credits[best.slot] = most - total;
      return best;
    },
    isSettled: (_candidates, count) => count === 1,
  };
};
