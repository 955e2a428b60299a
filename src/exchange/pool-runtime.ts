import type { SessionBinding } from '../affinity/session-binding.ts';
import type { SessionUsers } from '../affinity/session-users.ts';
import type { AffinityStrategy, CookieIssuer } from '../affinity/strategy.ts';
import type { Backend } from '../backends/backend.ts';
import type { Pool } from '../backends/pool.ts';
import type { BalancingPolicy } from '../balancing/policy.ts';
import type { Outlier } from '../health/outlier.ts';
import type { RecentFailures } from '../health/recent-failures.ts';
import type { RateLimiter } from '../limits/rate-limiter.ts';
import type { SessionTriggers } from '../routing/session-triggers.ts';

/**
 * What one worker has of a pool: the read-only model with its strategies and policy. Its connections are
 * ConnectedPool's.
 *
 * A reload that changes the pool makes another one, which takes the connections over; a request that is under way keeps
 * the one it began with to its end (`Exchange.runtime`), so it never sees two configurations.
 */
export interface PoolRuntime {
  readonly pool: Pool;
  readonly strategies: readonly AffinityStrategy[];
  /** Those of `strategies` that learn from responses; empty for most pools. */
  readonly learners: readonly AffinityStrategy[];
  readonly issuer: CookieIssuer | null;
  /** What sessions must keep besides their backend; null: nothing. */
  readonly binding: SessionBinding | null;
  /** Whose its sessions are. */
  readonly users: SessionUsers;
  /** Requests after which the session ends or gets another id; null: none are configured. */
  readonly triggers: SessionTriggers | null;
  /** Requests have to pass at least one of the steps of proxy/steps/admission.ts. */
  readonly guarded: boolean;
  /** Broken responses go on at another backend, see resume.ts. */
  readonly resumes: boolean;
  readonly policy: BalancingPolicy;
  readonly outlier: Outlier | null;
  /** Null: its requests are not limited. */
  readonly limiter: RateLimiter | null;
  /** Scratch for the candidates of one choice. */
  readonly candidates: Backend[];
  /**
   * Requests of this worker between choice and end, and how many of them are at a second or later attempt (behaviour
   * 38).
   */
  active: number;
  retrying: number;
  readonly failures: RecentFailures;
}
