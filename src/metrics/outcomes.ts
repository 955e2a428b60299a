/**
 * What became of the affinity of a request: one set for the access log, the metric `limpet_affinity_total` and explain.
 * An index into this list is what the counters take; the order is fixed.
 */
export const OUTCOMES = [
  'new',
  'bound',
  'adopted',
  'moved',
  'returned',
  'invalid',
  'expired',
  'ended',
  'none',
  'lost',
] as const;
/** One of OUTCOMES. */
export type Outcome = (typeof OUTCOMES)[number];
/** The index of each outcome: `Outcome.bound` is 1. */
export const Outcome = {
  /** No key came: a new session. */
  new: 0,
  /** The row names the backend. */
  bound: 1,
  /** A cookie that verifies, its row made again. */
  adopted: 2,
  /** Failover, or moved by an operator. */
  moved: 3,
  /** Failback to the first backend. */
  returned: 4,
  /** A key that does not verify. */
  invalid: 5,
  /** Idle for too long, or at the end of its lifetime. */
  expired: 6,
  /** The session was ended, and its key stays refused. */
  ended: 7,
  /** The route or pool is not sticky. */
  none: 8,
  /** The backend is gone and the pool rejects instead of moving. */
  lost: 9,
} as const satisfies { readonly [O in Outcome]: number };
