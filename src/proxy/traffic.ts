import type { AffinityStrategy, CookieIssuer } from '../affinity/strategy.ts';
import type { Backend } from '../backends/backend.ts';
import type { Pool } from '../backends/pool.ts';
import type { BalancingPolicy } from '../balancing/policy.ts';
import { BackendConnections } from '../forwarding/connections.ts';
import type { Outlier } from '../health/outlier.ts';

/** What one worker has of a pool: the read-only model, its strategies and policy, and its connections. Found by `pool.index`. */
export class PoolTraffic {
  readonly pool: Pool;
  readonly strategies: readonly AffinityStrategy[];
  /** Those of `strategies` that learn from responses; empty for most pools. */
  readonly learners: readonly AffinityStrategy[];
  readonly issuer: CookieIssuer | null;
  /** Names of limpet's own cookies, which backends neither see nor set. */
  readonly cookies: readonly string[];
  readonly policy: BalancingPolicy;
  readonly outlier: Outlier | null;
  /** Scratch for the candidates of one choice. */
  readonly candidates: Backend[] = [];
  /** Requests of this worker between choice and end, and how many of them are at a second or later attempt (behaviour 38). */
  active = 0;
  retrying = 0;
  /** When each backend last failed, by slot, in ms of the worker's wheel. */
  readonly failedAt: (number | undefined)[] = [];
  readonly #connections: (BackendConnections | undefined)[] = [];

  constructor(
    pool: Pool,
    strategies: readonly AffinityStrategy[],
    issuer: CookieIssuer | null,
    policy: BalancingPolicy,
    outlier: Outlier | null,
  ) {
    this.pool = pool;
    this.strategies = strategies;
    this.learners = strategies.filter((strategy) => strategy.learn !== null);
    this.issuer = issuer;
    this.cookies = issuer === null ? [] : [issuer.name];
    this.policy = policy;
    this.outlier = outlier;
    for (const backend of pool.backends) this.#connections[backend.slot] = new BackendConnections(backend);
  }

  connections(backend: Backend): BackendConnections {
    return this.#connections[backend.slot]!;
  }

  /** Closes the idle connections to all backends; false: there was none. */
  closeIdle(): boolean {
    let closed = false;
    for (const connections of this.#connections) {
      if (connections === undefined || connections.idle.length === 0) continue;
      connections.closeIdle();
      closed = true;
    }
    return closed;
  }
}
