import { randomFillSync } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { buildCascade } from '../affinity/cascade.ts';
import { buildPools } from '../backends/build-pools.ts';
import type { Pool } from '../backends/pool.ts';
import type { SharedState } from '../backends/shared-state.ts';
import { POLICIES } from '../balancing/registry.ts';
import type { BackendSigns } from '../health/backend-signs.ts';
import { Outlier } from '../health/outlier.ts';
import { RateLimiter } from '../limits/rate-limiter.ts';
import type { RateTable } from '../limits/rate-table.ts';
import type { Logger } from '../logging/logger.ts';
import type { RunningModel } from '../model/running-model.ts';
import { SessionTriggers } from '../routing/session-triggers.ts';
import { ConnectedPool } from '../upstream/connected-pool.ts';

/** What a worker's ConnectedPool is made with besides the model. */
interface RuntimeParts {
  readonly state: SharedState;
  readonly log: Logger;
  readonly rates: RateTable;
  /** Null: what becomes of connections is told to nobody. */
  readonly signs: BackendSigns | null;
}

/**
 * What a worker has of each pool of a model. A pool in which nothing has changed since `before` keeps what it has: its
 * strategies remember keys and verified tokens, its policy where it was.
 * @throws StartError when a part cannot be made, such as a key file that is gone
 */
export function buildRuntimes(
  model: RunningModel,
  before: { readonly model: RunningModel; readonly pools: readonly ConnectedPool[] } | null,
  parts: RuntimeParts,
): ConnectedPool[] {
  const known = new Map(before?.pools.map((runtime) => [runtime.pool.name, runtime]));
  const { layout } = parts.state;
  const { pools: indices, departing } = model;
  return buildPools(model.config, model.slots, { indices, departing, layout }).map((pool) => {
    const old = known.get(pool.name) ?? null;
    if (old !== null && before !== null && isSame(pool, old, model, before.model)) return old;
    return build(pool, old, model, parts);
  });
}

function build(
  pool: Pool,
  before: ConnectedPool | null,
  model: RunningModel,
  { state, log, rates, signs }: RuntimeParts,
): ConnectedPool {
  const cascade = buildCascade({
    pool,
    secrets: model.secrets,
    keySecret: model.keySecret,
    now: Date.now,
    since: (backend) => backend.since,
    randomBytes: (bytes) => {
      randomFillSync(bytes as Uint8Array<ArrayBuffer>);
    },
    warn: (message) => log.warn({ pool: pool.name }, message),
  });
  const policy = POLICIES[pool.config.balance]({ state, random: Math.random, slots: state.slots });
  const outlier = pool.config.health.passive === null ? null : new Outlier(pool, state);
  const triggers = SessionTriggers.of(pool.config.session, `pools.${pool.name}.session`);
  const { rateLimit } = pool.config;
  const limiter = rateLimit === null ? null : new RateLimiter(pool.name, rateLimit, model.keySecret, rates);
  return new ConnectedPool(pool, cascade, triggers, policy, outlier, limiter, before, signs);
}

function isSame(
  pool: Pool,
  { pool: old, strategies }: ConnectedPool,
  model: RunningModel,
  before: RunningModel,
): boolean {
  // Files that a strategy or TLS to the backends has read may hold something else by now, under the same name.
  const { tls } = pool.config;
  const reads = strategies.some(({ files }) => files.length > 0) || tls.ca !== null || tls.cert !== null;
  const reread = model.generation !== before.generation && reads;
  return (
    !reread &&
    isDeepStrictEqual(pool.config, old.config) &&
    isDeepStrictEqual(model.secrets, before.secrets) &&
    pool.backends.every((backend) => {
      const was = old.byId.get(backend.id)!;
      return backend.slot === was.slot && backend.generation === was.generation && backend.departing === was.departing;
    })
  );
}
