import type { Backend } from '../backends/backend.ts';
import type { SharedState } from '../backends/shared-state.ts';

const LEAST = 1e-6;

/**
 * Effective weight of a candidate, never 0. Candidates of weight 0 come up in panic mode alone: next to others they get
 * next to nothing, and among themselves equal shares. HOT
 */
export function candidateWeight(state: SharedState, candidate: Backend): number {
  const weight = state.weight(candidate.slot);
  return Math.max(weight, LEAST);
}
