import type { ModelKeeper } from '../model/model-keeper.ts';
import type { SessionNames } from '../sessions/snapshot-names.ts';

/** The names of backends by their places in the model that is in effect, for sessions that leave this process or come to it. */
export function sessionNames(keeper: ModelKeeper): SessionNames {
  let of = keeper.pools;
  let bySlot = namesBySlot(keeper);
  return {
    backends: (slot, generation) => {
      if (of !== keeper.pools) {
        of = keeper.pools;
        bySlot = namesBySlot(keeper);
      }
      const found = bySlot[slot];
      return found !== undefined && (generation === -1 || found.generation === generation) ? found.name : null;
    },
    resolve: (pool, id) => {
      const index = keeper.model.pools.get(pool);
      const place = keeper.model.slots.get(`${pool}/${id}`);
      return index === undefined || place === undefined
        ? null
        : { pool: index, slot: place.slot, generation: place.generation };
    },
  };
}

function namesBySlot(keeper: ModelKeeper): { name: string; generation: number }[] {
  const names: { name: string; generation: number }[] = [];
  for (const [name, { slot, generation }] of keeper.model.slots) names[slot] = { name, generation };
  return names;
}
