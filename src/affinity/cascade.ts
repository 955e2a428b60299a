import type { AffinityConfigOf } from '../config/schema.ts';
import { StartError } from '../errors-start.ts';
import { STRATEGIES } from './registry.ts';
import { SessionBinding } from './session-binding.ts';
import { SessionUsers } from './session-users.ts';
import type { AffinityStrategy, CookieIssuer, KeySource, StrategyContext } from './strategy.ts';

/**
 * The key sources of a pool, in the order in which they are tried, and the one among them that makes keys of its own.
 */
export interface Cascade {
  readonly strategies: readonly AffinityStrategy[];
  /** Null: limpet issues no cookie in this pool. */
  readonly issuer: CookieIssuer | null;
  /** Null: its sessions are bound to nothing but their backend. */
  readonly binding: SessionBinding | null;
  readonly users: SessionUsers;
}

/**
 * Makes the strategies of `context.pool`. Once for each pool and thread: a strategy remembers what it has worked out.
 * @throws StartError that names file and place in the configuration, when a key file is no good or there are two
 * cookies of limpet's own.
 */
export function buildCascade(context: StrategyContext): Cascade {
  const strategies = context.pool.config.affinity.map((config, index) =>
    build(config, context, `pools.${context.pool.name}.affinity[${index}]`),
  );
  const issuers = strategies.flatMap(({ issuer }) => issuer ?? []);
  if (issuers.length > 1)
    throw new StartError(
      `pools.${context.pool.name}.affinity: limpet issues one cookie a pool, remove the other { by: cookie }`,
    );
  const { pool, secrets, keySecret } = context;
  return {
    strategies,
    issuer: issuers[0] ?? null,
    binding: SessionBinding.of(pool.config.session, context),
    users: new SessionUsers(pool, keySecret ?? secrets[0]!, strategies),
  };
}

function build<By extends KeySource>(
  config: AffinityConfigOf<By>,
  context: StrategyContext,
  path: string,
): AffinityStrategy {
  return STRATEGIES[config.by as By](config, context, path);
}
