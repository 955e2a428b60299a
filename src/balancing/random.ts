import type { PolicyFactory } from './policy.ts';
import { weightedRandom } from './weighted-random.ts';

/** A random backend, by weight. */
export const random: PolicyFactory = ({ state, random: draw }) => ({
  pick: (candidates, count) => weightedRandom(candidates, count, state, draw),
  isSettled: (_candidates, count) => count === 1,
});
