import type { Backend } from '../backends/backend.ts';
import type { Pool } from '../backends/pool.ts';
import { type Refused, refused } from './refused.ts';

/** The pool of that name, or the answer that says which there are. */
export function findPool(pools: readonly Pool[], name: string): Pool | Refused {
  const pool = pools.find((candidate) => candidate.name === name);
  return pool ?? refused(404, `There is no pool ${JSON.stringify(name)}: there ${listed(pools.map((p) => p.name))}.`);
}

/** The backend of a pool, or the answer that says which there are. */
export function findBackend(pool: Pool, id: string): Backend | Refused {
  const ids = pool.backends.map((backend) => backend.id);
  return (
    pool.byId.get(id) ??
    refused(404, `There is no backend ${JSON.stringify(id)} in the pool ${pool.name}: there ${listed(ids)}.`)
  );
}

function listed(names: readonly string[]): string {
  if (names.length === 0) return 'is none';
  return `${names.length === 1 ? 'is' : 'are'} ${names.join(', ')}`;
}
