import type { Backend } from '../backends/backend.ts';
import { candidateWeight } from './candidate-weight.ts';
import type { PolicyFactory } from './policy.ts';
import { rendezvous } from './rendezvous.ts';
import { weightedRandom } from './weighted-random.ts';

/**
 * The backend that the key falls to by weighted rendezvous hashing, the same in every thread. A request without a key
 * gets a random backend by weight: a missing key is never hashed (behaviour 15).
 */
export const hash: PolicyFactory = ({ state, random }) => {
  const weightOf = (backend: Backend): number => candidateWeight(state, backend);
  return {
    pick: (candidates, count, key) =>
      key === null ? weightedRandom(candidates, count, state, random) : rendezvous(candidates, count, key, weightOf),
    isSettled: (_candidates, count, key) => count === 1 || key !== null,
  };
};
