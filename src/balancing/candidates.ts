import type { Backend } from '../backends/backend.ts';
import type { Pool } from '../backends/pool.ts';
import type { SharedState } from '../backends/shared-state.ts';
import { isTried } from './tried.ts';

/**
 * Fills `out` with the backends that may get a new session or, for a session that has none any more, take it over;
 * returns how many.
 *
 * The first of these sets that is not empty: the open backends; the open backups; with `whenAllDown: try` (panic) all
 * that are not in maintenance. Left out are the slots in `tried[0..triedCount)` (behaviour 31). 0 means that none is
 * left: the caller's loop ends there (behaviour 37). Allocates nothing once `out` has grown.
 */
export function openCandidates(
  pool: Pool,
  state: SharedState,
  tried: ArrayLike<number>,
  triedCount: number,
  out: Backend[],
): number {
  const { backends } = pool;
  let count = 0;
  let backups = 0;
  for (let i = 0; i < backends.length; i++) {
    const backend = backends[i]!;
    if (!state.isOpen(backend.slot) || isTried(backend.slot, tried, triedCount)) continue;
    if (backend.backup) backups++;
    else out[count++] = backend;
  }
  if (count > 0) return count;
  if (backups > 0) {
    for (let i = 0; i < backends.length; i++) {
      const backend = backends[i]!;
      // Looked at once more, as another thread may have closed one since.
      if (backend.backup && state.isOpen(backend.slot) && !isTried(backend.slot, tried, triedCount))
        out[count++] = backend;
    }
    if (count > 0) return count;
  }
  if (pool.config.health.whenAllDown === 'reject') return 0;
  for (let i = 0; i < backends.length; i++) {
    const backend = backends[i]!;
    if (!state.inUse(backend.slot) || state.adminState(backend.slot) === 'maintenance') continue;
    if (!isTried(backend.slot, tried, triedCount)) out[count++] = backend;
  }
  return count;
}
