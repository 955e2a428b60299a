import type { MetricsSource } from '../metrics/metrics-source.ts';
import type { LiveParts } from './live-parts.ts';
import type { Reloads } from './reloads.ts';

/** What the metrics read besides the counters, from the running parts. */
export function liveMetricsSource(parts: LiveParts, reloads: Reloads | null): MetricsSource {
  const { pools, listeners, state, table, workers, store } = parts;
  return {
    pools,
    listeners,
    activeRequests: (slot) => state.active(slot),
    isUp: (slot) => state.health(slot) !== 'down' && !state.ejected(slot),
    life: (slot) => state.layout.life[slot]!,
    sessions: (slot) => table.sessions(slot),
    sessionsOfPool: (pool) => table.sessionsOfPool(pool),
    evictions: () => table.evictions,
    ends: () => table.endsKept,
    endsDropped: () => table.endsDropped,
    workerRestarts: workers.restarts,
    socketEngines: () => workers.engines?.() ?? [],
    turns: () => parts.turns?.used ?? 0,
    waitingForTurn: () => {
      const counts = new Map<number, number>();
      parts.turns?.waiting((pool, count) => counts.set(pool, count));
      return pools()
        .filter(({ config }) => config.session.dialog === 'half-duplex')
        .map(({ name, index }) => ({ pool: name, count: counts.get(index) ?? 0 }));
    },
    memory: () => parts.memory?.() ?? { short: false, used: 0, limit: Number.POSITIVE_INFINITY },
    storeUp: () => store?.().up ?? true,
    configGeneration: parts.configGeneration,
    reloads: () => ({ ok: reloads?.succeeded ?? 0, failed: reloads?.failed ?? 0 }),
  };
}
