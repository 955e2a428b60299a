import type { Backend } from '../../backends/backend.ts';
import type { KnownLives } from '../../backends/known-lives.ts';
import type { ModelKeeper } from '../../model/model-keeper.ts';
import type { SessionNames } from '../../sessions/persistence/snapshot-names.ts';

/**
 * The names of backends by their places in the model that is in effect, for sessions that leave this process or come to
 * it.
 */
export function sessionNames(keeper: ModelKeeper, lives: KnownLives): SessionNames {
  let of = keeper.pools;
  let bySlot = backendsBySlot(keeper);
  return {
    lives,
    backends: (slot, stamp) => {
      if (of !== keeper.pools) {
        of = keeper.pools;
        bySlot = backendsBySlot(keeper);
      }
      const found = bySlot[slot];
      if (found === undefined) return null;
      const life = stamp === -1 ? found.life.number : found.life.numberOf(stamp);
      return life === 0 ? null : { name: `${found.pool}/${found.id}`, life };
    },
    resolve: (pool, id) => {
      const backend = keeper.pools.find(({ name }) => name === pool)?.byId.get(id);
      return backend === undefined ? null : { pool: backend.poolIndex, slot: backend.slot, life: backend.life };
    },
  };
}

function backendsBySlot(keeper: ModelKeeper): Backend[] {
  const backends: Backend[] = [];
  for (const pool of keeper.pools) for (const backend of pool.backends) backends[backend.slot] = backend;
  return backends;
}
