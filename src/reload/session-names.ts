import type { Backend } from '../backends/backend.ts';
import type { ModelKeeper } from '../model/model-keeper.ts';
import type { SessionNames } from '../sessions/snapshot-names.ts';

/** The names of backends by their places in the model that is in effect, for sessions that leave this process or come to it. */
export function sessionNames(keeper: ModelKeeper): SessionNames {
  let of = keeper.pools;
  let bySlot = backendsBySlot(keeper);
  return {
    backends: (slot, generation) => {
      if (of !== keeper.pools) {
        of = keeper.pools;
        bySlot = backendsBySlot(keeper);
      }
      const found = bySlot[slot];
      return found !== undefined && (generation === -1 || found.life.owns(generation))
        ? `${found.pool}/${found.id}`
        : null;
    },
    resolve: (pool, id) => {
      const backend = keeper.pools.find(({ name }) => name === pool)?.byId.get(id);
      return backend === undefined
        ? null
        : { pool: backend.poolIndex, slot: backend.slot, generation: backend.life.stamp };
    },
  };
}

function backendsBySlot(keeper: ModelKeeper): Backend[] {
  const backends: Backend[] = [];
  for (const pool of keeper.pools) for (const backend of pool.backends) backends[backend.slot] = backend;
  return backends;
}
