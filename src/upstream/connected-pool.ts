import type { Cascade } from '../affinity/cascade.ts';
import type { SessionBinding } from '../affinity/session-binding.ts';
import type { SessionUsers } from '../affinity/session-users.ts';
import type { AffinityStrategy, CookieIssuer } from '../affinity/strategy.ts';
import type { Backend } from '../backends/backend.ts';
import type { Pool } from '../backends/pool.ts';
import type { BalancingPolicy } from '../balancing/policy.ts';
import type { PoolRuntime } from '../exchange/pool-runtime.ts';
import type { BackendSigns } from '../health/backend-signs.ts';
import type { Outlier } from '../health/outlier.ts';
import { RecentFailures } from '../health/recent-failures.ts';
import type { RateLimiter } from '../limits/rate-limiter.ts';
import type { SessionTriggers } from '../routing/session-triggers.ts';
import { BackendTransport } from './backend-transport.ts';
import type { BackendConnections } from './connections.ts';
import type { Upstream } from './upstream.ts';

/** A pool as one worker has it, with its connections to the backends. */
export class ConnectedPool implements PoolRuntime {
  readonly pool: Pool;
  readonly strategies: readonly AffinityStrategy[];
  readonly learners: readonly AffinityStrategy[];
  readonly issuer: CookieIssuer | null;
  readonly binding: SessionBinding | null;
  readonly users: SessionUsers;
  readonly triggers: SessionTriggers | null;
  readonly guarded: boolean;
  readonly resumes: boolean;
  readonly policy: BalancingPolicy;
  readonly outlier: Outlier | null;
  readonly limiter: RateLimiter | null;
  readonly candidates: Backend[] = [];
  active = 0;
  retrying = 0;
  readonly failures: RecentFailures;
  readonly #connections: (BackendConnections<Upstream> | undefined)[];
  readonly #transport: BackendTransport;

  /**
   * @param before what this worker had of the pool until now
   * @param signs told what becomes of connections to the backends; null: nobody is
   * @throws StartError when a file for TLS to the backends cannot be used
   */
  constructor(
    pool: Pool,
    { strategies, issuer, binding, users }: Cascade,
    triggers: SessionTriggers | null,
    policy: BalancingPolicy,
    outlier: Outlier | null,
    limiter: RateLimiter | null,
    before: ConnectedPool | null = null,
    signs: BackendSigns | null = null,
  ) {
    this.pool = pool;
    this.strategies = strategies;
    this.learners = strategies.filter((strategy) => strategy.learn !== null);
    this.issuer = issuer;
    this.binding = binding;
    this.users = users;
    this.triggers = triggers;
    const { session, rateLimit, failover } = pool.config;
    this.resumes = failover.resume;
    this.guarded = rateLimit !== null || session.dialog !== 'full-duplex' || users.asks;
    this.policy = policy;
    this.outlier = outlier;
    this.limiter = limiter;
    this.failures = before?.failures ?? new RecentFailures();
    this.#connections = before === null ? [] : before.#connections;
    this.#transport = BackendTransport.of(pool, before === null ? null : before.#transport, signs);
  }

  /**
   * Takes effect: from here on connections go to the backends as this pool has them. Sockets to those that did not
   * change are kept.
   */
  adopt(): void {
    const { bySlot } = this.pool;
    for (const [slot, connections] of this.#connections.entries()) {
      if (connections === undefined) continue;
      const backend = bySlot[slot];
      if (backend !== undefined && connections.fits(backend, this.#transport)) {
        connections.backend = backend;
        continue;
      }
      // Requests under way keep what they have: the object is theirs until the last of them has ended.
      connections.retire();
      this.#connections[slot] = undefined;
    }
  }

  connections(backend: Backend): BackendConnections<Upstream> {
    return this.#connections[backend.slot] ?? this.#open(backend);
  }

  #open(backend: Backend): BackendConnections<Upstream> {
    // A request that began before a reload may still choose a backend that is gone: a list of its own, which nobody
    // finds.
    const connections = this.#transport.connections<Upstream>(backend);
    if (this.pool.bySlot[backend.slot] === backend) this.#connections[backend.slot] = connections;
    else connections.retire();
    return connections;
  }

  /** Closes what is kept of the connections to the backend of a slot for nothing but its end. */
  letGo(slot: number): void {
    this.#connections[slot]?.letGo();
  }

  /** Closes the idle connections to all backends; false: there was none. */
  closeIdle(): boolean {
    let closed = false;
    for (const connections of this.#connections) {
      if (connections?.closeIdle()) closed = true;
    }
    return closed;
  }
}
