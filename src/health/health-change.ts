import type { Backend } from '../backends/backend.ts';

/** A flip that the monitor saw or made: for the log, for events and for metrics. */
export interface HealthChange {
  readonly backend: Backend;
  /** `unknown`: it is not probed any more. */
  readonly to: 'up' | 'down' | 'unknown' | 'ejected' | 'returned';
  /** A few words, such as `status 503` or `ECONNREFUSED`. */
  readonly reason: string;
}
