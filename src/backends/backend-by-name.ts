import type { Backend } from './backend.ts';
import type { Pool } from './pool.ts';

/** The backend that has this name, `pool/id`; null: there is none. */
export function backendByName(pools: readonly Pool[], name: string): Backend | null {
  const slash = name.indexOf('/');
  return pools.find((pool) => pool.name === name.slice(0, slash))?.byId.get(name.slice(slash + 1)) ?? null;
}
