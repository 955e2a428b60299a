import type { Backend } from './backend.ts';
import type { Pool } from './pool.ts';

/** Where a session is: the two fields of a row of the session table. */
interface Bound {
  /** Slot. */
  readonly backend: number;
  /** Stamp of a life, see BackendLife. */
  readonly generation: number;
}

/**
 * The backend that a row names, in whichever life; null: it is not in the pool any more, or not the one it was
 * (behaviour 12).
 */
export function boundBackend(pool: Pool, { backend: slot, generation }: Bound): Backend | null {
  const backend = pool.bySlot[slot];
  return backend?.life.owns(generation) === true ? backend : null;
}
