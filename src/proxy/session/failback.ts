import type { Backend } from '../../backends/backend.ts';
import type { Pool } from '../../backends/pool.ts';
import type { SharedState } from '../../backends/shared-state.ts';
import type { Row } from '../../sessions/table/row.ts';

/** With `when-idle`: how long a session must have had no request before this one, ms. */
const IDLE_MS = 30_000;
/**
 * A backend that has failed so recently, ms, is not gone back to: without probes nothing else says that it is still
 * dead.
 */
const CALM_MS = 5_000;

/**
 * The backend that a session goes back to with this request (`failover.failback`, behaviour 34), or null: it stays
 * where it is. That is the one that it had to leave when it was not available, now that it takes sessions again; it may
 * still be in its slow start.
 * @param row of the session as it was found, `found` when that was, ms since epoch
 * @param failedAgo how long ago a request has failed there, ms; Infinity: it is not known to have
 */
export function failbackTarget(
  row: Row,
  pool: Pool,
  state: SharedState,
  found: number,
  failedAgo: number,
): Backend | null {
  const { failback } = pool.config.failover;
  if (failback === 'never' || row.failbackTo < 0 || row.failbackTo === row.backend) return null;
  const backend = pool.bySlot[row.failbackTo];
  // Gone from the configuration, or another one in its place by now (behaviour 12).
  if (backend === undefined || backend.departing) return null;
  if (!backend.life.endsWith(row.failbackGeneration)) return null;
  if (!state.isOpen(backend.slot)) return null;
  if (failback === 'when-idle' && found - row.lastSeen < IDLE_MS) return null;
  // Full, it would make the session wait for a place that it has where it is.
  if (backend.maxRequests > 0 && state.active(backend.slot) >= backend.maxRequests) return null;
  if (failedAgo < CALM_MS && Date.now() - state.lastChange(backend.slot) > failedAgo) return null;
  return backend;
}
