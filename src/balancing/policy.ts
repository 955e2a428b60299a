import type { Backend } from '../backends/backend.ts';
import type { SharedState } from '../backends/shared-state.ts';
import type { Key } from '../keys/key.ts';

/**
 * Chooses the backend of a new session.
 *
 * `candidates[0..count)` holds at least one backend, filtered once by the caller (open for new sessions, not tried
 * yet); entries from `count` on are left over from earlier calls. A policy is synchronous, allocates nothing and
 * touches nothing but its own counters. `key` is null when the request has none: a missing key is never hashed
 * (behaviour 15).
 */
export interface BalancingPolicy {
  pick(candidates: readonly Backend[], count: number, key: Key | null): Backend;
  /**
   * True if every thread that asks now picks the same one: neither a draw nor the turn of a thread decides. For
   * explain, with the arguments of `pick`.
   */
  isSettled(candidates: readonly Backend[], count: number, key: Key | null): boolean;
}

/** What a policy may read: live state, and randomness as an argument so that tests can repeat it. */
export interface PolicyContext {
  readonly state: SharedState;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Number of slots in `state`, for counters by slot. */
  readonly slots: number;
}

export type PolicyFactory = (context: PolicyContext) => BalancingPolicy;
