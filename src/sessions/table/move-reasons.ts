/**
 * Why a session was moved, in the order of its number in a row of the table (`movedReason`).
 * The text stands in `Limpet-Session-Moved`, in the label `reason` of `limpet_failovers_total` and in the log.
 */
export const MOVE_REASONS = [
  'backend-down',
  'maintenance',
  'removed',
  'operator',
  'relearned',
  'failback',
  'drain',
  'backend-restarted',
] as const;
/** One of MOVE_REASONS. */
export type MoveReason = (typeof MOVE_REASONS)[number];
/** The index of each reason. */
export const MoveReason = {
  /** The backend is down, ejected or did not answer. */
  'backend-down': 0,
  /** The operator set the backend to maintenance. */
  maintenance: 1,
  /** The backend is not in the configuration any more. */
  removed: 2,
  /** Moved through the admin API. */
  operator: 3,
  /** A learned key was seen from another backend (behaviour 17). */
  relearned: 4,
  /** Back to the first backend (behaviour 34). */
  failback: 5,
  /** The time that its draining backend was given is over. */
  drain: 6,
  /**
   * The backend's process has ended, and another one answers in its place without the session's state (behaviour 114).
   */
  'backend-restarted': 7,
} as const satisfies { readonly [R in MoveReason]: number };

/**
 * 1 for the reasons after which a session may go back to where it was (`failover.failback`), by their index. At most 16
 * reasons fit into a row.
 */
export const RETURNS = Uint8Array.from(MOVE_REASONS, (reason) =>
  reason === 'backend-down' || reason === 'maintenance' || reason === 'drain' ? 1 : 0,
);
