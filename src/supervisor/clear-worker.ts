import type { SharedState } from '../backends/shared-state.ts';
import type { MemoryPressure } from '../limits/memory-pressure.ts';
import type { RateTable } from '../limits/rate-table.ts';
import type { ConnectionLimits } from '../listeners/connection-limits.ts';
import type { CounterSums } from '../metrics/counter-sums.ts';
import type { SessionTable } from '../sessions/table/table.ts';
import type { Users } from '../sessions/users/users.ts';
import type { DeadTurns } from '../turns/dead-turns.ts';

/** Shared memory in which a worker may hold something, as the supervisor has it. */
interface HeldParts {
  readonly table: SessionTable;
  readonly rates: RateTable;
  readonly users: Pick<Users, 'clearWorker'>;
  readonly turns: DeadTurns;
  readonly state: SharedState;
  readonly limits: ConnectionLimits;
  readonly pressure: MemoryPressure;
  readonly sums: CounterSums;
}

/**
 * Takes from a worker that has ended what it held in shared memory: locks, turns, requests in flight, connections. Its
 * rows and counters stay. To be called when its thread certainly runs no more, and before another one gets its index.
 */
export function clearWorker(index: number, parts: HeldParts): void {
  // The supervisor is owner 1 of the locks.
  const owner = index + 2;
  parts.table.releaseLocks(owner);
  parts.rates.releaseLocks(owner);
  parts.users.clearWorker(owner);
  parts.turns.clearWorker(index);
  parts.state.clearWorker(index);
  parts.limits.clearWorker(index);
  parts.pressure.clear(index + 1);
  parts.sums.clearWorker(index);
}
