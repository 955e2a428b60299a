import type { MetricsSource } from '../metrics/metrics-source.ts';
import type { LiveParts } from './live-parts.ts';

/** What the metrics read besides the counters, from the running parts. */
export function liveMetricsSource(parts: LiveParts): MetricsSource {
  const { pools, listeners, state, table, workers } = parts;
  return {
    pools,
    listeners: () => listeners().map(({ bind }) => bind),
    activeRequests: (slot) => state.active(slot),
    isUp: (slot) => state.health(slot) !== 'down' && !state.ejected(slot),
    sessions: (slot) => table.sessions(slot),
    sessionsOfPool: (pool) => table.sessionsOfPool(pool),
    evictions: () => table.evictions,
    workerRestarts: workers.restarts,
  };
}
