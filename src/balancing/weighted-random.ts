import type { Backend } from '../backends/backend.ts';
import type { SharedState } from '../backends/shared-state.ts';
import { candidateWeight } from './candidate-weight.ts';

/**
 * One of `candidates[0..count)` by effective weight, never `except` (which must leave another one).
 * Draws from `random` once.
 */
export function weightedRandom(
  candidates: readonly Backend[],
  count: number,
  state: SharedState,
  random: () => number,
  except: Backend | null = null,
): Backend {
  let total = 0;
  for (let i = 0; i < count; i++) {
    const candidate = candidates[i]!;
    if (candidate !== except) total += candidateWeight(state, candidate);
  }
  let left = random() * total;
  let chosen = candidates[0]!;
  for (let i = 0; i < count; i++) {
    const candidate = candidates[i]!;
    if (candidate === except) continue;
    // Kept also when rounding lets the sum run out before the end.
    chosen = candidate;
    left -= candidateWeight(state, candidate);
    if (left < 0) break;
  }
  return chosen;
}
